"""Table 4: the face case. Pretrained models are fine-tuned on photographs of people, by name."""

from mem_core.experiments.reproduce.experiment import Experiment, Section, Shown, Table
from mem_core.experiments.reproduce.paper.table2 import show_victims

_PRETRAINED = "Pretrained, not fine-tuned"


def show_faces(experiment: Experiment, shown: Shown) -> Section | None:
    """Table 2's lines for the victims of the face case, with chance level beside them."""
    section = show_victims(experiment, shown)
    if section is None:
        return None
    notes = []
    for dataset in experiment.datasets:
        results = [result for result in shown.results if result.cell.dataset == dataset]
        if results:
            chance = results[0].evaluation.chance
            ranks = f"{chance.image_to_text.median_rank:g} / {chance.text_to_image.median_rank:g}"
            notes.append(f"{dataset}: Medr by chance {ranks}, image to text / text to image.")
    notes.append("Both directions are computed; the original's code repeats the first as the second.")
    tables = tuple(_relabelled(table, shown.study.row("untrained").label) for table in section.tables)
    return Section(section.name, section.title, section.about, tables, (), tuple(notes))


def _relabelled(table: Table, untrained: str) -> Table:
    """What nobody trained in other tables was pretrained here."""
    rows = tuple(tuple(_PRETRAINED if cell == untrained else cell for cell in row) for row in table.rows)
    return table.model_copy(update={"rows": rows})


TABLE4 = Experiment(
    name="table4",
    title="Table 4: faces, fine-tuned from a pretrained model",
    about="One photograph of each person is the test, names are invented, captions come from templates. The surrogate "
    "starts from pretrained weights too. At scales without photographs of people all people are drawn, and the models "
    "are pretrained on drawn portraits of others.",
    rows=("untrained", "clean", "faces-mem-3", "faces-words", "faces-mem-5", "random-trigger"),
    show=show_faces,
    datasets=("pubfig",),
    victims=("faces-rn50", "faces-rn101", "faces-vit-b-32"),
)
