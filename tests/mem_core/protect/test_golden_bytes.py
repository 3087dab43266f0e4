"""Bytes that this version wrote are made again to the last bit; what older ones wrote is read, verified and replayed.

golden/VERSION holds a clean corpus, the same protected by MEM (one round) and by a codebook, and the state of a shard
as it lies between two rounds. After a wanted change of bytes, which takes a new version,
`python -m tests.mem_core.protect.test_golden_bytes` writes its folder.

A gradient's last digits depend on the processor, so MEM's pixels are held to the bit where the arithmetic is the one
that the files were made with (`arithmetic`, a hash of what training comes to there), and to a few pixels elsewhere.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from mem_core import __version__
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.config.protect import MetadataConfig
from mem_core.data.images import decode_image
from mem_core.data.receipt import read_receipt
from mem_core.data.shard import shard_bytes
from mem_core.models import Tokenizer, build_model
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, encoded, fit, photo, protect, sample, samples_of, small

GOLDEN = Path(__file__).parents[1] / "golden"
MADE = GOLDEN / __version__
VERSIONS = tuple(sorted(path.name for path in GOLDEN.glob("[0-9]*.*")))
SEED = 11
SHARD = "00000"
FEW = 0.002  # share of the pixels that another processor may round the other way
METHODS = {
    "mem": small(
        rounds=1,
        surrogate={"architecture": "golden-clip.json", "steps_per_round": 2},
        trigger={"personal_names": "allow"},
    ),
    "codebook": small(
        method="codebook",
        trigger={"placement": "replace", "source": "captions", "length": 1},
        noise={"topics": 2},
    ),
}


@contextmanager
def beside_the_model() -> Iterator[None]:
    """A path to a model is part of the settings, so it has to read the same on every machine."""
    before = Path.cwd()
    os.chdir(GOLDEN)
    try:
        yield
    finally:
        os.chdir(before)


def arithmetic() -> str:
    """A hash of the weights that a training step of the model leaves on this machine, by torch's own optimiser."""
    with beside_the_model():
        clip = build_model("golden-clip.json", seed=0).clip.train()
    draw = torch.Generator().manual_seed(0)
    images, ids = torch.rand(8, 3, 32, 32, generator=draw), torch.randint(1, 400, (8, 16), generator=draw)
    optimizer = torch.optim.AdamW(clip.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        products = clip.encode_image(images, normalize=True) @ clip.encode_text(ids, normalize=True).T
        torch.nn.functional.cross_entropy(10 * products, torch.arange(8)).backward()
        optimizer.step()
    return hashlib.sha256(b"".join(part.detach().numpy().tobytes() for part in clip.parameters())).hexdigest()


def golden(name: str, version: str = __version__) -> LocalFolder:
    return LocalFolder(GOLDEN / version / name)


def is_exact(version: str = __version__) -> bool:
    return bool(json.loads((GOLDEN / version / "machine.json").read_text())["arithmetic"] == arithmetic())


def same_but_for_few(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and float((found != expected).mean()) <= FEW


def require_same_corpus(found: LocalFolder, expected: LocalFolder) -> None:
    """Every published file, to the bit; on other arithmetic the words, and the pixels but for a few."""
    if is_exact():
        assert contents(found) == contents(expected)
    else:
        require_same_samples(found, expected, exact=False)


def require_same_samples(found: LocalFolder, expected: LocalFolder, *, exact: bool) -> None:
    """Words and pixels, without the version that stands beside them."""
    for ours, theirs in zip(samples_of(found, SHARD), samples_of(expected, SHARD), strict=True):
        assert (ours.key, ours.captions) == (theirs.key, theirs.captions)
        pixels = [decode_image(one.image, max_pixels=10_000).pixels for one in (ours, theirs)]
        assert np.array_equal(*pixels) if exact else same_but_for_few(*pixels)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_a_corpus_of_any_version_verifies(method: str, version: str) -> None:
    report = verify_corpus(golden("clean", version), golden(method, version), tokenize=Tokenizer(77).encode)
    assert report.ok, report.problems
    assert report.counts == {"protected": 6}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_a_protector_of_any_version_is_replayed_to_what_it_published(method: str, version: str, tmp_path: Path) -> None:
    dest, published = LocalFolder(tmp_path), golden(method, version)
    config = ProtectConfig(strategy="replay", method=METHODS[method].method)
    with beside_the_model():
        protect(
            Protection(
                Places(golden("clean", version), dest, protector=published.below("protector")), config, RUNTIME, seed=0
            )
        )
    if version != __version__:
        require_same_samples(dest, published, exact=is_exact(version))
        return
    shutil.copytree(MADE / method / "protector", tmp_path / "protector")
    write_bytes(dest, "manifest.json", read_bytes(published, "manifest.json"))  # its config names the strategy
    require_same_corpus(dest, published)


@pytest.mark.parametrize("method", METHODS)
def test_metadata_that_are_kept_are_published_as_before_there_was_a_choice(method: str, tmp_path: Path) -> None:
    """The whole tar of 0.4.0, but for the fingerprint in each sample's note, which names the version."""
    dest, published = LocalFolder(tmp_path), golden(method, "0.4.0")
    config = ProtectConfig(strategy="replay", method=METHODS[method].method, metadata=MetadataConfig(origin="keep"))
    with beside_the_model():
        places = Places(golden("clean", "0.4.0"), dest, protector=published.below("protector"))
        protect(Protection(places, config, RUNTIME, seed=0))
    now, then = (read_receipt(folder, SHARD) for folder in (dest, published))
    assert now is not None
    assert then is not None
    tar, old = read_bytes(dest, f"{SHARD}.tar"), read_bytes(published, f"{SHARD}.tar")
    if is_exact("0.4.0"):
        assert tar.replace(now.config_fingerprint.encode(), then.config_fingerprint.encode()) == old
    ours, theirs = ([one.metadata for one in samples_of(folder, SHARD)] for folder in (dest, published))
    assert [one.get("url") for one in ours] == [one.get("url") for one in theirs]


def test_this_version_has_its_files() -> None:
    assert {"0.3.0", __version__} <= set(VERSIONS)


def test_a_codebook_is_fitted_and_published_to_the_same_bytes(tmp_path: Path) -> None:
    """No gradient is in it: the bytes are the same on every machine."""
    protect(Protection(Places(golden("clean"), LocalFolder(tmp_path)), METHODS["codebook"], RUNTIME, seed=SEED))
    assert contents(LocalFolder(tmp_path)) == contents(golden("codebook"))


def test_mem_is_fitted_and_published_to_the_same_bytes(tmp_path: Path) -> None:
    with beside_the_model():
        protect(Protection(Places(golden("clean"), LocalFolder(tmp_path)), METHODS["mem"], RUNTIME, seed=SEED))
    require_same_corpus(LocalFolder(tmp_path), golden("mem"))


def test_a_shard_between_two_rounds_is_stored_as_the_same_bytes(tmp_path: Path) -> None:
    with beside_the_model():
        fit(Protection(Places(golden("clean"), LocalFolder(tmp_path)), METHODS["mem"], RUNTIME, seed=SEED))
    found, expected = (read_bytes(LocalFolder(path), f"{SHARD}.safetensors") for path in (tmp_path / "_state", MADE))
    if is_exact():
        assert found == expected
    assert len(found) == len(expected)
    assert same_but_for_few(*(np.frombuffer(data, np.uint8) for data in (found[-18_000:], expected[-18_000:])))


def write_golden() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(MADE, ignore_errors=True)
    square, tall, wide = (32, 32), (24, 48), (40, 24)
    pictures = (("two dogs", square), ("a red boat", square), ("children", wide))
    pictures = (*pictures, ("two dogs", square), ("a boat", tall), ("cats", square))
    samples = [
        sample(f"{SHARD}{i:04d}", encoded(photo(i, *size)), f"a photo of {what} in the park", f"{what} near water")
        for i, (what, size) in enumerate(pictures)
    ]
    write_bytes(golden("clean"), f"{SHARD}.tar", shard_bytes(samples))
    with beside_the_model():
        for method, config in METHODS.items():
            protection = Protection(Places(golden("clean"), golden(method)), config, RUNTIME, seed=SEED)
            fit(protection)
            if method == "mem":
                state = read_bytes(golden(method), f"_state/{SHARD}.safetensors")
                write_bytes(LocalFolder(MADE), f"{SHARD}.safetensors", state)
            protection.publish(SHARD)
            protection.finish()
    (MADE / "machine.json").write_text(json.dumps({"arithmetic": arithmetic()}) + "\n")


if __name__ == "__main__":
    sys.exit(write_golden())
