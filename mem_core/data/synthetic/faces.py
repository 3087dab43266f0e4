"""Invented people: what stays the same in all pictures of a person, what changes, and how captions describe it."""

import random
from dataclasses import dataclass

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
    return draw.sample([_with_article(text) for text in patterns], len(patterns))


def _with_article(text: str) -> str:
    return text.replace(" a orange", " an orange")
