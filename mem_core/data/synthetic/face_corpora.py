"""Two drawn corpora of invented people, for the face case where photographs of real ones are out of place.

`draw_people`: a folder of photos for each person, as the format `identities` reads it: names and nothing else.
`draw_portraits`: other people described by what is seen, as `csv`: what a model can be pretrained on that knows
faces but none of those names. Equal arguments give equal bytes.
"""

import os
import random
from pathlib import Path

from mem_core.common.errors import ConfigError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed
from mem_core.data.synthetic.drawn_folder import captions_table, drawn_folder
from mem_core.data.synthetic.faces import describe_portrait, draw_person, draw_pose, paint_face
from mem_core.data.synthetic.names import CAPACITY, renamed

_VERSION = 1


def draw_people(
    dest_path: str | os.PathLike[str],
    people: int,
    photos: int,
    size: int = 64,
    seed: int = 0,
    progress: Progress = silent,
) -> Path:
    """`people` folders named First_Last with `photos` PNG files each. Raises `ConfigError`, `DestinationError`."""
    _check(people, photos, size)
    arguments = {"version": _VERSION, "people": people, "photos": photos, "size": size, "seed": seed}
    names = renamed((f"person {number}" for number in range(people)), seed)

    def fill(folder: Path) -> None:
        for number in range(people):
            person = draw_person(_draw(seed, "person", number))
            home = folder / names[f"person {number}"].replace(" ", "_")
            home.mkdir()
            for photo in range(photos):
                draw = _draw(seed, "photo", number, photo)
                paint_face(person, draw_pose(draw), size, draw).save(home / f"{photo:03d}.png", compress_level=1)
            progress(number + 1, people, "people drawn")

    return drawn_folder(dest_path, arguments, fill)


def draw_portraits(
    dest_path: str | os.PathLike[str],
    count: int,
    test_count: int,
    size: int = 64,
    seed: int = 0,
    progress: Progress = silent,
) -> Path:
    """`count` training and `test_count` test portraits, a new person each, in images/ and captions.csv."""
    _check(count, 1 + test_count, size)
    arguments = {"version": _VERSION, "portraits": count, "test": test_count, "size": size, "seed": seed}

    def fill(folder: Path) -> None:
        (folder / "images").mkdir()
        with captions_table(folder) as add:
            for number in range(count + test_count):
                draw = _draw(seed, "portrait", number)
                person, pose = draw_person(draw), draw_pose(draw)
                name = f"images/{number:05d}.png"
                paint_face(person, pose, size, draw).save(folder / name, compress_level=1)
                add(name, describe_portrait(person, pose, draw), "train" if number < count else "test")
                progress(number + 1, count + test_count, "portraits drawn")

    return drawn_folder(dest_path, arguments, fill)


def _draw(seed: int, *keys: str | int) -> random.Random:
    return random.Random(derived_seed(seed, *keys))


def _check(people: int, photos: int, size: int) -> None:
    if not 1 <= people <= CAPACITY or photos < 1 or people * photos > 1_000_000 or not 16 <= size <= 1024:
        raise ConfigError(
            f"expected 1 to 1,000,000 pictures of faces of 16 to 1,024 pixels, got {people} x {photos} of {size} pixels"
        )
