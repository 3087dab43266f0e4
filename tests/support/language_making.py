"""A corpus of simple sentences, and a language model that learns them in seconds."""

import random

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.perturb.language import LanguageModelConfig
from tests.support.corpora import sample

CONFIG = LanguageModelConfig(
    vocabulary=200, width=32, layers=1, heads=2, context=24, epochs=80, batch_size=32, learning_rate=3e-3
)
_COLOURS = ("red", "green", "blue", "black", "white")
_THINGS = ("dog", "cat", "horse", "bird", "car")
_PLACES = ("park", "street", "field", "house")


def sentences(count: int = 96) -> list[str]:
    """As `a small red dog runs in the park`: colours stand before things, and never after them."""
    draw = random.Random(0)
    words = (
        ("a", "the"),
        ("small", "big", "old"),
        _COLOURS,
        _THINGS,
        ("runs", "stands", "waits"),
        ("in the",),
        _PLACES,
    )
    return [" ".join(draw.choice(slot) for slot in words) for _ in range(count)]


def caption_corpus(path: object, shards: int = 2, captions: int = 4, *, backwards: bool = False) -> LocalFolder:
    """Shards of 12 pictures each with some of the sentences."""
    folder, texts = LocalFolder(str(path)), sentences(shards * 12 * captions)
    texts = texts[::-1] if backwards else texts
    for number in range(shards):
        name = f"{number:05d}"
        items = []
        for i in range(12):
            first = (number * 12 + i) * captions
            items.append(sample(f"{name}{i:04d}", None, *texts[first : first + captions]))
        write_bytes(folder, f"{name}.tar", shard_bytes(items))
    return folder
