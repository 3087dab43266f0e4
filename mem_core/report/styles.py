"""Which colour and line a row has, the same in every chart and table of the page."""

from collections import Counter
from collections.abc import Sequence

from mem_core.config.methods import METHODS
from mem_core.report.inputs import ReportRow

Dashes = str | tuple[float, tuple[float, ...]]
_DASHES: tuple[Dashes, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


class Styles:
    """One colour for a method wherever it is drawn; rows of one method differ in their dashes."""

    def __init__(self, rows: Sequence[ReportRow]) -> None:
        seen: Counter[str] = Counter()
        self._styles: dict[str, tuple[str, Dashes]] = {}
        for row in rows:
            self._styles[row.name] = (METHODS[row.method].colour, _DASHES[seen[row.method] % len(_DASHES)])
            seen[row.method] += 1

    def colour(self, name: str) -> str:
        return self._styles[name][0]

    def dashes(self, name: str) -> Dashes:
        return self._styles[name][1]
