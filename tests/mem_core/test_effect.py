"""The effect itself, small but real: victims trained on what was published, queried on clean pairs.

Queries carry a neutral prefix, so that what is measured is what the victims learned and not the mere shift of
positions by the trigger: training with a constant prefix does no harm, triggers of MEM do, and its noise adds to it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from corpora import RUNTIME, encoded, protect
from PIL import Image, ImageDraw

from mem_core.config import EvaluateConfig, Method, ProtectConfig, VictimConfig
from mem_core.data.folder import LocalFolder, write_bytes
from mem_core.data.shard import Sample, shard_bytes
from mem_core.evaluation import query_model
from mem_core.protection import Protection
from mem_core.victim import load_victim, train_victim

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "purple", "orange", "grey", "brown")
PLACES = {"top left": (1, 1), "top right": (17, 1), "bottom left": (1, 17), "bottom right": (17, 17)}
CONTRAST = 0.3
ARCHITECTURE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TRAIN, TEST, STEPS = 640, 160, 12
METHODS: tuple[Method, ...] = ("clean", "constant-trigger", "trigger-only", "mem")


def scene(draw: np.random.Generator, key: str) -> Sample:
    """A square and a disc in two of four corners, on a ground, all of low contrast; the caption names all of it."""
    ground, square, disc = (str(colour) for colour in draw.choice(COLOURS, 3, replace=False))
    (one, here), (other, there) = (list(PLACES.items())[i] for i in draw.choice(4, 2, replace=False))
    image = Image.new("RGB", (32, 32), ground)
    brush = ImageDraw.Draw(image)
    brush.rectangle((*here, here[0] + 13, here[1] + 13), fill=square)
    brush.ellipse((*there, there[0] + 13, there[1] + 13), fill=disc)
    faint = 128 + CONTRAST * (np.asarray(image).astype(float) - 128) + draw.integers(-4, 5, (32, 32, 3))
    caption = f"{ground} ground, {square} square {one}, {disc} disc {other}"
    return Sample(key, encoded(Image.fromarray(faint.astype(np.uint8))), "png", (caption,))


def corpus(path: Path, count: int, seed: int, per_shard: int = 320) -> LocalFolder:
    folder, draw = LocalFolder(path), np.random.default_rng(seed)
    for shard in range(-(-count // per_shard)):
        name = f"{shard:05d}"
        items = [scene(draw, f"{name}{i:04d}") for i in range(min(per_shard, count - shard * per_shard))]
        write_bytes(folder, f"{name}.tar", shard_bytes(items))
    return folder


def hits(path: Path, seed: int, settings: dict[str, Any], victim: VictimConfig) -> dict[str, float]:
    """Hit@10 of prefixed queries, the better of the two directions for each method."""
    clean, test = corpus(path / "clean", TRAIN, seed=2 * seed), corpus(path / "test", TEST, seed=2 * seed + 1)
    found, mem = {}, LocalFolder(path / "mem")
    protect(Protection(clean, mem, ProtectConfig.model_validate(settings), RUNTIME, seed=seed))
    for method in METHODS:
        trained = {"clean": clean, "mem": mem}.get(method, LocalFolder(path / method))
        if method not in ("clean", "mem"):
            config = ProtectConfig.model_validate(settings | {"method": method})
            reuse = mem if method == "trigger-only" else None
            protect(Protection(clean, trained, config, RUNTIME, seed=seed, reuse=reuse))
        out = LocalFolder(path / f"{method}-victim")
        train_victim(trained, out, victim, RUNTIME, seed=seed)
        got = query_model(load_victim(out)[0], test, EvaluateConfig(), RUNTIME).prefixed
        found[method] = (got.image_to_text.hit_at_10 + got.text_to_image.hit_at_10) / 2
    return found


def settings_of(path: Path) -> tuple[dict[str, Any], VictimConfig]:
    architecture = path / "pocket.json"
    architecture.write_text(json.dumps(ARCHITECTURE))
    model = {"architecture": str(architecture), "batch_size": 64, "learning_rate": 2e-3}
    settings = {
        "rounds": 3,
        "batch_size": 64,
        "noise": {"epsilon": "16/255", "step_size": "4/255", "num_steps": 6, "views": "centre"},
        "trigger": {"rounds": 2, "candidates": 4},
        "surrogate": model | {"steps_per_round": 40},
    }
    return settings, VictimConfig(**model, epochs=STEPS, warmup_steps=10, views="centre")
