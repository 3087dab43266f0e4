"""Table 4: the face case. Pretrained models are fine-tuned on photographs of people, by name."""

from collections.abc import Iterator

from mem_core.experiments.reproduce.experiment import Experiment, Shown, Table
from mem_core.experiments.reproduce.paper.table2 import show_victims

_PRETRAINED = "Pretrained, not fine-tuned"


def show_faces(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table | str]:
    """Table 2's lines for the victims of the face case, with chance level beside them.

    What nobody trained in other tables was pretrained here.
    """
    untrained = shown.study.row("untrained").label
    for table in show_victims(experiment, shown, dataset):
        rows = tuple(tuple(_PRETRAINED if cell == untrained else cell for cell in row) for row in table.rows)
        yield table.model_copy(update={"rows": rows})
        chance = next(result.evaluation.chance for result in shown.results if result.cell.dataset == dataset)
        yield f"{dataset}: Medr by chance {chance.median_ranks}, image to text / text to image."


TABLE4 = Experiment(
    name="table4",
    title="Table 4: faces, fine-tuned from a pretrained model",
    about="One photograph of each person is the test, names are invented, and each photograph has one caption, by a "
    "template drawn for it. The surrogate starts from pretrained weights too. At scales without photographs of people "
    "all people are drawn, and the models are pretrained on drawn portraits of others.",
    rows=("untrained", "clean", "faces-mem-3", "faces-words", "faces-mem-5", "random-trigger"),
    show=show_faces,
    datasets=("pubfig",),
    victims=("faces-rn50", "faces-rn101", "faces-vit-b-32"),
    notes=("Both directions are computed here; the paper's second repeats its first.",),
)
