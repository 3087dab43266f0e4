"""Tars as they come: whatever the names, the order and what else stands in them, each caption names its picture."""

import gzip
import json
import tarfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.readers import LeftOut, RawSample, open_source
from mem_core.data.sharding.sharder import shard_source
from tests.support.data_strategies import tar_of
from tests.support.source_making import picture, special_tar, write_tar

Members = list[tuple[str, bytes]]
_LONG, _DEEP = "n" * 200, "/".join(["d" * 60, "e" * 60, "m" * 60])


def read(folder: Path, data: bytes, name: str = "00000.tar", **config: Any) -> tuple[list[RawSample], list[LeftOut]]:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    reader = open_source(folder / name, config=CorpusConfig(**config))
    return list(reader), list(reader.left_out)


def image(name: str) -> bytes:
    return picture(name)


def pair(stem: str, ending: str = "jpg", text: str = "txt") -> Members:
    """A picture and the caption that names it."""
    return [(f"{stem}.{ending}", image(stem)), (f"{stem}.{text}", f"picture {stem}".encode("utf-8", "surrogateescape"))]


def codes(samples: Sequence[RawSample]) -> dict[str, int]:
    return dict(Counter(sample.code if sample.problem else "" for sample in samples))


SAMPLES: dict[str, Members] = {
    "dots": [*pair("Track 2.0 (x)"), *pair("22.05"), *pair("22.06"), *pair("22.05.1")],
    "a dot in a folder": [*pair("train.v1/0001"), *pair("22.0/1.1", "png"), *pair("22.0/1.2")],
    "long": [*pair(_LONG), *pair(_DEEP), *pair("x" * 300 + ".y")],
    "tabs and blanks": [*pair("a\tb"), *pair(" c"), *pair("d\ne")],
    "other alphabets": [*pair("猫"), *pair("é"), *pair("नमस्ते.1"), *pair("😀")],
    "upper case": [("A.JPG", image("A")), ("A.TXT", b"picture A"), *pair("a")],
    "from here": [*pair("./a"), *pair("./b/c"), *pair(".//d")],
    "from the top": [*pair("/data/a"), *pair("/data/b")],
    "apart": [*(pair(f"{n}")[0] for n in range(5)), *(pair(f"{n}")[1] for n in reversed(range(5)))],
    "texts first": [*(pair(f"{n}")[1] for n in range(3)), *(pair(f"{n}")[0] for n in range(3))],
    "a caption file": [*pair("a", text="caption"), *pair("b")],
    "whole names": [
        ("a.JPG", image("a.JPG")),
        ("a.JPG.txt", b"picture a"),
        ("b.x.jpg", image("b.x")),
        ("b.x.jpg.txt", b"picture b.x"),
    ],
    "folders": [*pair("one/1"), *pair("two/1"), *pair("1")],
}


@pytest.mark.parametrize("case", SAMPLES)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_order_do_not_matter(tmp_path: Path, case: str, form: int) -> None:
    members = SAMPLES[case]
    samples, left_out = read(tmp_path, tar_of(members, form=form))
    assert (codes(samples), left_out) == ({"": len(members) // 2}, [])
    pictures = {data: f"picture {name.rpartition('.')[0]}" for name, data in members if data.startswith(b"\x89")}
    for sample in samples:
        assert sample.captions == (pictures[sample.image()],)
        assert sample.name.startswith("00000/")
    assert len({sample.name for sample in samples}) == len(samples)


def test_names_that_are_no_utf8_are_kept_as_well_as_can_be(tmp_path: Path) -> None:
    data = tar_of([("caf\udce9.jpg", image("x")), ("caf\udce9.txt", b"words")], form=tarfile.GNU_FORMAT)
    ((sample,), left_out) = read(tmp_path, data)
    assert (sample.name, sample.captions, sample.image(), left_out) == ("00000/caf\\xe9", ("words",), image("x"), [])


def test_unicode_forms_of_one_name_are_joined_unless_both_are_samples(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    mixed = [(f"{apart}.jpg", image("a")), (f"{composed}.txt", b"words")]
    ((sample,), _) = read(tmp_path, tar_of(mixed, form=tarfile.GNU_FORMAT))
    assert (sample.captions, sample.image(), sample.problem) == (("words",), image("a"), "")
    both = [*pair(composed), *pair(apart)]
    samples, _ = read(tmp_path, tar_of(both[::2] + both[1::2], form=tarfile.GNU_FORMAT))
    assert [(one.captions, one.image()) for one in samples] == [
        ((f"picture {name}",), image(name)) for name in (composed, apart)
    ]


A, B = image("a"), image("b")
ODD: dict[str, tuple[Members, dict[str, int], dict[str, int]]] = {
    "a mask": ([("a.jpg", A), ("a.mask.png", B), ("a.txt", b"a")], {"": 1}, {"ambiguous-image": 1}),
    "several images": ([("0.1.jpg", A), ("0.2.jpg", B), ("0.json", b'{"captions": ["a"]}')],
                       {"ambiguous-image": 1}, {"ambiguous-image": 1}),
    "one of another name": ([("0.1.jpg", A), ("0.txt", b"a")], {"ambiguous-image": 1}, {}),
    "one called image": ([("a.image.jpg", A), ("a.depth.png", B), ("a.txt", b"a")], {"": 1}, {"ambiguous-image": 1}),
    "two called image": ([("a.image0.jpg", A), ("a.image1.jpg", B), ("a.txt", b"a")],
                         {"ambiguous-image": 1}, {"ambiguous-image": 1}),
    "two endings": ([("a.jpg", A), ("a.png", B), ("a.txt", b"a")], {"ambiguous-image": 1}, {"ambiguous-image": 1}),
    "a camera's raw file": ([("a.dng", B), ("a.jpg", A), ("a.txt", b"a")], {"": 1}, {"ambiguous-image": 1}),
    "other members": ([("a.jpg", A), ("a.cls", b"7"), ("a.npy", b"x"), ("a.meta.json", b"{}"), ("a.txt", b"a")],
                      {"": 1}, {}),
    "only pictures": ([("a.jpg", A), ("b.jpg", B)], {"no-caption": 2}, {}),
    "only a text": ([("a.txt", b"a")], {"no-image": 1}, {}),
    "a text of a longer name": ([("1.jpg", A), ("1.txt", b"a"), ("1.5.txt", b"b")], {"": 1}, {"no-image": 1}),
    "a picture of a longer name": ([("1.txt", b"a"), ("1.5.jpg", B), ("1.5.txt", b"b")], {"no-image": 1, "": 1}, {}),
    "a sample twice": ([("a.jpg", A), ("a.txt", b"a"), ("a.jpg", B), ("a.txt", b"b")], {"": 1, "duplicate": 1}, {}),
    "a picture twice": ([("a.jpg", A), ("a.jpg", B), ("a.txt", b"a")], {"duplicate": 1}, {"duplicate": 1}),
    "a text twice": ([("a.jpg", A), ("a.txt", b"a"), ("a.txt", b"b")], {"": 1}, {"duplicate": 1}),
    "texts twice and pictures of longer names": ([("a.txt", b"a"), ("a.txt", b"a"), ("a.1.jpg", A), ("a.2.jpg", B)],
                                                 {"duplicate": 1}, {"duplicate": 1}),
    "two with whole names": ([("a.jpg", A), ("a.png", A), ("a.jpg.txt", b"a"), ("a.png.json", b'{"caption": "a"}')],
                             {"": 2}, {}),
    "one of two with its whole name": ([("a.jpg", A), ("a.png", B), ("a.jpg.txt", b"a")], {"": 1, "no-caption": 1}, {}),
    "the whole name of none": ([("a.jpg", A), ("a.png.txt", b"a")], {"no-caption": 1, "no-image": 1}, {}),
    "macOS": ([("._a.jpg", B), ("a.jpg", A), ("a.txt", b"a"), (".DS_Store", b"x"), ("__MACOSX/._a.txt", b"x")],
              {"": 1}, {"side-file": 1}),
    "empty": ([("a.jpg", b""), ("a.txt", b"a")], {"": 1}, {}),
    "nothing": ([], {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_pictures_are_samples_or_failed_or_left_out(tmp_path: Path, case: str) -> None:
    members, expected, left = ODD[case]
    samples, left_out = read(tmp_path, tar_of(members))
    assert codes(samples) == expected
    assert Counter(str(one.code) for one in left_out) == left
    for sample in samples:
        if not sample.problem:
            assert sample.captions == ("a",) if sample.name.endswith(("/a", "/0", "/1", "/a.jpg", "/a.png")) else ("b",)


def special(kind: bytes, link: str = "") -> bytes:
    return special_tar(pair("good"), "a.jpg", kind, link, after=[("a.txt", b"words")])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_costs_itself(tmp_path: Path, kind: bytes) -> None:
    (good, link), _ = read(tmp_path, special(kind, "/etc/passwd"))
    assert (good.problem, link.captions) == ("", ("words",))
    with pytest.raises(Exception, match="is a link, a device") as caught:
        link.image()
    assert vars(caught.value)["code"] == "unreadable"
    samples, _ = read(tmp_path, special(tarfile.DIRTYPE))
    assert codes(samples) == {"": 1, "no-image": 1}


def test_gzipped_tars_are_read(tmp_path: Path) -> None:
    data = gzip.compress(tar_of(pair("a")))
    for name in ("00000.tar.gz", "00000.tgz", "00000.tar"):
        ((sample,), _) = read(tmp_path / name, data, name)
        assert (sample.name, sample.captions) == ("00000/a", ("picture a",))
        assert [one.captions for one in open_source(tmp_path / name)] == [("picture a",)]
    with pytest.raises(SourceError, match=r"whole gzip file, but .*cut\.tgz"):
        read(tmp_path, data[:-20], "cut.tgz")


WHOLE = tar_of([*pair("a"), *pair("b")])
UNREADABLE = {
    "cut inside a member": (WHOLE[:600], "00000.tar it ends inside 'a.jpg', at byte 600: copy it anew"),
    "cut between members": (WHOLE[:1024], "00000.tar at byte 1024 .*no end-of-archive block"),
    "damaged": (WHOLE[:1030] + b"?" + WHOLE[1031:], "00000.tar at byte 1024 the tar is cut short or damaged"),
    "joined": (WHOLE + WHOLE, "joined tars must be unpacked"),
    "of 0 bytes": (b"", "expected an uncompressed tar as .*00000.tar: .*cut short"),
    "a zip": (b"PK\3\4" * 300, "a file of zip: unpack it first"),
    "zstd": (b"\x28\xb5\x2f\xfd" * 300, "a file of zstd: unpack it first"),
    "a page": (b"<html>" * 300, "expected an uncompressed tar as"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_on_is_one_sentence(tmp_path: Path, case: str) -> None:
    data, sentence = UNREADABLE[case]
    with pytest.raises(SourceError, match=sentence):
        read(tmp_path, data)


def test_names_captions_and_metadata_come_through(tmp_path: Path) -> None:
    data = image("a")
    (tmp_path / "train").mkdir()
    members = {"000000000.jpg": data, "000000000.txt": b"words", "000000000.json": b'{"url": "x", "width": 3}'}
    members |= {"000000001.jpg": data, "000000001.json": b'{"captions": ["one", "two"], "name": "b.jpg"}'}
    members |= {"000000002.jpg": data, "000000002.json": b'{"memshield": {"version": "1"}, "caption": "x"}'}
    write_tar(tmp_path / "train" / "00000.tar", members)
    first, second, third = open_source(tmp_path)
    assert (first.name, first.captions, first.split) == ("train/00000/000000000", ("words",), "train")
    assert (first.metadata, first.image()) == ({"url": "x"}, data)
    assert (second.name, second.captions) == ("b.jpg", ("one", "two"))
    assert third.metadata == {"memshield": {"version": "1"}}


def test_the_settings_for_captions_count(tmp_path: Path) -> None:
    about = json.dumps({"Titel": "ein Hund", "captions": ["a dog"]}).encode()
    data = tar_of([("a.jpg", A), ("a.json", about), ("b.jpg", B), ("b.txt", "Hündchen".encode("latin-1"))])
    (first, second), _ = read(tmp_path, data, caption_key="titel", encoding="latin-1")
    assert (first.captions, first.metadata, second.captions) == (("ein Hund",), {}, ("Hündchen",))
    (_, second), _ = read(tmp_path, data)
    assert second.code == "bad-encoding"


@st.composite
def tars(draw: st.DrawFn) -> Members:
    """Samples with a picture, a caption, both or several, in any order, under names with dots."""
    names = st.text("ab.1/é", min_size=1, max_size=5).filter(lambda name: name.strip("./") == name and "//" not in name)
    members = []
    endings = st.sampled_from(["jpg", "png", "mask.png", "txt", "jpg.txt", "json", "cls"])
    for name in draw(st.lists(names, max_size=6)):
        says = f"picture {name}".encode()
        texts = {"txt": says, "jpg.txt": says, "json": json.dumps({"caption": says.decode()}).encode(), "cls": b"1"}
        for ending in draw(st.lists(endings, max_size=4)):
            picture_of = f"{name}.{ending}"
            content = texts.get(ending, image(picture_of))
            members.append((picture_of, content))
    return draw(st.permutations(members))


@given(tars())
def test_no_picture_is_lost_and_no_caption_another_pictures(
    tmp_path_factory: pytest.TempPathFactory, members: Members
) -> None:
    samples, left_out = read(tmp_path_factory.mktemp("tar"), tar_of(members, form=tarfile.GNU_FORMAT))
    stems = {data: name.rpartition(".")[0] for name, data in members if name.endswith(("jpg", "png"))}
    for sample in samples:
        if not sample.problem:
            assert sample.captions == (f"picture {stems[sample.image()]}",)
    seen = sum(name.endswith(("jpg", "png")) for name, _ in members)
    of_pictures = [sample for sample in samples if sample.code != "no-image"]
    assert seen == len(of_pictures) + sum(one.what == "picture" for one in left_out)


GAPS: dict[str, tuple[list[str], list[str]]] = {
    "none": (["00000.tar", "00001.tar"], []),
    "one": (["00000.tar", "00002.tar"], ["00001.tar"]),
    "only its table": (["00000.tar", "00001.parquet", "00001_stats.json", "00002.tar"], ["00001.tar"]),
    "the last, by its table": (["00000.tar", "00001.parquet"], ["00001.tar"]),
    "in folders": (["train/00000.tar", "train/00002.tar", "val/00000.tar"], ["train/00001.tar"]),
    "of a number": (["train-00000-of-00003.tar", "train-00001-of-00003.tar"], ["train-00002-of-00003.tar"]),
    "other tables": (["00000.tar", "notes.parquet"], []),
    "a choice of many": (["00000.tar", "00500.tar"], []),
    "no numbers": (["cats.tar", "dogs.tar"], []),
}


@pytest.mark.parametrize("case", GAPS)
def test_a_shard_that_is_missing_is_said(tmp_path: Path, case: str) -> None:
    names, missing = GAPS[case]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(tar_of(pair(name)) if name.endswith(".tar") else b"")
    reader = open_source(tmp_path, format="webdataset")
    assert len(list(reader)) == sum(name.endswith(".tar") for name in names)
    assert [one.name for one in reader.left_out] == missing
    assert {(one.what, one.code) for one in reader.left_out} <= {("shard", "no-image")}


def test_a_tar_with_fewer_pictures_than_its_statistics_count_is_said(tmp_path: Path) -> None:
    for count in (2, 3):
        (tmp_path / "00000_stats.json").write_text(json.dumps({"count": 4, "successes": count}))
        _, left_out = read(tmp_path, tar_of([*pair("a"), *pair("b")]))
        assert [one.reason for one in left_out] == (
            ["expected 3 pictures in it, as 00000_stats.json counts, got 2"] if count == 3 else []
        )


def test_a_tar_that_is_read_alone_misses_none_of_its_neighbours(tmp_path: Path) -> None:
    for name in ("00000", "00001"):
        (tmp_path / f"{name}.tar").write_bytes(tar_of(pair(name)))
        (tmp_path / f"{name}.parquet").write_bytes(b"")
    reader = open_source(tmp_path / "00001.tar")
    assert (len(list(reader)), reader.left_out) == (1, [])


def test_what_is_left_out_is_told_after_sharding(tmp_path: Path) -> None:
    """Sharding looks for splits in a source before it reads it."""
    (tmp_path / "train").mkdir()
    write_tar(tmp_path / "train" / "00000.tar", {"a.jpg": A, "a.txt": b"a", "a.mask.png": B, "._a.jpg": b"x"})
    reader = open_source(tmp_path)
    shard_source(reader, LocalFolder(tmp_path.parent / f"{tmp_path.name}-out"), CorpusConfig())
    assert sorted(one.name for one in reader.left_out) == ["train/00000/._a.jpg", "train/00000/a.mask.png"]


@given(st.binary(max_size=2000) | st.just(WHOLE), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8))
def test_damaged_tars_give_samples_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        if damaged:
            damaged[place % len(damaged)] = value
    try:
        samples, left_out = read(tmp_path_factory.mktemp("tar"), bytes(damaged))
    except SourceError as error:
        assert "\n" not in str(error)
        return
    for text in (*(f"{one.name} {one.problem}" for one in samples), *(f"{one.name} {one.reason}" for one in left_out)):
        text.encode()
