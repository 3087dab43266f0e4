"""Sharding: everything of the source is in the corpus, as a sample or as a row with a reason; twice is once."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig
from mem_core.data.images import decode_image
from mem_core.data.manifest import read_manifest
from mem_core.data.readers import RawSample, open_source
from mem_core.data.sharding.left_out import read_left_out
from mem_core.data.sharding.sharder import shard_source
from tests.support.listed_source import Listed, contents, jpeg, raw, rows, samples
from tests.support.picture_files import animated, chunk, in_png, pillow_says

CONFIG = CorpusConfig(samples_per_shard=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(["train", "test"]), st.booleans()), min_size=1, max_size=25),
    st.integers(1, 5),
    st.data(),
)
def test_nothing_is_lost_and_an_interrupted_run_ends_in_the_same_bytes(
    drawn: list[tuple[str, bool]], per_shard: int, data: st.DataObject
) -> None:
    source = Listed([raw(number, split, good=good) for number, (split, good) in enumerate(drawn)])
    config = CorpusConfig(samples_per_shard=per_shard, validation=0)
    with tempfile.TemporaryDirectory() as place:
        whole, resumed = LocalFolder(f"{place}/whole"), LocalFolder(f"{place}/resumed")
        if not any(good for _, good in drawn):
            with pytest.raises(SourceError, match=f"all {len(drawn)} failed, the first"):
                shard_source(source, whole, config, 0)
            assert contents(whole) == {}
            return
        summaries = shard_source(source, whole, config, 0)
        for split, summary in summaries.items():
            folder = whole.below(split)
            expected = [(number, good) for number, (name, good) in enumerate(drawn) if name == split]
            found, table = samples(folder), rows(folder)
            assert [sample.metadata["number"] for sample in found] == [number for number, good in expected if good]
            assert [sample.image for sample in found] == [jpeg(number) for number, good in expected if good]
            assert [row.status == "clean" for row in table] == [good for _, good in expected]
            assert [row.key for row in table if row.status == "clean"] == [sample.key for sample in found]
            assert len({row.key for row in table}) == len(table)
            assert (summary.samples, summary.failed) == (len(found), len(table) - len(found))
            manifest = read_manifest(folder)
            assert manifest is not None
            assert sum(entry.samples for entry in manifest.shards) == len(found)
        cut = data.draw(st.integers(0, len(drawn) - 1))
        _interrupt(source, resumed, config, cut)
        shard_source(source, resumed, config, 0)
        assert contents(resumed) == contents(whole)
        kept = shard_source(source, resumed, config, 0)
        assert all(summary.kept == summary.shards for summary in kept.values())
        assert contents(resumed) == contents(whole)


def _interrupt(source: Listed, dest: LocalFolder, config: CorpusConfig, cut: int) -> None:
    def stop() -> bytes:
        raise KeyboardInterrupt

    broken = list(source.samples)
    broken[cut] = RawSample(broken[cut].name, stop, broken[cut].captions, broken[cut].split)
    with pytest.raises(KeyboardInterrupt):
        shard_source(Listed(broken), dest, config, 0)
    assert not list(dest.path.rglob(".partial-*"))


def test_a_sample_says_where_it_came_from(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    shard_source(Listed([raw(5)]), dest, CONFIG, 0)
    (sample,) = samples(dest.below("train"))
    assert (sample.key, sample.extension, sample.captions) == ("000000000", "jpg", ("one", "two"))
    assert {"name": "5.jpg", "width": 9, "height": 7, "number": 5}.items() <= sample.metadata.items()
    (row,) = rows(dest.below("train"))
    assert row.sha256_in == row.sha256_out == sample.metadata["sha256"]
    stats = json.loads(read_bytes(dest, "train/00000_stats.json"))
    assert (stats["count"], stats["successes"]) == (1, 1)


@pytest.mark.parametrize(
    ("captions", "data", "reason", "code"),
    [
        ((), jpeg(1), "expected a caption, got none", "no-caption"),
        ((" ", "..."), jpeg(1), "expected words in a caption, got ' '", "empty-caption"),
        (("fine",), b"", "got 0 bytes", "empty-image"),
        (("fine",), jpeg(1, (300, 300))[:-400], "cannot be decoded", "damaged-image"),
        (("fine",), jpeg(1, (400, 400)), "expected at most 100000 pixels, got 400 x 400", "too-large"),
    ],
)
def test_unusable_samples_are_rows_with_a_reason(
    tmp_path: Path, captions: tuple[str, ...], data: bytes, reason: str, code: str
) -> None:
    bad = RawSample("bad.jpg", lambda: data, captions)
    config = CorpusConfig(max_pixels=100_000)
    summaries = shard_source(Listed([bad, raw(1)]), LocalFolder(tmp_path), config, 0)
    assert (summaries["train"].samples, summaries["train"].failed) == (1, 1)
    failed, clean = rows(LocalFolder(tmp_path).below("train"))
    assert (failed.status, clean.key) == ("failed", "000000001")
    assert failed.reason.startswith("bad.jpg: ")
    assert reason in failed.reason
    assert failed.code == code
    assert summaries["train"].codes == {code: 1}


def test_what_is_broken_beside_the_pixels_is_told_in_the_row(tmp_path: Path) -> None:
    broken = in_png(chunk(b"iCCP", b"bad\0\1x"))
    shard_source(
        Listed([RawSample("a.png", lambda: broken, ("fine",)), raw(1)]), LocalFolder(tmp_path), CorpusConfig(), 0
    )
    noted, plain = rows(LocalFolder(tmp_path).below("train"))
    assert (noted.status, noted.reason, noted.code) == (
        "clean", "iCCP chunk left out: its compression 1 is unknown", ""
    )  # fmt: skip
    assert plain.reason == ""


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_of_frames_the_first_becomes_a_png_where_that_is_asked_for(tmp_path: Path, image_format: str) -> None:
    moving = RawSample("a.jpg", lambda: animated(image_format), ("fine",))
    refused = shard_source(Listed([moving, raw(1)]), LocalFolder(tmp_path / "a"), CorpusConfig(), 0)["train"]
    assert (refused.samples, refused.failed) == (1, 1)
    assert rows(LocalFolder(tmp_path / "a" / "train"))[0].code == "animated"
    shard_source(Listed([moving]), LocalFolder(tmp_path / "b"), CorpusConfig(animated="first-frame"), 0)
    (taken,) = samples(LocalFolder(tmp_path / "b" / "train"))
    assert taken.extension == "png"
    first = np.asarray(pillow_says(animated(image_format)))[..., :3]
    assert np.array_equal(decode_image(taken.image, max_pixels=1000).pixels, first)


def test_pairs_share_an_image_and_its_split(tmp_path: Path) -> None:
    config = CorpusConfig(samples_per_shard=3, one_sample_per="pair", holdout=0.5)
    dest = LocalFolder(tmp_path)
    shard_source(Listed([raw(number) for number in range(20)]), dest, config, 7)
    train, test = (samples(dest.below(split)) for split in ("train", "test"))
    assert sorted(len(found) % 2 for found in (train, test)) == [0, 0]
    assert len(train) + len(test) == 40
    assert not {sample.metadata["name"] for sample in train} & {sample.metadata["name"] for sample in test}
    assert {(sample.captions, sample.metadata["caption_index"]) for sample in train} == {(("one",), 0), (("two",), 1)}


def test_limit_counts_each_split(tmp_path: Path) -> None:
    source = Listed([raw(number, "train" if number % 3 else "test") for number in range(12)])
    summaries = shard_source(source, LocalFolder(tmp_path), CorpusConfig(limit=3), 0)
    assert {split: summary.samples for split, summary in summaries.items()} == {"train": 3, "test": 3}


def test_limit_ends_a_source_without_splits_early(tmp_path: Path) -> None:
    def endless() -> Iterator[RawSample]:
        number = 0
        while True:
            yield raw(number)
            number += 1

    source: Any = Listed([])
    source.samples = endless()
    assert shard_source(source, LocalFolder(tmp_path), CorpusConfig(limit=4), 0)["train"].samples == 4
    (rest,) = read_left_out(LocalFolder(tmp_path))
    assert (rest.name, rest.what, rest.code) == ("5.jpg", "picture", "over-limit")  # the first was only looked at
    assert rest.reason.endswith("reading stopped here, and what follows is not counted")


def test_resize_takes_the_middle_and_encodes_losslessly(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    shard_source(Listed([raw(1)]), dest, CorpusConfig(resize=16), 0)
    (sample,) = samples(dest.below("train"))
    assert (sample.extension, sample.metadata["width"], sample.metadata["height"]) == ("png", 16, 16)


@pytest.mark.parametrize("resize", [None, 16])
def test_a_corpus_of_0_3_0_goes_on_unless_its_photos_were_squashed(tmp_path: Path, resize: int | None) -> None:
    dest, config = LocalFolder(tmp_path), CorpusConfig(resize=resize)
    shard_source(Listed([raw(1)]), dest, config, 0)
    then = config.model_dump(mode="json")
    del then["identities"]["captions"]
    for younger in ("validation", "animated", "encoding", "caption_key", "image_key", "protected"):
        del then[younger]
    mark = {"source_format": "listed", "seed": 0, "corpus": then}
    written = json.loads(read_bytes(dest, "sharding.json"))
    write_bytes(dest, "sharding.json", json.dumps({**mark, "source_format": written["source_format"]}).encode())
    if resize is None:
        assert config.made_with() == then
        assert shard_source(Listed([raw(1)]), dest, config, 0)["train"].samples == 1
    else:
        with pytest.raises(MismatchError, match=r"resize 16, the middle \(it was 16\)"):
            shard_source(Listed([raw(1)]), dest, config, 0)


def test_a_corpus_can_be_sharded_again(tmp_path: Path) -> None:
    first, second = LocalFolder(tmp_path / "first"), LocalFolder(tmp_path / "second")
    listed = [raw(number, "train" if number % 4 else "test") for number in range(12)]
    shard_source(Listed(listed), first, CONFIG, 0)
    reader = open_source(first.path)
    assert reader.format == "webdataset"
    shard_source(reader, second, CorpusConfig(samples_per_shard=5), 0)
    for split in ("train", "test"):
        one, two = samples(first.below(split)), samples(second.below(split))
        assert [(s.image, s.captions, s.metadata) for s in one] == [(s.image, s.captions, s.metadata) for s in two]


def test_sharding_does_without_torch(tmp_path: Path) -> None:
    """It would take half a gigabyte, on machines that only prepare data."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "0.jpg").write_bytes(jpeg(0))
    (tmp_path / "source" / "0.txt").write_text("a picture")
    script = f"""
import sys
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
shard_source(open_source({str(tmp_path / "source")!r}), LocalFolder({str(tmp_path / "corpus")!r}), CorpusConfig())
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
