"""Invented people: what stays the same in all pictures of a person, what changes, how captions describe it.

They are painted at three times the size, tilted, reduced, with uneven light and grain.
"""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mem_core.data.synthetic.scene_drawing import Colour
from mem_core.data.synthetic.scenes import COLOURS

SKINS = {
    "pale": (250, 222, 200),
    "light": (238, 196, 160),
    "tanned": (210, 160, 115),
    "brown": (160, 108, 72),
    "dark": (96, 62, 42),
}
HAIR_COLOURS = {
    "black": (28, 24, 24),
    "brown": (100, 62, 34),
    "blond": (232, 200, 110),
    "red": (184, 74, 30),
    "grey": (168, 168, 170),
    "blue": (60, 90, 200),
    "green": (50, 150, 80),
    "pink": (240, 130, 180),
}
HAIR_STYLES = ("short", "long", "curly", "spiky", "bald")
EYES = {"brown": (96, 58, 28), "blue": (58, 110, 200), "green": (60, 140, 70), "grey": (120, 130, 140)}
GLASSES = ("", "round glasses", "square glasses", "sunglasses")
BEARDS = ("", "a moustache", "a full beard", "a goatee")
HATS = ("", "", "a cap", "a hat")
EXPRESSIONS = ("smiling", "serious", "surprised")
_SCALE = 3
_DARK = (32, 26, 26)
_GROUNDS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white")


@dataclass(frozen=True)
class Person:
    """What a person is recognised by; shares are of the head's width."""

    skin: str
    hair: str
    style: str
    eyes: str
    glasses: str
    beard: str
    hat: str
    hat_colour: str
    width: float
    eye_distance: float
    nose: float
    mouth: float


@dataclass(frozen=True)
class Pose:
    """What a photo adds; `x`, `y`: shift of the head, as shares of the image's side."""

    expression: str
    ground: str
    shirt: str
    x: float
    y: float
    scale: float
    tilt: float


def draw_person(draw: random.Random) -> Person:
    """A random person."""
    style = draw.choice(HAIR_STYLES)
    return Person(
        skin=draw.choice(list(SKINS)),
        hair=draw.choice(list(HAIR_COLOURS)),
        style=style,
        eyes=draw.choice(list(EYES)),
        glasses=draw.choice(GLASSES),
        beard=draw.choice(BEARDS),
        hat=draw.choice(HATS),
        hat_colour=draw.choice(list(COLOURS)),
        width=draw.uniform(0.78, 1.0),
        eye_distance=draw.uniform(0.36, 0.5),
        nose=draw.uniform(0.08, 0.2),
        mouth=draw.uniform(0.26, 0.48),
    )


def draw_pose(draw: random.Random) -> Pose:
    """A random pose, for any person."""
    return Pose(
        expression=draw.choice(EXPRESSIONS),
        ground=draw.choice(_GROUNDS),
        shirt=draw.choice(list(COLOURS)),
        x=draw.uniform(-0.06, 0.06),
        y=draw.uniform(-0.04, 0.05),
        scale=draw.uniform(0.9, 1.08),
        tilt=draw.uniform(-9, 9),
    )


def describe_portrait(person: Person, pose: Pose, draw: random.Random) -> list[str]:
    """Five captions of what is seen, without a name."""
    hair = "a bald head" if person.style == "bald" else f"{person.style} {person.hair} hair"
    worn = [thing for thing in (person.glasses, person.beard) if thing]
    if person.hat:
        worn.append(f"a {person.hat_colour} {person.hat.removeprefix('a ')}")
    extras = " and ".join(worn) if worn else "nothing on the face"
    skin = f"{person.skin} skin"
    patterns = (
        f"a person with {hair} and {extras}",
        f"a {pose.expression} person with {skin} and {hair}",
        f"a portrait of somebody with {person.eyes} eyes and {hair} in front of a {pose.ground} wall",
        f"a photo of a face with {extras}, in a {pose.shirt} shirt",
        f"{skin}, {hair}, {person.eyes} eyes, {pose.expression}, {pose.ground} background",
    )
    return draw.sample([text.replace(" a orange", " an orange") for text in patterns], len(patterns))


def paint_face(person: Person, pose: Pose, size: int, draw: random.Random) -> Image.Image:
    """The picture, RGB, `size` x `size`. `draw` decides what captions never mention: light and grain."""
    side = size * _SCALE
    ground = _mixed(COLOURS[pose.ground], (150, 150, 150), 0.35)
    canvas = Image.new("RGB", (side, side), ground)
    _Face(canvas, person, pose).paint()
    turned = canvas.rotate(pose.tilt, Image.Resampling.BILINEAR, fillcolor=ground)
    return _lit(turned.reduce(_SCALE), draw)


class _Face:
    """One head on a canvas; positions are shares of the head's height around its centre."""

    def __init__(self, canvas: Image.Image, person: Person, pose: Pose) -> None:
        self.pen, self.side = ImageDraw.Draw(canvas), canvas.width
        self.person, self.pose = person, pose
        self.height = 0.58 * self.side * pose.scale
        self.wide = self.height * 0.8 * person.width
        self.x, self.y = (0.5 + pose.x) * self.side, (0.5 + pose.y) * self.side
        self.skin, self.hair = SKINS[person.skin], HAIR_COLOURS[person.hair]

    def paint(self) -> None:
        self._shirt()
        self._hair_behind()
        self._oval(0, 0, 1, 1, self.skin)
        self._beard()
        self._eyes()
        self._oval(0, 0.1, self.person.nose, 0.12, _mixed(self.skin, _DARK, 0.25))
        self._mouth()
        self._hair_before()
        self._glasses()
        self._hat()

    def _box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box around (x, y): shares of the head's width and height."""
        left, top = self.x + (x - width / 2) * self.wide, self.y + (y - height / 2) * self.height
        return left, top, left + width * self.wide, top + height * self.height

    def _oval(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.pen.ellipse(self._box(x, y, width, height), fill=colour)

    def _shirt(self) -> None:
        self.pen.rectangle(self._box(0, 0.55, 0.4, 0.5), fill=_mixed(self.skin, _DARK, 0.15))
        self._oval(0, 0.95, 1.9, 0.75, COLOURS[self.pose.shirt])

    def _hair_behind(self) -> None:
        if self.person.style == "long":
            self._oval(0, 0.12, 1.34, 1.3, self.hair)
        elif self.person.style == "curly":
            for number in range(14):
                angle = math.pi + math.pi * number / 13
                self._oval(0.52 * math.cos(angle), 0.42 * math.sin(angle) - 0.05, 0.38, 0.3, self.hair)

    def _hair_before(self) -> None:
        if self.person.style == "bald":
            return
        if self.person.style == "spiky":
            for number in range(7):
                x = -0.42 + 0.14 * number
                left, top, right, bottom = self._box(x, -0.46, 0.22, 0.36)
                self.pen.polygon([(left, bottom), ((left + right) / 2, top), (right, bottom)], fill=self.hair)
        self.pen.chord(self._box(0, 0, 1.03, 1.03), 198, 342, fill=self.hair)

    def _eyes(self) -> None:
        open_eyes = 0.15 if self.pose.expression == "surprised" else 0.1
        for sign in (-1, 1):
            x = sign * self.person.eye_distance / 2
            self._oval(x, -0.06, 0.2, open_eyes, (250, 250, 250))
            self._oval(x, -0.06, 0.11, 0.085, EYES[self.person.eyes])
            self._oval(x, -0.06, 0.045, 0.035, _DARK)
            lift = -0.2 if self.pose.expression == "surprised" else -0.16
            self.pen.rectangle(self._box(x, lift, 0.22, 0.025), fill=_mixed(self.hair, _DARK, 0.4))

    def _mouth(self) -> None:
        box = self._box(0, 0.24, self.person.mouth, 0.16)
        lips = _mixed((190, 50, 60), self.skin, 0.2)
        if self.pose.expression == "smiling":
            self.pen.chord(box, 10, 170, fill=lips)
        elif self.pose.expression == "surprised":
            self._oval(0, 0.27, self.person.mouth * 0.5, 0.14, lips)
        else:
            self.pen.rectangle(self._box(0, 0.27, self.person.mouth, 0.03), fill=lips)

    def _beard(self) -> None:
        beard = self.person.beard
        if beard == "a full beard":
            self.pen.chord(self._box(0, 0, 1.02, 1.04), 12, 168, fill=self.hair)
        elif beard == "a goatee":
            self._oval(0, 0.42, 0.3, 0.2, self.hair)
        elif beard == "a moustache":
            self._oval(0, 0.18, 0.44, 0.07, self.hair)

    def _glasses(self) -> None:
        kind = self.person.glasses
        if not kind:
            return
        line = max(1, round(0.022 * self.height))
        for sign in (-1, 1):
            box = self._box(sign * self.person.eye_distance / 2, -0.05, 0.3, 0.2)
            if kind == "square glasses":
                self.pen.rectangle(box, outline=_DARK, width=line)
            else:
                self.pen.ellipse(box, outline=_DARK, width=line, fill=_DARK if kind == "sunglasses" else None)
        self.pen.rectangle(self._box(0, -0.06, 0.14, 0.02), fill=_DARK)

    def _hat(self) -> None:
        if not self.person.hat:
            return
        colour = COLOURS[self.person.hat_colour]
        if self.person.hat == "a cap":
            self.pen.chord(self._box(0, -0.18, 1.1, 0.86), 180, 360, fill=colour)
            self.pen.rectangle(self._box(0.28, -0.2, 0.86, 0.06), fill=_mixed(colour, _DARK, 0.35))
        else:
            self.pen.rectangle(self._box(0, -0.5, 0.86, 0.42), fill=colour)
            self.pen.rectangle(self._box(0, -0.3, 1.4, 0.08), fill=_mixed(colour, _DARK, 0.25))


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _lit(image: Image.Image, draw: random.Random) -> Image.Image:
    """Light that falls off to one side, and grain."""
    rows, columns = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j].astype(np.float32)
    angle, strength = draw.uniform(0, math.tau), draw.uniform(6, 30)
    light = np.float32(strength) * (rows * np.float32(math.sin(angle)) + columns * np.float32(math.cos(angle)))
    # RandomState's stream is frozen by numpy's promise, so the grain stays the same for ever.
    grain = np.random.RandomState(draw.getrandbits(32)).randint(-7, 8, (*light.shape, 3)).astype(np.float32)
    pixels = np.asarray(image, dtype=np.float32) + grain + light[..., None]
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
