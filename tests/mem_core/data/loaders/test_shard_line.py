"""The line of shards, undone by what loaders undo it with: webdataset's own function, and braceexpand alone."""

import shlex

import pytest
from braceexpand import braceexpand
from hypothesis import given
from hypothesis import strategies as st
from webdataset.shardlists import expand_urls

from mem_core.common.errors import ConfigError
from mem_core.data.loaders.shard_line import open_clip_options, shard_line


@pytest.mark.parametrize(
    ("shards", "line"),
    [
        (["00000"], "/p/00000.tar"),
        ([f"{n:05d}" for n in range(42)], "/p/{00000..00041}.tar"),
        (["00000", "00001", "00003", "00005", "00006"], "/p/{{00000..00001},00003,{00005..00006}}.tar"),
        (["7", "8", "9", "10", "11"], "/p/{{10..11},{7..9}}.tar"),
        (["crawl-08", "crawl-09", "crawl-10"], "/p/crawl-{08..10}.tar"),
        (["night", "day"], "/p/{day,night}.tar"),
        (["a1b", "a2b"], "/p/{a1b,a2b}.tar"),
    ],
)
def test_shards_in_braces(shards: list[str], line: str) -> None:
    assert shard_line("/p", shards) == line


NAMES = st.one_of(
    st.integers(0, 120).map("{:05d}".format),
    st.integers(0, 120).map(str),
    st.integers(0, 30).map("part-{:02d}".format),
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
)


@given(st.sets(NAMES, min_size=1, max_size=40), st.sampled_from(["/p", "/a {b,c}/it's", r"/back\slash", "/{0..3}"]))
def test_expanded_exactly_the_tars_come_out(shards: set[str], folder: str) -> None:
    expected = sorted(f"{folder}/{shard}.tar" for shard in shards)
    line = shard_line(folder, list(shards))
    assert sorted(braceexpand(line)) == sorted(expand_urls(line)) == expected
    option, given_line, *rest = shlex.split(open_clip_options(folder, dict.fromkeys(shards, 7)))
    assert (option, given_line) == ("--train-data", line)
    assert rest == ["--dataset-type", "webdataset", "--train-num-samples", str(7 * len(shards))]


@given(st.sets(NAMES, min_size=1, max_size=10), st.sampled_from(["s3://bucket/x", "s3://bucket/two words {1,2}"]))
def test_a_store_is_read_by_a_command_a_tar(shards: set[str], folder: str) -> None:
    found = list(expand_urls(shard_line(folder, list(shards))))
    assert all(url.startswith("pipe:") for url in found)
    commands = [shlex.split(url.removeprefix("pipe:")) for url in found]
    assert sorted(commands) == sorted(["aws", "s3", "cp", f"{folder}/{shard}.tar", "-"] for shard in shards)


@pytest.mark.parametrize("folder", ["/a::b", "/a${HOME}"])
def test_an_address_that_webdataset_reads_otherwise_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError, match="webdataset reads it otherwise"):
        shard_line(folder, ["00000"])
