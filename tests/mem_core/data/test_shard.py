"""`python -m tests.mem_core.data.test_shard` writes golden/shard.tar anew (after a wanted change of format)."""

import io
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import CaptionError, SampleError, SourceError
from mem_core.data.shard import Broken, Sample, ShardWriter, read_shard, shard_bytes
from tests.support.data_strategies import samples, shards, tar_of
from tests.support.source_making import special_tar

GOLDEN = Path(__file__).parents[1] / "golden" / "shard.tar"
GOLDEN_SAMPLES = [
    Sample("000000000", b"not really a png", "png", ("a red ball on the grass", "a ball"), {"b": [1, 2.5], "a": None}),
    Sample("000000001", bytes(range(256)) * 3, "jpg", ("ein Hündchen 🐶 rennt",), {"url": "https://example.org/x?y=1"}),
    Sample("000000002", b"w", "webp", (" spaces and\nlines ",), {}),
]


def read(data: bytes) -> list[Sample | Broken]:
    return list(read_shard(io.BytesIO(data), "00000"))


def only_broken(data: bytes) -> Broken:
    (found,) = read(data)
    assert isinstance(found, Broken)
    return found


def one(key: str = "a", **members: bytes) -> list[tuple[str, bytes]]:
    return [(f"{key}.{extension}", data) for extension, data in members.items()]


GOOD = one("good", png=b"image", txt=b"a caption")


@given(shards)
def test_reading_gives_what_was_written(written: list[Sample]) -> None:
    assert read(shard_bytes(written)) == written


@given(shards)
def test_equal_samples_give_equal_bytes(written: list[Sample]) -> None:
    twins = [Sample(s.key, s.image, s.extension, s.captions, dict(reversed(list(s.metadata.items())))) for s in written]
    assert shard_bytes(written) == shard_bytes(twins)


@given(shards, st.data())
def test_a_shard_cut_anywhere_before_its_end_is_refused(written: list[Sample], data: st.DataObject) -> None:
    whole = shard_bytes(written)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        *_, last = tar.getmembers()
    end = last.offset_data + -(-last.size // 512) * 512
    cut = data.draw(st.integers(0, end))
    with pytest.raises(SourceError, match="shard 00000"):
        read(whole[:cut])


@given(samples(), st.data())
def test_damaged_shards_give_samples_or_reasons_or_source_errors(sample: Sample, data: st.DataObject) -> None:
    tar = bytearray(shard_bytes([sample]))
    for _ in range(data.draw(st.integers(1, 6))):
        tar[data.draw(st.integers(0, len(tar) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(tar))
    except SourceError:
        return
    for item in found:
        item.key.encode()


def test_golden_shard() -> None:
    assert shard_bytes(GOLDEN_SAMPLES) == GOLDEN.read_bytes()
    assert read(GOLDEN.read_bytes()) == GOLDEN_SAMPLES


def test_bytes_are_those_of_webdatasets_writer() -> None:
    stream = io.BytesIO()
    writer = webdataset.TarWriter(stream, mtime=0, user="memshield", group="memshield", encoder=False)
    for sample in GOLDEN_SAMPLES:
        metadata = json.dumps({**sample.metadata, "captions": list(sample.captions)}, sort_keys=True)
        parts = {sample.extension: sample.image, "txt": sample.captions[0].encode(), "json": metadata.encode()}
        for extension, data in parts.items():
            writer.write({"__key__": sample.key, extension: data})
    writer.close()
    assert stream.getvalue() == GOLDEN.read_bytes()


@given(shards)
def test_bytes_are_those_of_plain_headers_whatever_the_key(written: list[Sample]) -> None:
    """TarWriter itself would give names beyond ASCII a pax header."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as tar:
        for sample in written:
            metadata = json.dumps({**sample.metadata, "captions": list(sample.captions)}, sort_keys=True)
            parts = {sample.extension: sample.image, "txt": sample.captions[0].encode(), "json": metadata.encode()}
            for extension, data in parts.items():
                info = tarfile.TarInfo(f"{sample.key}.{extension}")
                info.size, info.mode, info.uname, info.gname = len(data), 0o444, "memshield", "memshield"
                tar.addfile(info, io.BytesIO(data))
    assert shard_bytes(written) == stream.getvalue()


def test_webdataset_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    path.write_bytes(shard_bytes(GOLDEN_SAMPLES))
    dataset = webdataset.WebDataset(str(path), shardshuffle=False)
    found = {
        item["__key__"]: (item["txt"], sorted(set(item) - {"__key__", "__url__", "__local_path__"})) for item in dataset
    }
    assert found == {s.key: (s.captions[0].encode(), sorted([s.extension, "json", "txt"])) for s in GOLDEN_SAMPLES}


def test_img2datasets_own_layout_is_read() -> None:
    about = {"caption": "a caption", "status": "success", "width": 3, "similarity": float("nan"), "big": float("inf")}
    members = [
        ("000000000.jpg", b"x"),
        ("000000000.json", json.dumps(about).encode()),
        ("000000000.txt", b"a caption\n"),
    ]
    metadata = {"caption": "a caption", "status": "success", "width": 3, "similarity": None, "big": None}
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert read(tar_of(members, form=form)) == [Sample("000000000", b"x", "jpg", ("a caption",), metadata)]


def test_captions_of_the_json_win_over_the_txt() -> None:
    data = tar_of(one(png=b"x", txt=b"\xff not text", json=b'{"captions": ["one", "two"]}'))
    assert read(data) == [Sample("a", b"x", "png", ("one", "two"), {})]


def test_empty_captions_cost_themselves_but_not_what_our_writer_took_for_words() -> None:
    assert read(tar_of(one(png=b"x", json=b'{"captions": ["a", " "]}'))) == [Sample("a", b"x", "png", ("a",), {})]
    ours = Sample("a", b"x", "png", ("...", "\u200b"), {"caption": "words"})
    assert read(shard_bytes([ours])) == [ours]


def test_captions_of_ten_thousand_words_are_fine() -> None:
    long = " ".join(["word"] * 10_000)
    assert read(tar_of(one(png=b"x", txt=long.encode()))) == [Sample("a", b"x", "png", (long,), {})]
    sample = Sample("a", b"x", "png", (long,) * 5, {})
    assert read(shard_bytes([sample])) == [sample]


BROKEN = {
    "no caption": (one(png=b"x"), "got neither"),
    "captions without words": (one(png=b"x", json=b'{"captions": [" ", ""]}', txt=b". ."), "words in the caption"),
    "empty txt": (one(png=b"x", txt=b""), "empty"),
    "blank txt": (one(png=b"x", txt=b" \n\t"), "empty"),
    "not utf-8": (one(png=b"x", txt=b"caf\xe9"), "UTF-8"),
    "no image": (one(txt=b"words"), "one image, got 0"),
    "empty image": (one(png=b"", txt=b"words"), "0 bytes"),
    "two images": ([*one(png=b"x", jpg=b"y", txt=b"words")], "got 2 (png, jpg)"),
    "image twice": ([("a.png", b"x"), ("a.png", b"y"), ("a.txt", b"words")], "several"),
    "json is no json": (one(png=b"x", json=b"{"), "JSON object"),
    "json is a list": (one(png=b"x", json=b"[]", txt=b"words"), "got a list"),
    "json not utf-8": (one(png=b"x", json=b'{"a": "\xff"}', txt=b"words"), "UTF-8"),
    "json is deep": (one(png=b"x", json=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "too deeply"),
    "json has a huge number": (one(png=b"x", json=b'{"a": ' + b"9" * 5000 + b"}", txt=b"words"), "JSON object"),
    "json is huge": (one(png=b"x", json=b" " * (17 << 20), txt=b"words"), "at most"),
    "a number as caption": (one(png=b"x", json=b'{"captions": ["a", 7]}'), "caption 2 of 2, got a int"),
    "half a character": (one(png=b"x", json=b'{"captions": ["\\ud800"]}'), "surrogate"),
    "a folder in the key": ([("b/a.png", b"x"), ("b/a.txt", b"words")], "slashes"),
    "a backslash": ([("b\\a.png", b"x"), ("b\\a.txt", b"words")], "slashes"),
    "a line break": ([("b\na.png", b"x"), ("b\na.txt", b"words")], "printable"),
    "only text": ([("README", b"x")], "got 0 (README)"),
    "a long key": ([("k" * 95 + ".png", b"x"), ("k" * 95 + ".txt", b"words")], "at most 90 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_sample_is_broken_and_its_neighbours_live(case: str) -> None:
    members, reason = BROKEN[case]
    first, broken, last = read(tar_of([*GOOD, *members, *one("last", png=b"y", txt=b"more")]))
    assert isinstance(broken, Broken)
    assert reason in broken.reason
    assert first == Sample("good", b"image", "png", ("a caption",), {})
    assert last == Sample("last", b"y", "png", ("more",), {})


def test_dotted_keys_are_each_named() -> None:
    members = [("a.1.png", b"x"), ("a.1.txt", b"one"), ("a.2.png", b"x"), ("a.2.txt", b"two")]
    found = read(tar_of([*GOOD, *members]))
    assert [item.key for item in found] == ["good", "a.1", "a.2"]
    assert all(isinstance(item, Broken) and "dots" in item.reason for item in found[1:])


def test_dotted_samples_beside_a_whole_one_are_not_lost() -> None:
    members = [("a.png", b"x"), ("a.txt", b"one"), ("a.b.png", b"x"), ("a.b.txt", b"two")]
    dotted, whole = read(tar_of(members))
    assert isinstance(dotted, Broken)
    assert dotted.key == "a.b"
    assert whole == Sample("a", b"x", "png", ("one",), {})


def test_extra_members_are_left_out() -> None:
    members = [("a.png", b"x"), ("a.mask.png", b"y"), ("a.cls", b"7"), ("a.pickle", b"\x80"), ("a.txt", b"one")]
    assert read(tar_of(members)) == [Sample("a", b"x", "png", ("one",), {})]


def test_a_sample_that_webdataset_would_skip_is_skipped() -> None:
    members = [("a.png", b"x"), ("._a.txt", b"finder"), ("./a.txt", b"one"), (".DS_Store", b"")]
    assert read(tar_of(members)) == [Sample("a", b"x", "png", ("one",), {})]


def test_upper_case_extensions_are_those_of_the_image() -> None:
    assert read(tar_of([("a.JPG", b"x"), ("a.TXT", b"one")])) == [Sample("a", b"x", "jpg", ("one",), {})]


def test_repeated_keys_are_broken_under_names_of_their_own() -> None:
    again = one("good", png=b"other", txt=b"another")
    between = one("b", png=b"x", txt=b"one")
    found = read(tar_of([*GOOD, *between, *again, *between, *again]))
    assert [item.key for item in found] == ["good", "b", "good#2", "b#2", "good#3"]
    assert [isinstance(item, Broken) for item in found] == [False, False, True, True, True]


def test_members_of_a_sample_that_are_apart_do_not_make_a_sample() -> None:
    found = read(tar_of([("a.png", b"x"), ("b.png", b"y"), ("a.txt", b"one"), ("b.txt", b"two")]))
    assert [item.key for item in found] == ["a", "b", "a#2", "b#2"]
    assert all(isinstance(item, Broken) for item in found)


def test_names_that_are_not_unicode_can_still_be_reported() -> None:
    data = tar_of([("caf\udce9.png", b"x"), ("caf\udce9.txt", b"words")], form=tarfile.GNU_FORMAT)
    only_broken(data).key.encode()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    with pytest.raises(SourceError, match="link, device"):
        read(special_tar(GOOD, "a.png", kind, "/etc/passwd"))


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/a.png", ".."])
def test_names_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match="leads outside"):
        read(tar_of([*GOOD, (name, b"x")]))


def test_sparse_files_are_refused() -> None:
    info = tarfile.TarInfo("a.png")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    payload = b"1\n0\n0\n".ljust(512, b"\0")
    info.size = len(payload)
    with pytest.raises(SourceError):
        read(info.tobuf(tarfile.PAX_FORMAT) + payload + bytes(1024))


def test_a_directory_is_not_a_sample() -> None:
    assert len(read(special_tar(GOOD, "folder", tarfile.DIRTYPE))) == 1


def test_what_is_not_a_tar_is_refused() -> None:
    import gzip

    for data in (b"", b"PK\3\4" * 300, bytes(100), gzip.compress(tar_of(GOOD)), b"\xff" * 2000):
        with pytest.raises(SourceError, match="shard 00000"):
            read(data)


def test_a_tar_without_samples_is_empty_and_not_cut_short() -> None:
    assert read(shard_bytes([])) == []
    with pytest.raises(SourceError):
        read(b"")


def test_a_tar_without_its_end_is_cut_short() -> None:
    whole = shard_bytes(GOLDEN_SAMPLES)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        member = tar.getmember("000000001.jpg")
    with pytest.raises(SourceError, match="no end-of-archive"):
        read(whole[: member.offset])
    lone_block = whole.rstrip(b"\0")
    lone_block += bytes(-len(lone_block) % 512 + 512)
    assert read(lone_block) == GOLDEN_SAMPLES


def test_a_damaged_header_in_the_middle_does_not_end_the_tar() -> None:
    whole = bytearray(shard_bytes(GOLDEN_SAMPLES))
    with tarfile.open(fileobj=io.BytesIO(bytes(whole))) as tar:
        place = tar.getmember("000000001.jpg").offset
    whole[place + 3] ^= 1
    with pytest.raises(SourceError, match="damaged"):
        read(bytes(whole))


def test_joined_tars_are_refused() -> None:
    with pytest.raises(SourceError, match="after the end"):
        read(tar_of(GOOD) + tar_of(one(png=b"x", txt=b"words")))


def test_a_chain_of_headers_does_not_exhaust_the_stack() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    with pytest.raises(SourceError):
        read(info.tobuf(tarfile.USTAR_FORMAT) * 5000 + bytes(1024))


def test_trouble_of_the_store_goes_up_as_it_is() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 10_240:
                raise ConnectionResetError("gone")
            return super().read(min(size or 0, 10_240))

    with pytest.raises(ConnectionResetError):
        list(read_shard(Failing(shard_bytes([Sample("a", bytes(100_000), "png", ("x",), {})])), "00000"))


REFUSED = {
    "dot": Sample("a.b", b"x", "png", ("a",), {}),
    "slash": Sample("a/b", b"x", "png", ("a",), {}),
    "parent": Sample("..", b"x", "png", ("a",), {}),
    "no key": Sample("", b"x", "png", ("a",), {}),
    "long key": Sample("k" * 91, b"x", "png", ("a",), {}),
    "extension": Sample("a", b"x", "exe", ("a",), {}),
    "image": Sample("a", b"", "png", ("a",), {}),
    "no captions": Sample("a", b"x", "png", (), {}),
    "blank caption": Sample("a", b"x", "png", ("a", " "), {}),
    "zero byte": Sample("a", b"x", "png", ("a\0b",), {}),
    "surrogate": Sample("a", b"x", "png", ("\ud800",), {}),
    "captions in metadata": Sample("a", b"x", "png", ("a",), {"captions": ["b"]}),
    "nan": Sample("a", b"x", "png", ("a",), {"n": float("nan")}),
    "object": Sample("a", b"x", "png", ("a",), {"n": object()}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_writer_refuses_what_could_not_be_read_back(case: str) -> None:
    stream = io.BytesIO()
    with ShardWriter(stream) as writer:
        with pytest.raises(SampleError):
            writer.write(REFUSED[case])
        assert stream.getvalue() == b""  # and the shard goes on
        writer.write(GOLDEN_SAMPLES[0])
        with pytest.raises(SampleError, match="each key once"):
            writer.write(GOLDEN_SAMPLES[0])
    assert read(stream.getvalue()) == GOLDEN_SAMPLES[:1]


def test_blank_captions_are_caption_errors() -> None:
    with pytest.raises(CaptionError):
        shard_bytes([REFUSED["blank caption"]])


def test_a_writer_left_by_an_error_leaves_no_end() -> None:
    stream = io.BytesIO()
    with pytest.raises(RuntimeError), ShardWriter(stream) as writer:
        for number in range(30):
            writer.write(replace(GOLDEN_SAMPLES[1], key=str(number)))
        raise RuntimeError
    written = stream.getvalue()
    assert written
    with pytest.raises(SourceError, match="expected a whole tar, but"):
        read(written)


def test_memory_does_not_grow_with_the_shard() -> None:
    script = """
import io, resource, sys
from mem_core.data.shard import Sample, ShardWriter, read_shard
class Endless:  # makes the tar while it is read
    def __init__(self, count):
        self.buffer, self.made, self.count = io.BytesIO(), 0, count
        self.writer, self.left = ShardWriter(self), b""
    def write(self, data): self.left += data; return len(data)
    def read(self, size=-1):
        while len(self.left) < size and self.made <= self.count:
            if self.made == self.count: self.writer.close()
            else: self.writer.write(Sample(str(self.made), bytes(200_000), "png", ("a",), {}))
            self.made += 1
        data, self.left = self.left[:size], self.left[size:]
        return data
stream = Endless(1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(1 for _ in read_shard(stream, "x")) == 1000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(grown.stdout) < 50  # MiB, for a tar of 200


if __name__ == "__main__":
    GOLDEN.write_bytes(shard_bytes(GOLDEN_SAMPLES))
