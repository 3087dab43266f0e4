"""Which colour and line a row has, the same in every chart and table of the page."""

from collections.abc import Sequence

from mem_core.config import Method
from mem_core.report.inputs import ReportRow

# Okabe and Ito's palette, made for colour-blind readers, darkened where it would be too pale for lines on white
_COLOURS: dict[Method, str] = {
    "clean": "#1d232b",
    "mem": "#d1480a",
    "em": "#0068a8",
    "uap": "#4aa3d8",
    "codebook": "#7a4fc0",
    "random-noise": "#8a7a00",
    "random-trigger": "#d99100",
    "constant-trigger": "#727a86",
    "noise-only": "#00916b",
    "trigger-only": "#b8609a",
}
Dashes = str | tuple[float, tuple[float, ...]]
_DASHES: tuple[Dashes, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


class Styles:
    """One colour for a method wherever it is drawn; rows of one method differ in their dashes."""

    def __init__(self, rows: Sequence[ReportRow]) -> None:
        seen: dict[Method, int] = {}
        self._styles: dict[str, tuple[str, Dashes]] = {}
        for row in rows:
            count = seen.get(row.method, 0)
            seen[row.method] = count + 1
            self._styles[row.name] = (_COLOURS[row.method], _DASHES[count % len(_DASHES)])

    def colour(self, name: str) -> str:
        return self._styles[name][0]

    def dashes(self, name: str) -> Dashes:
        return self._styles[name][1]
