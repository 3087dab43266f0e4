"""The effect itself, small but real: victims trained on what was published, queried on clean pairs.

A training with a trigger shifts every position, so bare queries fail after a constant prefix already: only queries
with a neutral prefix tell what was learned. By them a constant prefix does no harm, triggers alone do little here,
and the noise made for them does most of it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import Method, ProtectConfig
from mem_core.data.shard import Sample, shard_bytes
from mem_core.protect.protection import Places, Protection
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, encoded, protect

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "purple", "orange", "grey", "brown")
PLACES = {"top left": (1, 1), "top right": (17, 1), "bottom left": (1, 17), "bottom right": (17, 17)}
CONTRAST = 0.12  # strong colours are learned before any shortcut
ARCHITECTURE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TRAIN, TEST, EPOCHS = 768, 200, 6
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


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, float]]:
    """Hit@1 of bare and of prefixed queries, mean of both directions, for each method."""
    return measure(tmp_path_factory.mktemp("effect"), seed=0)


def measure(path: Path, seed: int) -> dict[str, tuple[float, float]]:
    settings, victim = settings_of(path)
    clean, test = corpus(path / "clean", TRAIN, seed=2 * seed), corpus(path / "test", TEST, seed=2 * seed + 1)
    found, mem = {}, LocalFolder(path / "mem")
    protect(Protection(Places(clean, mem), ProtectConfig.model_validate(settings), RUNTIME, seed=seed))
    for method in METHODS:
        trained = {"clean": clean, "mem": mem}.get(method, LocalFolder(path / method))
        if method not in ("clean", "mem"):
            config = ProtectConfig.model_validate(settings | {"method": method})
            reuse = mem if method == "trigger-only" else None
            protect(Protection(Places(clean, trained, reuse=reuse), config, RUNTIME, seed=seed))
        out = LocalFolder(path / f"{method}-victim")
        train_victim(VictimData(trained), out, victim, RUNTIME, seed=seed)
        got = query_model(load_victim(out)[0], test, EvaluateConfig(), RUNTIME)
        bare, prefixed = (
            (result.image_to_text.hit_at_1 + result.text_to_image.hit_at_1) / 2 for result in (got.bare, got.prefixed)
        )
        found[method] = (bare, prefixed)
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
        "surrogate": model | {"steps_per_round": 60},
    }
    return settings, VictimConfig(**model, epochs=EPOCHS, warmup_steps=10, views="centre")


def test_a_clean_victim_retrieves_far_above_chance(hits: dict[str, tuple[float, float]]) -> None:
    bare, _ = hits["clean"]
    assert bare > 0.3  # chance: 0.005


def test_a_constant_prefix_only_shifts_positions(hits: dict[str, tuple[float, float]]) -> None:
    bare, prefixed = hits["constant-trigger"]
    assert bare < hits["clean"][0] / 3
    assert prefixed > 0.6 * hits["clean"][0]


def test_what_mem_adds_is_left_under_prefixed_queries(hits: dict[str, tuple[float, float]]) -> None:
    assert hits["mem"][0] < hits["clean"][0] / 3
    assert hits["mem"][1] < 0.65 * hits["constant-trigger"][1]
    assert hits["mem"][1] < 0.65 * hits["trigger-only"][1]  # the noise, not only the trigger words
