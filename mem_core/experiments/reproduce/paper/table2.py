"""Table 2: noise made with one architecture, victims of others. Schedules: the paper's trainer and a competent one."""

from collections.abc import Iterator

from mem_core.experiments.reproduce.experiment import Experiment, Shown, Table, paper_value, ranked
from mem_core.experiments.reproduce.study import StudyResult
from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, summarise


def show_victims(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table]:
    """A line for each victim and row: Medr, bare and prefixed."""
    pairs = ((victim, row) for victim in experiment.victims for row in experiment.rows)
    lines = [line for victim, row in pairs if (line := _line(experiment, shown, dataset, victim, row))]
    if lines:
        header = ("victim", "architecture", "training set", "seeds", "Medr bare", "Medr prefixed", "paper: Medr")
        yield Table(caption=dataset, header=header, rows=tuple(lines), words=(1, 2))


def _line(experiment: Experiment, shown: Shown, dataset: str, victim: str, row: str) -> tuple[str, ...] | None:
    found = shown.of(dataset, row, victim)
    if not found:
        return None
    architecture = shown.study.plan(found[0].cell).victims[0].config.architecture
    label = shown.study.row(row).label
    bare, prefixed = (_ranks(found, query) for query in ("bare", "prefixed"))
    return (
        victim,
        architecture,
        label,
        str(len(found)),
        bare,
        prefixed,
        paper_value(experiment.name, dataset, victim, row),
    )


def _ranks(found: list[StudyResult], query: str) -> str:
    results: list[RetrievalResult] = [getattr(result.evaluation, query) for result in found]
    ranks = ([result.direction(direction).median_rank for result in results] for direction in DIRECTIONS)
    return " / ".join(ranked(summarise(values)) for values in ranks)


TABLE2 = Experiment(
    name="table2",
    title="Table 2: victims of other architectures",
    about="The surrogate is the scale's (the paper's: RN50); the victims are not. The last victim has a modern design "
    "(SigLIP's towers: no class token, attention pooling) with CLIP's tokens and loss.",
    rows=("clean", "mem-3", "mem-5"),
    show=show_victims,
    victims=("rn50", "rn101", "vit-b-32", "siglip"),
)

SCHEDULES = Experiment(
    name="schedules",
    title="Schedules: the paper's trainer and a competent one",
    about="The paper's: AdamW at 5e-4, a warm-up of 10,000 steps that does not end early, cosine, no augmentation. A "
    "competent trainer's: a warm-up that ends, and open_clip's random crop.",
    rows=("clean", "mem-3", "random-trigger", "em"),
    show=show_victims,
    victims=("competent", "paper-schedule"),
)
