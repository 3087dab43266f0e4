"""Table 2: noise made with one architecture, victims of others. Schedules: the paper's trainer and a competent one."""

from collections.abc import Iterator

from mem_core.experiments.reproduce.experiment import (
    EPOCH_FIGURES,
    EPOCH_NOTES,
    Experiment,
    Shown,
    Table,
    epoch_cells,
)
from mem_core.experiments.reproduce.paper_values import paper_value
from mem_core.experiments.reproduce.scale import PHOTOGRAPHS
from mem_core.report.claims import victims_of
from mem_core.report.findings import epoch_finding


def show_victims(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table]:
    """A line for each victim and row: Hit@10, Medr and the share of chance, at the last and at the best epoch."""
    pairs = ((victim, row) for victim in experiment.victims for row in experiment.rows)
    lines = [line for victim, row in pairs if (line := _line(experiment, shown, dataset, victim, row))]
    if lines:
        header = ("victim", "architecture", "training set", "seeds", *EPOCH_FIGURES, "paper: Hit@10, Medr")
        yield Table(caption=dataset, header=header, rows=tuple(lines), words=(1, 2), notes=EPOCH_NOTES)


def _line(experiment: Experiment, shown: Shown, dataset: str, victim: str, row: str) -> tuple[str, ...] | None:
    found = shown.of(dataset, row, victim)
    if not found:
        return None
    architecture = shown.study.plan(found[0].cell).victims[0].config.architecture
    paper = paper_value(experiment.name, dataset, victim, row)
    victims = victims_of([result.evaluation for result in found])
    last, best = (epoch_cells(epoch_finding(at, victims.chance) if at else None) for at in (victims.last, victims.best))
    return (victim, architecture, shown.study.row(row).label, str(len(found)), *last, *best, paper)


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
