"""What a procedural image shows, and captions that describe it."""

import random
from dataclasses import dataclass
from typing import Literal

SHAPES = {
    "circle": ("circle", "circle", "disc"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "cross": ("cross", "plus sign"),
    "ring": ("ring", "ring", "hoop"),
    "diamond": ("diamond",),
    "heart": ("heart",),
}
COLOURS = {
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (245, 220, 50),
    "green": (40, 150, 60),
    "blue": (40, 80, 210),
    "purple": (130, 50, 170),
    "pink": (250, 140, 190),
    "brown": (120, 75, 40),
    "black": (25, 25, 28),
    "white": (245, 245, 245),
}
FILLS = {"solid": ("",), "stripes": ("striped",), "dots": ("dotted", "spotted"), "checks": ("checkered",)}
SIZES = {"small": 0.22, "medium": 0.30, "large": 0.41}
SIZE_WORDS = {"small": ("small", "tiny", "little"), "medium": ("",), "large": ("large", "big", "huge")}
GROUNDS = {
    "plain": ("a plain {} background", "a {} background"),
    "stripes": ("a {} striped background", "{} stripes"),
    "checks": ("a {} checkered background", "a {} chessboard"),
    "dots": ("a {} dotted background", "{} polka dots"),
    "bricks": ("a {} brick wall", "{} bricks"),
    "waves": ("a {} wavy background", "{} waves"),
    "zigzag": ("a {} zigzag background", "a {} zigzag pattern"),
    "speckle": ("a {} speckled background", "{} sand"),
}
CLUTTER = {"": (), "confetti": ("confetti", "scattered dots"), "lines": ("thin lines", "scratches")}
_RELATIONS = {
    "left": (("to the left of", "left of"), ("to the right of", "right of")),
    "above": (("above", "over"), ("below", "under", "beneath")),
}


@dataclass(frozen=True)
class Thing:
    """One shape; `x`, `y`: its centre, `extent`: its side, as shares of the image's side."""

    shape: str
    colour: str
    fill: str
    size: str
    x: float
    y: float
    extent: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """Two or three things; `relation` says how the first lies to the second."""

    things: tuple[Thing, ...]
    relation: Literal["left", "above"]
    ground: str
    ground_colour: str
    clutter: str


def draw_scene(draw: random.Random) -> Scene:
    """A random scene whose colours differ from each other and from the ground."""
    colours = draw.sample(list(COLOURS), 4)
    shapes = draw.sample(list(SHAPES), 3)
    relation: Literal["left", "above"] = "left" if draw.random() < 0.5 else "above"
    places = [(0.27, 0.5), (0.73, 0.5), (0.5, 0.18 if draw.random() < 0.5 else 0.82)]
    if relation == "above":
        places = [(y, x) for x, y in places]
    count = 3 if draw.random() < 0.3 else 2
    things = tuple(_thing(draw, shapes[n], colours[n], places[n], third=n == 2) for n in range(count))
    ground = draw.choice(list(GROUNDS))
    return Scene(things, relation, ground, colours[3], draw.choice(list(CLUTTER)))


def _thing(draw: random.Random, shape: str, colour: str, place: tuple[float, float], *, third: bool) -> Thing:
    size = "small" if third else draw.choice(list(SIZES))
    fill = draw.choice(list(FILLS)) if draw.random() < 0.5 else "solid"
    shift = 0.03 if third else 0.07
    x, y = (value + draw.uniform(-shift, shift) for value in place)
    return Thing(shape, colour, fill, size, x, y, SIZES[size] * draw.uniform(0.92, 1.08), draw.uniform(-0.25, 0.25))


def describe(scene: Scene, draw: random.Random) -> list[str]:
    """Five different captions, none of which says all, in random order."""
    kinds = [_relation, _with_ground, _list, _short, _comparison]
    draw.shuffle(kinds)
    captions: list[str] = []
    while kinds:
        caption = " ".join(kinds[-1](scene, draw).split())
        if caption not in captions:
            captions.append(caption)
            kinds.pop()
    return captions


def _full(thing: Thing, draw: random.Random, article: str = "a") -> str:
    words = (draw.choice(SIZE_WORDS[thing.size]), thing.colour, draw.choice(FILLS[thing.fill]), _noun(thing, draw))
    return _with_article(" ".join(word for word in words if word), article)


def _brief(thing: Thing, draw: random.Random, article: str = "a") -> str:
    return _with_article(f"{thing.colour} {_noun(thing, draw)}", article)


def _noun(thing: Thing, draw: random.Random) -> str:
    return draw.choice(SHAPES[thing.shape])


def _with_article(words: str, article: str) -> str:
    if article == "a" and words[0] in "aeiou":
        article = "an"
    return f"{article} {words}".strip()


def _ground(scene: Scene, draw: random.Random) -> str:
    phrase = draw.choice(GROUNDS[scene.ground]).format(scene.ground_colour)
    return phrase.replace("a orange", "an orange")


def _relation(scene: Scene, draw: random.Random) -> str:
    first, second = (_full(thing, draw) for thing in scene.things[:2])
    forward, backward = _RELATIONS[scene.relation]
    if draw.random() < 0.5:
        first, second, words = second, first, draw.choice(backward)
    else:
        words = draw.choice(forward)
    return draw.choice(["{} {} {}", "{} is {} {}", "there is {} {} {}", "{} placed {} {}"]).format(first, words, second)


def _with_ground(scene: Scene, draw: random.Random) -> str:
    first, second = draw.sample([_full(thing, draw) for thing in scene.things[:2]], 2)
    ground = _ground(scene, draw)
    patterns = ["{a} and {b} on {g}", "{a} next to {b} in front of {g}", "{g} with {a} and {b}", "{a} on {g} with {b}"]
    return draw.choice(patterns).format(a=first, b=second, g=ground)


def _list(scene: Scene, draw: random.Random) -> str:
    things = [_brief(thing, draw) for thing in draw.sample(scene.things, len(scene.things))]
    listed = f"{', '.join(things[:-1])} and {things[-1]}"
    count = "two" if len(things) == 2 else "three"
    clutter = f" among {draw.choice(CLUTTER[scene.clutter])}" if scene.clutter else ""
    patterns = ["{n} shapes{c}: {l}", "an image of {l}{c}", "{l}, {n} shapes{c}", "we can see {l}{c}"]
    return draw.choice(patterns).format(n=count, c=clutter, l=listed)


def _short(scene: Scene, draw: random.Random) -> str:
    first, second = draw.sample(scene.things[:2], 2)
    a, b = _brief(first, draw, ""), _brief(second, draw, "")
    return draw.choice(["{} and {}", "{} beside {}", "{} near {}", "{} with {}"]).format(a, b)


def _comparison(scene: Scene, draw: random.Random) -> str:
    first, second = scene.things[:2]
    if list(SIZES).index(first.size) < list(SIZES).index(second.size):
        first, second = second, first
    a, b = _brief(first, draw, "the"), _brief(second, draw, "the")
    ground = f" on {_ground(scene, draw)}" if draw.random() < 0.5 else ""
    patterns = ["{a} is larger than {b}{g}", "{b} is smaller than {a}{g}"]
    patterns += ["{a} is bigger than {b}{g}", "{b}, smaller than {a}{g}"]
    if first.size == second.size:
        patterns = ["{a} is as large as {b}{g}", "{a} and {b} are of the same size{g}"]
    return draw.choice(patterns).format(a=a, b=b, g=ground)
