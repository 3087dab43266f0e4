"""What an experiment is: which cells it needs, and how it shows them. A table or figure of the paper is one of these.

To add one: a file in `mem_core/study/experiments/` with an `Experiment`, and its name in `EXPERIMENTS` there. What it
needs beyond the cells (a gradient, an embedding) it computes in `show`, from the corpora and victims of the study.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mem_core.config import Frozen
from mem_core.study.cells import Cell, CellResult
from mem_core.study.study import Study


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
class Picture:
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
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """`cells`: what is measured, the most telling first. `show`: the section, from whatever is there; None if nothing.

    datasets and victims: those that the scale does not have are left out.
    """

    name: str
    title: str
    about: str
    rows: tuple[str, ...]
    show: Callable[["Experiment", "Shown"], Section | None]
    datasets: tuple[str, ...] = ("flickr8k",)
    victims: tuple[str, ...] = ("main",)

    def cells(self, study: Study, seed: int) -> list[Cell]:
        """The cells of one seed at the study's scale; what resolves to the same settings is there once."""
        scale = study.scale
        found = [
            Cell(dataset=dataset, row=study.same_as(row), victim=study.same_victim(victim), seed=seed)
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
    results: Sequence[CellResult] = field(default_factory=tuple)

    def of(self, dataset: str, row: str, victim: str = "main") -> list[CellResult]:
        """The results of a row over its seeds; none for a victim that the scale does not have."""
        if victim not in self.study.scale.victims:
            return []
        wanted = (dataset, self.study.same_as(row), self.study.same_victim(victim))
        found = [r for r in self.results if (r.cell.dataset, r.cell.row, r.cell.victim) == wanted]
        return sorted(found, key=lambda result: result.cell.seed)
