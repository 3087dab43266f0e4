"""What an experiment is: which cells it needs, and how it shows them. A table or figure of the paper is one of these.

To add one: an `Experiment` in a file of `mem_core/experiments/reproduce/paper/`, listed in `EXPERIMENTS` there. What it
needs beyond the cells (a gradient, an embedding) it computes in `show`, from the corpora and victims of the study.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mem_core.config import Frozen
from mem_core.experiments.reproduce.paper_values import paper_notes, paper_value
from mem_core.experiments.reproduce.study import Study, StudyCell, StudyResult
from mem_core.experiments.run_report import MeasuredVictim, report_row
from mem_core.report.claims import Victims
from mem_core.report.findings import EpochFinding, RowFinding, compute_findings, gaps
from mem_core.report.inputs import ReportInputs
from mem_core.report.intervals import QUERIES, AtEpoch, Query, percent, with_interval
from mem_core.report.tables import NOTHING, signed_with_interval
from mem_core.report.verdict import rank
from mem_core.victim.metrics import RetrievalResult, Spread


class Table(Frozen):
    """A table of plain text: `rows` are as long as `header`. bold: rows, and marked: columns, that are set apart.

    words: the columns of text, aligned as such; the first one always is.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: tuple[int, ...] = ()
    marked: tuple[int, ...] = ()
    words: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyPicture:
    """A PNG with the name it is kept under (`table1-flickr8k-curves`), and a sentence on what it shows.

    alt: its numbers in words, for those who hear the page. photos: whether it holds photographs, whose colours stay.
    """

    name: str
    png: bytes
    caption: str
    alt: str = ""
    photos: bool = False


@dataclass(frozen=True)
class Section:
    """What an experiment has to show so far."""

    name: str
    title: str
    about: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[StudyPicture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """`rows` are measured, the most telling first. `show`: what there is to show of a dataset, from whatever is there.

    datasets and victims: those that the scale does not have are left out. notes: below everything shown.
    """

    name: str
    title: str
    about: str
    rows: tuple[str, ...]
    show: Callable[["Experiment", "Shown", str], Iterable[Table | StudyPicture | str]]
    datasets: tuple[str, ...] = ("flickr8k",)
    victims: tuple[str, ...] = ("main",)
    notes: tuple[str, ...] = ()

    def section(self, shown: "Shown") -> Section | None:
        """The part of the page, None if there is nothing to show yet."""
        by_dataset = {dataset: list(self.show(self, shown, dataset)) for dataset in self.datasets}
        parts = [part for found in by_dataset.values() for part in found]
        tables = tuple(part for part in parts if isinstance(part, Table))
        pictures = tuple(part for part in parts if isinstance(part, StudyPicture))
        told = paper_notes(self.name, [dataset for dataset, found in by_dataset.items() if found])
        notes = (*(part for part in parts if isinstance(part, str)), *self.notes, *told)
        return Section(self.name, self.title, self.about, tables, pictures, notes) if parts else None

    def cells(self, study: Study, seed: int) -> list[StudyCell]:
        """The cells of one seed at the study's scale; what resolves to the same settings is there once."""
        scale = study.scale
        found = [
            StudyCell(dataset=dataset, row=study.same_as(row), victim=study.same_victim(victim), seed=seed)
            for dataset in self.datasets
            if dataset in scale.datasets
            for victim in self.victims
            if victim in scale.victims
            for row in self.rows
            if row not in scale.leave_out
        ]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Shown:
    """What `show` may use: the study with its folders, and the results that are there."""

    study: Study
    results: Sequence[StudyResult] = field(default_factory=tuple)

    def of(self, dataset: str, row: str, victim: str = "main") -> list[StudyResult]:
        """The results of a row over its seeds; none for a victim that the scale does not have."""
        if victim not in self.study.scale.victims:
            return []
        wanted = (dataset, self.study.same_as(row), self.study.same_victim(victim))
        found = [r for r in self.results if (r.cell.dataset, r.cell.row, r.cell.victim) == wanted]
        return sorted(found, key=lambda result: result.cell.seed)


EPOCH_FIGURES = tuple(
    f"{figure}, {epoch}"
    for epoch in ("last", "best")
    for figure in ("Hit@10 bare", "Medr bare", "Medr prefixed", "of chance")
)
_HEADER = ("training set", "seeds", *EPOCH_FIGURES, "the noise adds to Medr", "paper: Hit@10, Medr")
EPOCH_NOTES = (
    "Each figure: image to text / text to image, mean \N{PLUS-MINUS SIGN} standard deviation over victim seeds; "
    "corpora, noise and triggers come from one seed. The paper prints the last epoch.",
    "Last, best: the victim at the end of its schedule, and at the epoch that is best on held-out clean pairs, which a "
    "trainer keeps.",
    "Of chance: median rank over that of chance level, at the query and in the direction that is worst for protection, "
    "with its 95 % interval over test images, and over seeds where there are several.",
)
_NOTES = (
    *EPOCH_NOTES,
    "The noise adds: bare; prefixed, with 95 % intervals, at the best epoch where it is known. For MEM over its own "
    "words without noise, for noise without words over clean, always a victim of the same pairs that differs in "
    "nothing else.",
)


def report_inputs(shown: Shown, rows: Sequence[str], dataset: str) -> ReportInputs | None:
    """What the report's figures are drawn from; None if nothing was measured."""
    measured = {name: results for name in dict.fromkeys(rows) if (results := shown.of(dataset, name))}
    if not measured:
        return None
    return ReportInputs(
        rows=tuple(
            report_row(
                shown.study.row(name),
                [_measured(shown.study, result) for result in results],
                shown.study.kind(shown.study.row(name)),
            )
            for name, results in measured.items()
        ),
        chance=next(iter(measured.values()))[0].evaluation.chance,
    )


def _measured(study: Study, result: StudyResult) -> MeasuredVictim:
    config = study.plan(result.cell).victims[0].config
    return MeasuredVictim(result.cell.seed, result.evaluation, result.history, config, result.samples, result.steps)


def rows_table(experiment: str, shown: Shown, inputs: ReportInputs, dataset: str) -> Table:
    """One line a row, analytic chance level first, beside the paper's value in its table of that name.

    What a row's noise adds is told over the row that differs in nothing else, where the table has it.
    """
    findings = compute_findings(inputs)
    names = [row.name for row in inputs.rows]
    given = {row.name: row.victims(inputs.chance) for row in inputs.rows}
    below = {name: given.get(shown.study.without_noise(name) or "") for name in names}
    lines = [
        _line(row, _adds(given[row.name], below[row.name]), paper_value(experiment, dataset, "main", row.name))
        for row in sorted(findings.rows, key=lambda row: names.index(row.name))
    ]
    return Table(
        caption=f"{dataset}, victim main",
        header=_HEADER,
        rows=(_chance_line(inputs.chance), *lines),
        bold=tuple(i for i, name in enumerate(names, start=1) if name == "mem-3"),
        notes=_NOTES,
    )


def _chance_line(chance: RetrievalResult) -> tuple[str, ...]:
    both = (chance.image_to_text, chance.text_to_image)
    hits = " / ".join(f"{100 * one.hit_at_10:.1f}" for one in both)
    ranks = " / ".join(rank(one.median_rank) for one in both)
    figures = (hits, ranks, ranks, percent(1.0))
    return ("By chance (analytic)", NOTHING.mean, *figures, *figures, NOTHING.mean, NOTHING.mean)


def _line(row: RowFinding, adds: str, paper: str) -> tuple[str, ...]:
    return (row.label, str(row.seeds), *epoch_cells(row.last), *epoch_cells(row.best), adds, paper)


def epoch_cells(epoch: EpochFinding | None) -> tuple[str, ...]:
    """As `EPOCH_FIGURES` names them for one epoch; dashes where it is not known."""
    if epoch is None:
        return (NOTHING.mean,) * (len(EPOCH_FIGURES) // 2)
    found = " / ".join(hits(cell.hit_at_10) if cell else NOTHING.mean for cell in epoch.cells("bare"))
    share = with_interval(epoch.share) if epoch.share else NOTHING.mean
    return (found, _ranks(epoch, "bare"), _ranks(epoch, "prefixed"), share)


def _ranks(epoch: EpochFinding, query: Query) -> str:
    return " / ".join(ranked(cell.median_rank) if cell else NOTHING.mean for cell in epoch.cells(query))


def hits(spread: Spread) -> str:
    """Hit@10 in percent with its spread over seeds."""
    deviation = "" if spread.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * spread.deviation:.1f}"
    return f"{100 * spread.mean:.1f}{deviation}"


def ranked(spread: Spread) -> str:
    """A median rank with its spread over seeds."""
    deviation = "" if spread.deviation is None else f" \N{PLUS-MINUS SIGN} {spread.deviation:,.0f}"
    return f"{rank(spread.mean)}{deviation}"


def _adds(ours: Victims, below: Victims | None) -> str:
    """How far median ranks are above those of the row it is compared with."""
    if below is None or not ours.share or not below.share:
        return NOTHING.mean
    found = gaps(*_at_one_epoch(ours, below))
    parts = [[signed_with_interval(gap.difference) for gap in found if gap.query == query] for query in QUERIES]
    return "; ".join(" / ".join(part) or NOTHING.mean for part in parts)


def _at_one_epoch(ours: Victims, theirs: Victims) -> tuple[AtEpoch, AtEpoch]:
    """Both at their best epoch, or both at their last where one has no other."""
    return (ours.best, theirs.best) if ours.best and theirs.best else (ours.last, theirs.last)
