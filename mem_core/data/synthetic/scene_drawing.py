"""Paints procedural scenes: patterns are made once for a size, shapes are drawn at twice the size and reduced."""

import math
import random

import numpy as np
from PIL import Image, ImageDraw

from mem_core.data.synthetic.scenes import COLOURS, Scene, Thing

Colour = tuple[int, int, int]
_SCALE = 2
_GRAIN_TILES = 4


class Painter:
    """Paints scenes of one size; holds the patterns and the grain, which depend on the size only."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._side = size * _SCALE
        self._patterns = _patterns(self._side)
        rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        self._light = (rows.astype(np.float32), columns.astype(np.float32))
        # RandomState's stream is frozen by numpy's promise, so the grain stays the same for ever.
        self._grain = np.random.RandomState(0).randint(-7, 8, (_GRAIN_TILES, 2 * size, 2 * size, 3)).astype(np.float32)

    def paint(self, scene: Scene, draw: random.Random) -> Image.Image:
        """The picture of a scene, RGB, `size` x `size`. `draw` decides what captions never mention."""
        canvas = self._filled(scene.ground, _pale(COLOURS[scene.ground_colour], scene.ground), self._side, draw)
        self._clutter(canvas, scene, draw)
        for thing in scene.things[::-1]:
            self._place(canvas, thing, draw)
        return self._lit(canvas.reduce(_SCALE), draw)

    def _filled(self, pattern: str, colours: tuple[Colour, Colour], side: int, draw: random.Random) -> Image.Image:
        first, second = (Image.new("RGB", (side, side), colour) for colour in colours)
        if pattern not in self._patterns:
            return first
        tile = draw.choice(self._patterns[pattern])
        x, y = (draw.randrange(tile.width - side + 1) for _ in range(2))
        return Image.composite(second, first, tile.crop((x, y, x + side, y + side)))

    def _clutter(self, canvas: Image.Image, scene: Scene, draw: random.Random) -> None:
        pen, unit = ImageDraw.Draw(canvas), self._side / 64
        colours = list(COLOURS.values())
        for _ in range(draw.randint(14, 24) if scene.clutter else 0):
            x, y = draw.uniform(0, self._side), draw.uniform(0, self._side)
            if scene.clutter == "confetti":
                radius = draw.uniform(0.7, 1.5) * unit
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=draw.choice(colours))
            else:
                angle, length = draw.uniform(0, math.tau), draw.uniform(4, 12) * unit
                end = (x + math.cos(angle) * length, y + math.sin(angle) * length)
                pen.line(((x, y), end), fill=draw.choice(colours), width=max(1, round(unit * 0.7)))

    def _place(self, canvas: Image.Image, thing: Thing, draw: random.Random) -> None:
        side = max(6, round(thing.extent * self._side))
        left, top = (round(value * self._side - side / 2) for value in (thing.x, thing.y))
        mask = _mask(thing, side)
        shift = max(1, side // 12)
        canvas.paste((20, 20, 25), (left + shift, top + shift), mask.point(_HALF))
        base = COLOURS[thing.colour]
        light = sum(base) > 380
        other: Colour = tuple(round(c * 0.45) if light else round(c + (255 - c) * 0.62) for c in base)  # type: ignore[assignment]
        canvas.paste(self._filled(thing.fill, (base, other), side, draw), (left, top), mask)

    def _lit(self, image: Image.Image, draw: random.Random) -> Image.Image:
        """Light that falls off to one side, and grain."""
        angle, strength = draw.uniform(0, math.tau), draw.uniform(4, 22)
        rows, columns = self._light
        light = rows * np.float32(math.sin(angle) * strength) + columns * np.float32(math.cos(angle) * strength)
        tile = self._grain[draw.randrange(_GRAIN_TILES)]
        y, x = draw.randrange(self.size), draw.randrange(self.size)
        pixels = np.asarray(image, dtype=np.float32) + tile[y : y + self.size, x : x + self.size] + light[..., None]
        return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


_HALF = [value * 2 // 5 for value in range(256)]


def _pale(colour: Colour, ground: str) -> tuple[Colour, Colour]:
    """Grounds are greyer than things, so that things stand out."""
    soft = [round(c * 0.7 + 150 * 0.3) for c in colour]
    dark = [round(c * 0.72) for c in soft]
    return (soft[0], soft[1], soft[2]), (dark[0], dark[1], dark[2])


def _patterns(side: int) -> dict[str, list[Image.Image]]:
    """Masks of twice the side for each pattern, in some scales and directions."""
    rows, columns = np.mgrid[0 : 2 * side, 0 : 2 * side].astype(np.float32)
    made: dict[str, list[Image.Image]] = {}
    for period in (side / 9, side / 6.5):
        u, v = columns / period, rows / period
        checks = (np.floor(u) + np.floor(v)) % 2
        bricks = ((v % 1) < 0.16) | (((u / 2 + np.floor(v) * 0.5) % 1) < 0.08)
        masks = {
            "stripes": [u % 1 < 0.5, v % 1 < 0.5, (u + v) % 1.4 < 0.7, (u - v) % 1.4 < 0.7],
            "checks": [checks > 0],
            "dots": [((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2) < 0.1],
            "bricks": [bricks],
            "waves": [(v + 0.35 * np.sin(u * 2.4)) % 1 < 0.5],
            "zigzag": [(v + np.abs(u % 1.6 - 0.8)) % 1 < 0.5],
            "speckle": [_speckle(2 * side, period)],
        }
        for name, variants in masks.items():
            made.setdefault(name, []).extend(Image.fromarray(np.uint8(mask) * np.uint8(255)) for mask in variants)
    return made


def _speckle(side: int, period: float) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    cells = max(2, round(2.5 * side / period))
    noise = np.random.RandomState(1).randint(0, 256, (cells, cells)).astype(np.uint8)
    grown = Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(grown) > 140)


def _mask(thing: Thing, side: int) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    if thing.shape in ("circle", "ring"):
        pen.ellipse((0, 0, side - 1, side - 1), fill=255)
        if thing.shape == "ring":
            inner = side * 0.26
            pen.ellipse((inner, inner, side - 1 - inner, side - 1 - inner), fill=0)
        return mask
    turn = complex(math.cos(thing.angle), math.sin(thing.angle)) * (side - 1) / 2
    centre = complex(side - 1, side - 1) / 2
    points = [point * turn + centre for point in _OUTLINES[thing.shape]]
    pen.polygon([(point.real, point.imag) for point in points], fill=255)
    return mask


def _around(radii: list[float], start: float = -math.pi / 2) -> list[complex]:
    """Points around the centre, one for each radius, from the top on."""
    steps = [start + math.tau * number / len(radii) for number in range(len(radii))]
    return [radius * complex(math.cos(step), math.sin(step)) for radius, step in zip(radii, steps, strict=True)]


def _heart() -> list[complex]:
    steps = [math.tau * number / 40 for number in range(40)]
    across = [16 * math.sin(t) ** 3 / 17 for t in steps]
    down = [-(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17 for t in steps]
    return [complex(x, y) for x, y in zip(across, down, strict=True)]


_ARM = 0.32
_OUTLINES = {
    "square": [complex(x, y) * 0.82 for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))],
    "triangle": [complex(0, -0.95), complex(0.95, 0.8), complex(-0.95, 0.8)],
    "star": _around([1.0, 0.42] * 5),
    "diamond": [complex(0, -1), complex(0.62, 0), complex(0, 1), complex(-0.62, 0)],
    "cross": [
        complex(x, y) * 0.98
        for x, y in (
            *((-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM)),
            *((_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM)),
        )
    ],
    "heart": _heart(),
}
