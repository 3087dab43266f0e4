"""Draws a procedural captioned corpus for demos and tests: a `csv` source with five captions an image.

Scenes have two or three shapes (of a colour, size and fill) in a stated relation, a textured ground, clutter, shadows,
uneven light and grain. Equal arguments give equal bytes; no two images are equal.
"""

import hashlib
import io
import os
import random
from pathlib import Path

from mem_core.common.errors import ConfigError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed
from mem_core.data.synthetic.drawn_folder import captions_table, drawn_folder
from mem_core.data.synthetic.scene_drawing import Painter
from mem_core.data.synthetic.scenes import describe, draw_scene

_VERSION = 1


def draw_corpus(
    dest_path: str | os.PathLike[str],
    count: int,
    test_count: int,
    size: int = 64,
    seed: int = 0,
    progress: Progress = silent,
    *,
    validation_count: int = 0,
) -> Path:
    """Draws `count` training, `test_count` test and `validation_count` validation images of `size` x `size` pixels.

    The new folder holds images/00000.png (every fourth one a .jpg), captions.csv (image, caption_id, caption, split)
    and procedural.json (the arguments). It appears whole or not at all. A folder with equal arguments is left as it is.
    Raises `ConfigError` for bad arguments, `DestinationError` if the path holds anything else.
    """
    total = count + test_count + validation_count
    if count < 1 or min(test_count, validation_count) < 0 or total > 1_000_000 or not 16 <= size <= 1024:
        raise ConfigError(
            f"expected 1 to 1,000,000 images of 16 to 1,024 pixels, got {count}, {test_count} and {validation_count} "
            f"of {size} pixels"
        )
    arguments = {"version": _VERSION, "count": count, "test_count": test_count, "size": size, "seed": seed}
    if validation_count:
        arguments["validation_count"] = validation_count
    splits = ["train"] * count + ["test"] * test_count + ["val"] * validation_count  # further ones change none before
    return drawn_folder(dest_path, arguments, lambda folder: _draw_all(folder, splits, size, seed, progress))


def _draw_all(folder: Path, splits: list[str], size: int, seed: int, progress: Progress) -> None:
    (folder / "images").mkdir()
    painter = Painter(size)
    seen: set[bytes] = set()
    with captions_table(folder) as add:
        for index, split in enumerate(splits):
            name = f"{index:05d}.{'jpg' if index % 4 == 3 else 'png'}"
            data, captions = _draw_one(painter, name, seed, seen)
            (folder / "images" / name).write_bytes(data)
            add(f"images/{name}", captions, split)
            if index % 100 == 99 or index + 1 == len(splits):
                progress(index + 1, len(splits), "images drawn")


def _draw_one(painter: Painter, name: str, seed: int, seen: set[bytes]) -> tuple[bytes, list[str]]:
    """The bytes and captions of an image that equals none before it."""
    for attempt in range(1000):
        draw = random.Random(derived_seed(seed, "procedural", name, attempt))
        scene = draw_scene(draw)
        image = painter.paint(scene, draw)
        digest = hashlib.sha256(image.tobytes()).digest()[:16]
        if digest not in seen:
            seen.add(digest)
            stream = io.BytesIO()
            if name.endswith(".jpg"):
                image.save(stream, "JPEG", quality=92, subsampling=0)
            else:
                image.save(stream, "PNG", compress_level=1)
            return stream.getvalue(), describe(scene, draw)
    raise ConfigError(f"expected images that differ, but 1,000 tries drew known ones at {painter.size} pixels")
