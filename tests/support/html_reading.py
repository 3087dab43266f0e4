"""What a page says to a browser and to a screen reader, read without one."""

import re
from html.parser import HTMLParser
from typing import NamedTuple

_EMPTY = {"meta", "img", "br", "source"}


class Tag(NamedTuple):
    """An element as it opens: its name, its attributes, and the elements it lies in, outermost first."""

    name: str
    values: dict[str, str]
    inside: tuple["Tag", ...]


class Read(HTMLParser):
    """tags: of the page in their order. words: everything that is read out, style sheets left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.words = ""
        self._open: list[Tag] = []
        self.feed(page)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Tag(tag, {name: value or "" for name, value in attrs}, tuple(self._open))
        self.tags.append(found)
        if tag not in _EMPTY:
            self._open.append(found)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1].name != "style":
            self.words += data

    def all(self, *names: str) -> list[Tag]:
        return [tag for tag in self.tags if tag.name in names]


def palettes(page: str) -> dict[str, dict[str, str]]:
    """The colours that a page names, light and dark: name -> `#rrggbb`."""
    first, second = re.findall(r":root \{(.*?)\}", page)[:2]
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", text)) for text in (first, second))
    return {"light": light, "dark": light | dark}


def rgb(colour: str) -> tuple[float, ...]:
    """`#rrggbb` -> sRGB in 0..1."""
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG 2's ratio of two sRGB colours, 1 to 21."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def turned_over(colour: tuple[float, ...], ground: tuple[float, ...]) -> tuple[float, ...]:
    """`invert(1) hue-rotate(180deg)`, screened on a ground, as the style sheet does with charts in the dark."""
    red, green, blue = (1 - part for part in colour)
    grey = 0.213 * red + 0.715 * green + 0.072 * blue  # the matrix of hue-rotate(180deg) is 2 grey - colour
    turned = (min(1.0, max(0.0, 2 * grey - part)) for part in (red, green, blue))
    return tuple(1 - (1 - one) * (1 - other) for one, other in zip(turned, ground, strict=True))
