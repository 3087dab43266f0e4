"""Tiny corpora and settings for the tests of protection and training, and folders that fail on purpose."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from mem_core.common.storage.folder import Folder, LocalFolder, Troubles, read_bytes, write_bytes
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.shard import Sample, read_shard, shard_bytes
from mem_core.protect.protection import Places, Protection
from mem_core.protect.round_loop import Rounds
from mem_core.protect.shard_summary import ShardSummary

RUNTIME = RuntimeConfig(device="cpu", precision="float32", cache_mb=64)
SAVED_OFTEN = RUNTIME.model_copy(update={"checkpoint_minutes": 0})  # a victim in training, after each epoch
SMALL: dict[str, Any] = {
    "rounds": 2,
    "batch_size": 8,
    "noise": {"num_steps": 2, "caption_draws": 2, "epsilon": "8/255", "step_size": "4/255"},
    "trigger": {"length": 2, "rounds": 1, "candidates": 2},
    "surrogate": {"architecture": "tiny-resnet-32", "steps_per_round": 3, "batch_size": 6, "pool_shards": 2},
}
SEED = 3  # of the fixture `mem`
COLOURS = ("red", "green", "blue", "grey", "yellow", "black")


def small(**changes: Any) -> ProtectConfig:
    """The small settings with some changed; dictionaries are laid over."""
    values = dict(SMALL)
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, Mapping) else value
    return ProtectConfig.model_validate(values)


def photo(seed: int, width: int = 32, height: int = 32) -> Image.Image:
    """Smooth colours with grain: neither flat nor pure noise."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (3, 3, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = draw.integers(-12, 13, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def sample(key: str, image: bytes | None = None, *captions: str, extension: str = "png") -> Sample:
    seed = sum(map(ord, key)) * 7 + int(key[-4:])
    words = captions or tuple(f"a {COLOURS[(seed + n) % 6]} thing number {seed % 97}" for n in range(1 + seed % 3))
    return Sample(key, encoded(photo(seed)) if image is None else image, extension, words, {"url": f"u{key}"})


def plain_shard(shard: str, count: int) -> bytes:
    """A tar of `count` photos of 32 x 32 pixels with one to three captions each."""
    return shard_bytes([sample(f"{shard}{i:04d}") for i in range(count)])


def odd_images() -> dict[str, tuple[bytes, str]]:
    """Images that a crawl brings, by name: bytes and extension. All can be protected."""
    grey_alpha = Image.merge("LA", (photo(3).convert("L"), photo(4).convert("L")))
    deep = Image.fromarray((np.arange(32 * 32).reshape(32, 32) * 60).astype(np.uint16))
    return {
        "grey": (encoded(photo(1).convert("L")), "png"),
        "palette": (encoded(photo(2).convert("P")), "png"),
        "grey with alpha": (encoded(grey_alpha), "png"),
        "alpha": (encoded(Image.merge("RGBA", (*photo(5, 20, 44).split(), photo(6, 20, 44).convert("L")))), "png"),
        "16 bit": (encoded(deep), "png"),
        "cmyk": (encoded(photo(7, 48, 40).convert("CMYK"), "JPEG"), "jpg"),
        "one pixel": (encoded(photo(8, 1, 1)), "png"),
        "a line": (encoded(photo(9, 1, 300)), "png"),
        "a row": (encoded(photo(10, 300, 1)), "png"),
        "black": (encoded(Image.new("RGB", (32, 32))), "png"),
        "white": (encoded(Image.new("RGB", (32, 32), "white")), "png"),
        "wide": (encoded(photo(11, 90, 30)), "png"),
    }


def odd_shard(shard: str) -> bytes:
    """All odd images, and between them two samples that cannot be protected: a cut image and an empty caption."""
    items = [
        sample(f"{shard}{i:04d}", data, f"the {name} picture", extension=extension)
        for i, (name, (data, extension)) in enumerate(odd_images().items())
    ]
    cut = sample(f"{shard}0100", encoded(photo(50))[:200], "a picture cut short")
    empty = sample(f"{shard}0101", None, "to be emptied")
    data = shard_bytes([*items[:5], cut, *items[5:], empty, sample(f"{shard}0102")])
    return emptied(data, b"to be emptied")


def emptied(tar: bytes, caption: bytes) -> bytes:
    """The tar with a caption overwritten by spaces, which the writer itself would refuse."""
    return tar.replace(caption, b" " * len(caption))


def tiny_corpus(path: Path, *counts: int) -> LocalFolder:
    """Shards 00000, 00001... of so many plain samples."""
    folder = LocalFolder(path)
    for number, count in enumerate(counts):
        write_bytes(folder, f"{number:05d}.tar", plain_shard(f"{number:05d}", count))
    return folder


def open_again(clean: LocalFolder, dest: LocalFolder, config: ProtectConfig | None = None) -> Protection:
    return Protection(Places(clean, dest), config or small(), RUNTIME, seed=SEED)


def fit(protection: Protection) -> list[float]:
    """The rounds, as the flow runs them. Returns the mean losses, empty if nothing was to be fitted."""
    protection.begin()
    if protection.fitted:
        return []
    rounds = Rounds(protection.config)
    for number in rounds:
        protection.fit.train_surrogate(number)
        rounds.close({shard: protection.fit.update_shard(shard, number) for shard in protection.shards})
    protection.fit.finish(rounds.losses)
    return rounds.losses


def protect(protection: Protection) -> list[ShardSummary]:
    fit(protection)
    summaries = [protection.publish(shard) for shard in protection.shards]
    protection.finish()
    return summaries


def contents(folder: Folder) -> dict[str, bytes]:
    return {name: read_bytes(folder, name) for name in folder.names()}


def samples_of(folder: Folder, shard: str) -> list[Sample]:
    with folder.open(f"{shard}.tar") as stream:
        return [found for found in read_shard(stream, shard) if isinstance(found, Sample)]


def published(folder: Folder) -> dict[str, bytes]:
    """What a corpus is: everything but the manifest (whose config names the strategy) and the protector."""
    kept = contents(folder)
    return {name: data for name, data in kept.items() if "/" not in name and name != "manifest.json"}


class Cut(Exception):
    """The machine went down."""


class Failing:
    """A folder whose n-th write (counted over it and all folders below it) breaks off half-way, as do all after it."""

    def __init__(self, folder: Folder, fail_at: int, count: list[int] | None = None) -> None:
        self.folder, self.fail_at = folder, fail_at
        self.count = [0] if count is None else count

    @property
    def uri(self) -> str:
        return self.folder.uri

    def names(self, troubles: Troubles | None = None) -> Iterator[str]:
        return self.folder.names(troubles)

    def top(self) -> dict[str, int]:
        return self.folder.top()

    def exists(self, name: str) -> bool:
        return self.folder.exists(name)

    def size(self, name: str) -> int:
        return self.folder.size(name)

    def modified(self, name: str) -> datetime:
        return self.folder.modified(name)

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        return self.folder.sweep(ours, finished)

    def read(self, name: str, start: int, size: int) -> bytes:
        return self.folder.read(name, start, size)

    def open(self, name: str) -> BinaryIO:
        return self.folder.open(name)

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        with self.folder.write(name, only_if_absent=only_if_absent) as stream:
            yield stream
            self.count[0] += 1
            if self.count[0] >= self.fail_at:
                raise Cut(name)

    def delete(self, name: str) -> None:
        self.folder.delete(name)

    def below(self, name: str) -> "Failing":
        return Failing(self.folder.below(name), self.fail_at, self.count)
