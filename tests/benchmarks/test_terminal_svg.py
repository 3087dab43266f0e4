"""The recording of a terminal: one picture that stands alone, with every line at its time."""

import re
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.quickstart import COMMANDS
from benchmarks.terminal_svg import COLUMNS, Line, animated_svg

_RECORDED = Path(__file__).parents[2] / "docs/screenshots/quickstart.svg"
_SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    root = ElementTree.fromstring(picture)
    return [(node.text or "").replace("\xa0", " ") for node in root.iter(f"{_SVG}text")]


def test_every_line_is_there_and_appears_at_its_time() -> None:
    long = "word " * 40
    lines = [Line(0.5, "memshield <shard> & co", typed=True), Line(1.0, "[bold]as it is[/bold]"), Line(6.0, long)]
    picture = animated_svg(lines, "a title", "what <happens>")
    shown = texts(picture)
    assert shown[:4] == ["a title", "$ ", "memshield <shard> & co", "[bold]as it is[/bold]"]
    assert " ".join(shown[4:]).split() == long.split()
    assert max(map(len, shown)) <= COLUMNS
    assert re.findall(r"animation-name: (t\d+)", picture)[:3] == ["t5", "t5", "t10"]
    assert "@keyframes t60 { 0% { opacity: 0 } 37.50%, 100%" in picture  # of 16 seconds
    assert '<desc id="desc">what &lt;happens&gt;</desc>' in picture


def test_the_recording_of_the_guide_stands_alone_and_has_its_commands() -> None:
    picture = _RECORDED.read_text()
    assert len(picture) < 300_000
    assert not re.search(r"url\(|href|<script|/tmp/", picture)
    assert [text for text in texts(picture) if text.startswith("memshield ")] == [
        f"memshield {one}" for one in COMMANDS
    ]
