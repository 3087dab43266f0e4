"""What an experiment is: which cells it needs, and how it shows them. A table or figure of the paper is one of these.

To add one: an `Experiment` in a file of `mem_core/experiments/reproduce/paper/`, listed in `EXPERIMENTS` there. What it
needs beyond the cells (a gradient, an embedding) it computes in `show`, from the corpora and victims of the study.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mem_core.config import Frozen
from mem_core.experiments.reproduce.paper_values import paper_notes, paper_value
from mem_core.experiments.reproduce.study import Study, StudyCell, StudyResult
from mem_core.experiments.run_report import report_row
from mem_core.report.findings import QUERIES, Query, RowFinding, compute_findings, gap
from mem_core.report.inputs import ReportInputs
from mem_core.report.tables import NOTHING, signed
from mem_core.report.verdict import percent, rank
from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, Spread


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
    """A PNG with the name it is kept under (`table1-flickr8k-curves`), and a sentence on what it shows."""

    name: str
    png: bytes
    caption: str


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


_HEADER = (
    "training set",
    "seeds",
    "Hit@10 bare",
    "Medr bare",
    "Hit@10 prefixed",
    "Medr prefixed",
    "of chance",
    "the noise adds to Medr",
    "paper: Hit@10, Medr",
)
_NOTES = (
    "Each figure: image to text / text to image, mean \N{PLUS-MINUS SIGN} standard deviation over victim seeds; "
    "corpora, noise and triggers come from one seed.",
    "Of chance: median rank over that of chance level, at the query and in the direction that is worst for protection.",
    "The noise adds: bare; prefixed. For MEM over its own words without noise, for noise without words over clean, "
    "always a victim of the same pairs that differs in nothing else.",
)


def report_inputs(shown: Shown, rows: Sequence[str], dataset: str) -> ReportInputs | None:
    """What the report's figures are drawn from; None if nothing was measured."""
    measured = {name: results for name in dict.fromkeys(rows) if (results := shown.of(dataset, name))}
    if not measured:
        return None
    return ReportInputs(
        rows=tuple(
            report_row(shown.study.row(name), [(r.cell.seed, r.evaluation, r.history) for r in results])
            for name, results in measured.items()
        ),
        chance=next(iter(measured.values()))[0].evaluation.chance,
    )


def rows_table(experiment: str, shown: Shown, inputs: ReportInputs, dataset: str) -> Table:
    """One line a row, analytic chance level first, beside the paper's value in its table of that name.

    What a row's noise adds is told over the row that differs in nothing else, where the table has it.
    """
    findings = compute_findings(inputs)
    names = [row.name for row in inputs.rows]
    below = {name: findings.row(shown.study.without_noise(name)) for name in names}
    lines = [
        _line(row, below[row.name], paper_value(experiment, dataset, "main", row.name))
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
    return ("By chance (analytic)", NOTHING.mean, hits, ranks, hits, ranks, percent(1.0), NOTHING.mean, NOTHING.mean)


def _line(row: RowFinding, below: RowFinding | None, paper: str) -> tuple[str, ...]:
    cells = [text for query in QUERIES for text in (_hits(row, query), _ranks(row, query))]
    share = NOTHING.mean if row.share_of_chance is None else percent(row.share_of_chance)
    adds = NOTHING.mean if below is None else "; ".join(_added(row, below, query) for query in QUERIES)
    return (row.label, str(row.seeds), *cells, share, adds, paper)


def _hits(row: RowFinding, query: Query) -> str:
    return " / ".join(hits(cell.hit_at_10) if cell else NOTHING.mean for cell in row.cells(query))


def _ranks(row: RowFinding, query: Query) -> str:
    return " / ".join(ranked(cell.median_rank) if cell else NOTHING.mean for cell in row.cells(query))


def hits(spread: Spread) -> str:
    """Hit@10 in percent with its spread over seeds."""
    deviation = "" if spread.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * spread.deviation:.1f}"
    return f"{100 * spread.mean:.1f}{deviation}"


def ranked(spread: Spread) -> str:
    """A median rank with its spread over seeds."""
    deviation = "" if spread.deviation is None else f" \N{PLUS-MINUS SIGN} {spread.deviation:,.0f}"
    return f"{rank(spread.mean)}{deviation}"


def _added(row: RowFinding, below: RowFinding, query: Query) -> str:
    parts = []
    for direction in DIRECTIONS:
        ours, theirs = (one.direction(direction).cell(query) for one in (row, below))
        if ours and theirs:
            found = gap(direction, query, ours.median_rank, theirs.median_rank)
            error = "" if found.standard_error is None else f" \N{PLUS-MINUS SIGN} {found.standard_error:,.0f}"
            parts.append(f"{signed(found.difference)}{error}")
    return " / ".join(parts) or NOTHING.mean
