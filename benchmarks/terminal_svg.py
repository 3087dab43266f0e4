"""A terminal's lines as an animated SVG: each appears when its time comes; nothing is fetched, nothing is a script.

Readers who ask for less motion, and programs without animation, see all lines at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO

from rich.console import Console
from rich.text import Text

COLUMNS = 88
_HOLD = 10.0  # seconds that the whole stands before it starts again
_ID = "terminal"
_FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-labelledby="title desc">
<title id="title">TITLE</title>
<desc id="desc">DESCRIPTION</desc>
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, \
"DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
ANIMATION
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})"><g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
_LINE_END = re.compile(r"<text [^>]*>\n</text>")  # which rich draws, too
_LINE = re.compile(rf' clip-path="url\(#{_ID}-line-(\d+)\)"')


@dataclass(frozen=True)
class Line:
    """What is printed at a time, in seconds from the start; typed: by the reader, after a prompt."""

    at: float
    text: str
    typed: bool = False


def animated_svg(lines: Sequence[Line], title: str, description: str) -> str:
    """The lines in their order as one picture, wrapped to so many columns. Times do not decrease."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    times: list[float] = []
    for line in lines:
        text = Text.assemble(("$ ", "bold green"), (line.text, "bold white")) if line.typed else Text(line.text)
        wrapped = text.wrap(console, COLUMNS)
        for each in wrapped:
            console.print(each, overflow="crop", no_wrap=True)
        times += [line.at] * len(wrapped)
    drawn = console.export_svg(title=title, code_format=_FORMAT, unique_id=_ID)
    for mark, value in (("TITLE", escape(title)), ("DESCRIPTION", escape(description)), ("ANIMATION", _styles(times))):
        drawn = drawn.replace(mark, value, 1)
    moved = _LINE.sub(lambda found: f' style="animation-name: t{_moment(times[int(found[1])])}"', drawn)
    return _LINE_END.sub("", moved)


def _styles(times: Sequence[float]) -> str:
    """A rule for each moment at which lines appear."""
    whole = max(times) + _HOLD
    moments = {_moment(at): 100 * at / whole for at in times}
    frames = "\n".join(
        f"@keyframes t{name} {{ 0% {{ opacity: 0 }} {part:.2f}%, 100% {{ opacity: 1 }} }}"
        for name, part in moments.items()
    )
    moving = f".{_ID}-matrix text {{ animation: {whole:.1f}s step-end infinite }}"
    return f"{frames}\n@media (prefers-reduced-motion: no-preference) {{ {moving} }}"


def _moment(at: float) -> int:
    return round(10 * at)
