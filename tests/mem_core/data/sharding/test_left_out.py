"""Counts add up: pictures seen = published + failed + left out, each with its code; an empty caption costs itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig
from mem_core.data.readers import LeftOut, RawSample
from mem_core.data.readers.base import failed
from mem_core.data.sharding.left_out import LEFT_OUT_NAME, counted_codes, read_left_out, sharding_lines
from mem_core.data.sharding.sharder import shard_source
from tests.support.listed_source import Listed, contents, raw, rows, samples

CONFIG = CorpusConfig(samples_per_shard=3, validation=0)
KINDS = ("good", "no image", "named, not there", "side file", "no caption")


class WithSideFiles(Listed):
    """A source some of whose pictures its reader leaves out."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__([self._one(number, kind) for number, kind in enumerate(kinds) if kind != "side file"])
        self._hidden = [number for number, kind in enumerate(kinds) if kind == "side file"]

    def __iter__(self) -> Iterator[RawSample]:
        self.left_out = []
        yield from self.samples
        self.left_out = [LeftOut(f"._{n}.jpg", "picture", "side-file", "a side file") for n in self._hidden]

    def _one(self, number: int, kind: str) -> RawSample:
        if kind == "named, not there":
            return failed(f"{number}.jpg", "it is not there", "no-image")
        return raw(number, good=kind != "no image", captions=() if kind == "no caption" else ("one", "two"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(KINDS), max_size=12), st.sampled_from(["image", "pair"]))
def test_pictures_seen_are_published_failed_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], per: str
) -> None:
    kinds = ["good", *kinds]
    dest = LocalFolder(tmp_path_factory.mktemp("corpus"))
    config = CONFIG.model_copy(update={"one_sample_per": per})
    summary = shard_source(WithSideFiles(kinds), dest, config, 0)["train"]
    left_out = counted_codes(read_left_out(dest), "picture")
    assert summary.images + sum(left_out.values()) == len(kinds)
    assert summary.failed == sum(summary.codes.values())
    assert set(summary.codes) <= {"no-image", "not-an-image", "no-caption"}
    assert left_out == ({"side-file": kinds.count("side file")} if "side file" in kinds else {})
    before = contents(dest)
    assert (
        shard_source(WithSideFiles(kinds), dest, config, 0)["train"].codes == summary.codes
    )  # of finished shards, too
    assert contents(dest) == before


def test_an_empty_caption_costs_itself_and_is_named_with_its_line(tmp_path: Path) -> None:
    places = ("captions.csv:2", "captions.csv:3", "captions.csv:4")
    some = replace(raw(1, captions=("a red boat", " . . ", "a boat")), places=places)
    none = raw(2, captions=("\u200b", ""))
    summary = shard_source(Listed([some, none]), LocalFolder(tmp_path), CONFIG, 0)["train"]
    assert [sample.captions for sample in samples(LocalFolder(tmp_path / "train"))] == [("a red boat", "a boat")]
    assert (summary.samples, summary.codes) == (1, {"empty-caption": 1})
    (left,) = read_left_out(LocalFolder(tmp_path))
    assert (left.name, left.what, left.code) == ("1.jpg", "caption", "empty-caption")
    assert left.reason == "captions.csv:3: expected words in caption 2 of 3, got ' . . '"


def test_images_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    listed = [raw(number, "train" if number % 2 else "test") for number in range(8)]
    config = CONFIG.model_copy(update={"limit": 3})
    found = shard_source(Listed(listed), LocalFolder(tmp_path), config, 0)
    left_out = read_left_out(LocalFolder(tmp_path))
    assert [found[split].samples for split in ("test", "train")] == [3, 3]
    assert [row.name for row in left_out] == ["6.jpg", "7.jpg"]
    assert {row.code for row in left_out} == {"over-limit"}


def test_rows_keep_the_name_in_the_source(tmp_path: Path) -> None:
    shard_source(Listed([raw(1), raw(2, good=False)]), LocalFolder(tmp_path), CONFIG, 0)
    assert [(row.name, row.code) for row in rows(LocalFolder(tmp_path / "train"))] == [
        ("1.jpg", ""),
        ("2.jpg", "not-an-image"),
    ]


def test_people_read_what_became_of_a_source(tmp_path: Path) -> None:
    found = shard_source(WithSideFiles(["good", "good", "no image", "side file"]), LocalFolder(tmp_path), CONFIG, 0)
    assert sharding_lines(found, read_left_out(LocalFolder(tmp_path))) == [
        "train: 2 samples, 1 failed (1 not-an-image) in 1 shard",
        "left out: 1 picture (1 side-file), as ._3.jpg: a side file",
    ]


def test_a_table_of_another_make_is_refused(tmp_path: Path) -> None:
    write_bytes(LocalFolder(tmp_path), LEFT_OUT_NAME, b"PAR1")
    with pytest.raises(MismatchError, match="as memshield wrote it"):
        read_left_out(LocalFolder(tmp_path))
