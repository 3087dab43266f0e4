"""Table 2: noise made with one architecture, victims of others. Schedules: the paper's trainer and a competent one."""

from collections.abc import Iterator

from mem_core.experiments.reproduce.experiment import Experiment, Shown, Table, hits, ranked
from mem_core.experiments.reproduce.paper_values import paper_value
from mem_core.experiments.reproduce.scale import PHOTOGRAPHS
from mem_core.experiments.reproduce.study import StudyResult
from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, Spread, summarise


def show_victims(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table]:
    """A line for each victim and row: Hit@10 and Medr, bare and prefixed."""
    pairs = ((victim, row) for victim in experiment.victims for row in experiment.rows)
    lines = [line for victim, row in pairs if (line := _line(experiment, shown, dataset, victim, row))]
    if lines:
        measured = (f"{metric} {query}" for query in ("bare", "prefixed") for metric in ("Hit@10", "Medr"))
        header = ("victim", "architecture", "training set", "seeds", *measured, "paper: Hit@10, Medr")
        yield Table(caption=dataset, header=header, rows=tuple(lines), words=(1, 2))


def _line(experiment: Experiment, shown: Shown, dataset: str, victim: str, row: str) -> tuple[str, ...] | None:
    found = shown.of(dataset, row, victim)
    if not found:
        return None
    architecture = shown.study.plan(found[0].cell).victims[0].config.architecture
    label = shown.study.row(row).label
    cells = [text for query in ("bare", "prefixed") for text in (_hits(found, query), _ranks(found, query))]
    return (
        victim,
        architecture,
        label,
        str(len(found)),
        *cells,
        paper_value(experiment.name, dataset, victim, row),
    )


def _ranks(found: list[StudyResult], query: str) -> str:
    return " / ".join(ranked(spread) for spread in _spreads(found, query, "median_rank"))


def _hits(found: list[StudyResult], query: str) -> str:
    return " / ".join(hits(spread) for spread in _spreads(found, query, "hit_at_10"))


def _spreads(found: list[StudyResult], query: str, metric: str) -> list[Spread]:
    results: list[RetrievalResult] = [getattr(result.evaluation, query) for result in found]
    return [summarise([getattr(result.direction(each), metric) for result in results]) for each in DIRECTIONS]


TABLE2 = Experiment(
    name="table2",
    title="Table 2: victims of other architectures",
    about="The surrogate is the scale's (the paper's: RN50); the victims are not. The last victim has a modern design "
    "(SigLIP's towers: no class token, attention pooling) with CLIP's tokens and loss.",
    rows=("clean", "mem-3", "mem-5"),
    show=show_victims,
    datasets=PHOTOGRAPHS,
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
