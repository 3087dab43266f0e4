"""A small protected corpus that can be tampered with, before its hashes are taken or after."""

import copy
import io
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config.methods import METHODS
from mem_core.data.images import Picture, encode_image
from mem_core.data.manifest import build_manifest, write_manifest
from mem_core.data.receipt import Receipt, receipt_bytes, receipt_name
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.table import SampleRow, write_table
from tests.support.data_strategies import photo

EPSILON = 8
SHARDS = ("00000", "00001")


def tokenize(texts: list[str]) -> np.ndarray:
    """int64 [N, 12]: 1 to start, then a number for each word."""
    rows = [[1, *(zlib.crc32(word.encode()) for word in text.split())] for text in texts]
    return np.array([(row + [0] * 12)[:12] for row in rows], np.int64)


@dataclass
class Shard:
    """A protected shard that can be tampered with before its hashes are taken (`store`) or after (the files)."""

    name: str
    clean: list[Sample]
    samples: list[Sample] = field(default_factory=list)
    rows: list[SampleRow] = field(default_factory=list)
    receipt: dict[str, Any] = field(default_factory=dict)

    def publish(self, i: int, pixels: np.ndarray, **changes: Any) -> None:
        """Puts these pixels at place i, with table and key.json saying so truly."""
        clean = np.asarray(Image.open(io.BytesIO(self.clean[i].image)).convert("RGB")).astype(int)
        worst = int(np.abs(clean - pixels).max()) if pixels.shape == clean.shape else 0
        image = encode_image(Picture(pixels), "png")
        metadata = copy.deepcopy(self.samples[i].metadata)
        metadata["memshield"] |= {"max_abs_difference": worst} | changes
        self.samples[i] = replace(self.samples[i], image=image, metadata=metadata)
        self.rows[i] = replace(self.rows[i], sha256_out=sha256_bytes(image), max_abs_difference=worst)

    def mark(self, i: int, **changes: Any) -> None:
        """Changes the memshield entry of key.json at place i."""
        metadata = copy.deepcopy(self.samples[i].metadata)
        metadata["memshield"] |= changes
        self.samples[i] = replace(self.samples[i], metadata=metadata)

    def store(self, clean: LocalFolder, protected: LocalFolder) -> None:
        clean_tar, tar, table = shard_bytes(self.clean), shard_bytes(self.samples), write_table(self.rows)
        files = {f"{self.name}.tar": tar, f"{self.name}.parquet": table, f"{self.name}_stats.json": b"{}"}
        write_bytes(clean, f"{self.name}.tar", clean_tar)
        for name, data in files.items():
            write_bytes(protected, name, data)
        values = {
            "shard": self.name,
            "input_sha256": sha256_bytes(clean_tar),
            "config_fingerprint": "f",
            "protector": "p",
            "outputs": {name: sha256_bytes(data) for name, data in files.items()},
            "counts": dict(Counter(row.status for row in self.rows)),
            "code_version": "1",
            "method": "mem",
            "epsilon_levels": EPSILON,
            "trigger_length": 3,
            "vocabulary": "words",
        }
        receipt = Receipt.model_validate(values | self.receipt)
        write_bytes(protected, receipt_name(self.name), receipt_bytes(receipt))


def make_shard(name: str, method: str = "mem", count: int = 4) -> Shard:
    """A shard protected as the method says. Sample 3 is one that failed, unless there are fewer."""
    recipe = METHODS[method]
    clean, shard = [], Shard(name, [])
    for i in range(count):
        words = tuple(f"caption {n} of picture {i}" for n in range(2))
        image = encode_image(Picture(photo(i)), "png")
        clean.append(Sample(f"{name}{i:04d}", image, "png", words, {"url": f"u{i}", "caption": words[0]}))
    shard.clean = clean
    trigger_length = 3 if recipe.adds_trigger else 0
    shard.receipt = {"method": method, "trigger_length": trigger_length}
    for i, sample in enumerate(clean):
        if i == 3:
            row = SampleRow(sample.key, "failed", "the encoder said no", sha256_bytes(sample.image))
            shard.rows.append(row)
            continue
        trigger = f"zap{i} zip{i} zop{i}" if trigger_length else ""
        words = tuple(f"{trigger} {words}" for words in sample.captions) if trigger else sample.captions
        block = {
            "method": method,
            "epsilon_levels": EPSILON,
            "max_abs_difference": 0,
            "fingerprint": "f",
        }
        metadata: dict[str, Any] = {"url": f"u{i}", "memshield": block}
        if not trigger:
            metadata["caption"] = sample.captions[0]
        shard.samples.append(Sample(sample.key, sample.image, "png", words, metadata))
        digest = sha256_bytes(sample.image)
        shard.rows.append(
            SampleRow(sample.key, "protected", "", digest, digest, 12, 8, 0, 40.0, 0.9, trigger, words[0])
        )
        if recipe.adds_noise:
            shard.publish(i, noisy_photo(i, EPSILON))
    return shard


def noisy_photo(i: int, levels: int) -> np.ndarray:
    noise = np.random.default_rng(99 + i).integers(-levels, levels + 1, size=(8, 12, 3))
    return np.clip(photo(i).astype(int) + noise, 0, 255).astype(np.uint8)


class Corpus:
    """Two shards, stored with a manifest; `tamper` changes the first before, files can be changed after."""

    def __init__(self, path: Path, tamper: Callable[[Shard], None] | None = None, method: str = "mem") -> None:
        self.clean, self.protected = LocalFolder(path / "clean"), LocalFolder(path / "protected")
        self.shards = [make_shard(name, method) for name in SHARDS]
        if tamper is not None:
            tamper(self.shards[0])
        for shard in self.shards:
            shard.store(self.clean, self.protected)
        write_manifest(self.protected, build_manifest(self.protected, kind="protected"))

    def verify(self) -> VerifyReport:
        return verify_corpus(self.clean, self.protected, tokenize=tokenize)

    def only_problem(self) -> tuple[str, str, str]:
        report = self.verify()
        assert len(report.problems) == 1, report.problems
        problem = report.problems[0]
        return problem.shard, problem.key, problem.what


def told(shard: Shard) -> None:
    """The trigger in key.json, as up to 0.2.0, and of the paper's vocabulary to this day."""
    for i, sample in enumerate(shard.samples):
        trigger = next(row.trigger for row in shard.rows if row.key == sample.key)
        shard.mark(i, trigger=trigger, trigger_ids=tokenize([trigger])[0, 1 : 1 + len(trigger.split())].tolist())
