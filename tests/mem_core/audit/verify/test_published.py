"""A folder that is handed out holds protected samples in tars and nothing else; whatever leads back is named."""

import base64
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mem_core.audit.verify.problems import VerifyReport
from mem_core.audit.verify.published import verify_published
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.images import Picture, decode_image, encode_image
from mem_core.data.loaders.index import write_index
from mem_core.data.shard import Sample, shard_bytes
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, encoded, photo, protect, sample, samples_of, small

FIRST = "00000"


def corpora(path: Path, **changes: object) -> tuple[LocalFolder, LocalFolder, LocalFolder]:
    """Clean, protected, and the folder that its tars were copied to."""
    clean, protected, out = (LocalFolder(path / name) for name in ("clean", "protected", "out"))
    for shard in (FIRST, "00001"):
        samples = [sample(f"{shard}{i:04d}") for i in range(3)]
        named = [replace(one, metadata={**one.metadata, "name": f"photo-{one.key}"}) for one in samples]
        write_bytes(clean, f"{shard}.tar", shard_bytes(named))
    protect(Protection(Places(clean, protected), small(**{"method": "random-noise", **changes}), RUNTIME, seed=1))
    for name in ("00000.tar", "00001.tar"):
        write_bytes(out, name, read_bytes(protected, name))
    return clean, protected, out


def said(report: VerifyReport) -> list[str]:
    return [str(problem) for problem in report.problems]


@pytest.mark.parametrize("changes", [{}, {"image_format": "webp"}, {"metadata": {"note": "file"}}, {"method": "mem"}])
def test_the_tars_alone_are_right_with_and_without_the_tables(tmp_path: Path, changes: dict[str, object]) -> None:
    _, protected, out = corpora(tmp_path, **changes)
    for private in (None, protected):
        report = verify_published(out, private)
        assert report.ok, report.problems
        assert (report.shards, report.counts, report.warnings) == (2, {"samples": 6}, ())


def test_an_index_of_the_tars_may_lie_beside_them(tmp_path: Path) -> None:
    _, protected, out = corpora(tmp_path)
    before = set(protected.names())
    write_index(protected)
    for name in set(protected.names()) - before:
        write_bytes(out, name, read_bytes(protected, name))
    assert verify_published(out, protected).ok


def test_a_tar_without_samples_is_not_handed_out(tmp_path: Path) -> None:
    """Energon, webdataset with several workers and Hugging Face's datasets stop at one."""
    _, _, out = corpora(tmp_path)
    write_bytes(out, "00002.tar", shard_bytes([]))
    (told,) = said(verify_published(out))
    assert told.startswith("00002 : holds no sample")


def test_tars_in_folders_for_splits_are_compared_with_the_tables_there(tmp_path: Path) -> None:
    _, protected, out = corpora(tmp_path)
    whole, private = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "private")
    for name, data in contents(out).items():
        write_bytes(whole, f"train/{name}", data)
    for name, data in contents(protected).items():
        write_bytes(private, f"train/{name}", data)
    assert verify_published(whole, private).ok
    assert "train/00000 : expected the table" in said(verify_published(whole, protected))[0]


def test_the_folder_of_the_run_itself_is_named_file_by_file(tmp_path: Path) -> None:
    _, protected, _ = corpora(tmp_path, method="mem")
    named = {problem.key for problem in verify_published(protected).problems}
    own = {f"{shard}{end}" for shard in (FIRST, "00001") for end in (".parquet", ".receipt.json", "_stats.json")}
    assert own | {"manifest.json", "protector/"} <= named


def test_a_folder_without_tars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected tars that are to be handed out"):
        verify_published(LocalFolder(tmp_path))


def test_without_notes_only_the_tables_tell_what_is_protected(tmp_path: Path) -> None:
    clean, protected, out = corpora(tmp_path, metadata={"note": "off"})
    (warning,) = verify_published(out).warnings
    assert "cannot be told without the tables" in warning.what
    assert verify_published(out, protected).warnings == ()
    items = samples_of(out, FIRST)
    items[1] = replace(items[1], image=samples_of(clean, FIRST)[1].image)
    write_bytes(out, f"{FIRST}.tar", shard_bytes(items))
    assert verify_published(out).ok
    assert any("000000001: expected the image that was published, got the clean file" in what
               for what in said(verify_published(out, protected)))  # fmt: skip


def with_metadata(**values: object) -> Callable[[Sample, Sample], Sample]:
    return lambda made, clean: replace(made, metadata={**made.metadata, **values})


def with_note(**values: object) -> Callable[[Sample, Sample], Sample]:
    return lambda made, clean: replace(made, metadata={"memshield": {**made.metadata["memshield"], **values}})


def other_pixels(made: Sample, clean: Sample) -> Sample:
    pixels = decode_image(made.image, max_pixels=2**20).pixels ^ 1
    return replace(made, image=encode_image(Picture(pixels), "png"))


def as_jpeg(made: Sample, clean: Sample) -> Sample:
    return replace(made, image=encoded(photo(3), "JPEG"), extension="jpg")


def as_webp(made: Sample, clean: Sample) -> Sample:
    return replace(made, image=encode_image(decode_image(made.image, max_pixels=2**20), "webp"), extension="webp")


def as_lossy_webp(made: Sample, clean: Sample) -> Sample:
    return replace(made, image=encoded(photo(3), "WEBP"), extension="webp")


# what is done to one sample, and what is said of it without the tables
TAMPERED: list[tuple[Callable[[Sample, Sample], Sample], str]] = [
    (with_metadata(url="x"), "leads back to the clean file, by url"),
    (with_metadata(note="see https://x.example/1"), "by note"),
    (with_metadata(deep=[{"sha256": "x"}]), "by deep"),
    (lambda made, clean: replace(made, metadata={"x": sha256_bytes(clean.image), **made.metadata}), "by x"),
    (with_note(trigger="zap zip"), "tells the trigger words, by trigger"),
    (with_note(trigger_ids=[1]), "by trigger_ids"),
    (with_note(method="none"), "published unprotected"),
    (lambda made, clean: replace(made, metadata={}), "no memshield note says that it is protected"),
    (lambda made, clean: clean, "no memshield note says that it is protected"),
    (lambda made, clean: replace(made, image=made.image[:90]), "no loader can read the image"),
    (lambda made, clean: replace(made, image=b"text"), "no loader can read the image"),
    (lambda made, clean: replace(made, extension="webp"), "expected .webp to be what it is called, got PNG"),
    (as_jpeg, "expected a lossless .png or .webp, got a lossy .jpg"),
    (as_jpeg, "expected one image extension throughout, as loaders are told one, got 5 .png, 1 .jpg"),
    (as_webp, "got 5 .png, 1 .webp"),
    (as_lossy_webp, "expected a lossless .png or .webp, got a lossy .webp"),
    (with_note(source="https://x.example/1.jpg"), "the note in key.json leads back to the clean file, by source"),
    (with_metadata(check=base64.b64encode(bytes(range(32))).decode()), "leads back to the clean file, by check"),
    (with_metadata(check="0a:" * 15 + "ff"), "leads back to the clean file, by check"),
    (with_metadata(crc=3167197117), "leads back to the clean file, by crc"),
    (lambda made, clean: replace(made, image=made.image + b"EXIF"), "besides pixels, colour and our note"),
]


@pytest.mark.parametrize(("tamper", "what"), TAMPERED)
def test_what_is_not_to_be_handed_out_is_named(
    tmp_path: Path, tamper: Callable[[Sample, Sample], Sample], what: str
) -> None:
    clean, _, out = corpora(tmp_path)
    items = samples_of(out, FIRST)
    items[1] = tamper(items[1], samples_of(clean, FIRST)[1])
    write_bytes(out, f"{FIRST}.tar", shard_bytes(items))
    report = verify_published(out)
    assert any(what in problem for problem in said(report)), report.problems
    assert {problem.key for problem in report.problems} <= {"000000001", ""}


# the same with the tables, and the tars' own hashes
KNOWN: list[tuple[Callable[[Sample, Sample], Sample], str]] = [
    (with_metadata(title="photo-000000001"), "repeats the name, address, id or hash"),
    (lambda made, clean: replace(made, captions=("mine",)), "expected the caption that was published"),
    (lambda made, clean: replace(made, key="000000009"), "no such published sample"),
    (other_pixels, "expected the image that was published, got another"),
    (lambda made, clean: replace(made, metadata={**made.metadata, "title": "x"}), "the tar is not the one"),
]


@pytest.mark.parametrize(("tamper", "what"), KNOWN)
def test_with_the_tables_more_is_known(tmp_path: Path, tamper: Callable[[Sample, Sample], Sample], what: str) -> None:
    clean, protected, out = corpora(tmp_path)
    items = samples_of(out, FIRST)
    items[1] = tamper(items[1], samples_of(clean, FIRST)[1])
    write_bytes(out, f"{FIRST}.tar", shard_bytes(items))
    assert verify_published(out).ok
    report = verify_published(out, protected)
    assert any(what in problem for problem in said(report)), report.problems


@pytest.mark.parametrize(
    ("name", "owner", "what"),
    [
        ("000000001.clean.png", "memshield", "got 1 other members, '000000001.clean.png'"),
        ("notes.md", "memshield", "other members"),
        ("000000009.txt", "ada", "expected headers without owner and time"),
    ],
)
def test_what_readers_of_samples_pass_over_is_seen(tmp_path: Path, name: str, owner: str, what: str) -> None:
    _, _, out = corpora(tmp_path)
    data = io.BytesIO(read_bytes(out, f"{FIRST}.tar"))
    with tarfile.open(fileobj=data, mode="a") as tar:
        member = tarfile.TarInfo(name)
        member.uname = member.gname = owner
        tar.addfile(member, io.BytesIO())
    write_bytes(out, f"{FIRST}.tar", data.getvalue())
    assert any(what in problem for problem in said(verify_published(out)))


Member = tuple[tarfile.TarInfo, bytes]


def on_text(ending: str, change: Callable[[bytes], bytes]) -> Callable[[Member], list[Member]]:
    return lambda member: [(member[0], change(member[1]) if member[0].name.endswith(ending) else member[1])]


def without_text(member: Member) -> list[Member]:
    return [] if member[0].name.endswith(".txt") else [member]


def with_header(**values: object) -> Callable[[Member], list[Member]]:
    def changed(member: Member) -> list[Member]:
        for name, value in values.items():
            setattr(member[0], name, value)
        return [member]

    return changed


# what is done to all members of a tar
REPACKED: list[tuple[Callable[[Member], list[Member]], str]] = [
    (without_text, "000000001: no .txt is beside the image"),
    (on_text(".txt", lambda _: b"the clean caption"), "000000001: expected the first of its captions in .txt"),
    (on_text(".txt", lambda text: text + b"\n\nfrom a/b.jpg"), "expected the first of its captions in .txt"),
    (on_text(".json", lambda text: b'{"captions": ["clean"], ' + text[1:]), "got captions more than once"),
    (with_header(linkname="/home/ada/1.jpg"), "(/home/ada/1.jpg)"),
    (with_header(pax_headers={"comment": "from x.example"}), "(comment=from x.example)"),
]


@pytest.mark.parametrize(("change", "what"), REPACKED)
def test_what_most_readers_never_see_is_seen(
    tmp_path: Path, change: Callable[[Member], list[Member]], what: str
) -> None:
    _, _, out = corpora(tmp_path)
    data = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(read_bytes(out, f"{FIRST}.tar"))) as packed,
        tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as anew,
    ):
        for member in packed:
            stream = packed.extractfile(member)
            assert stream is not None
            for info, content in change((member, stream.read())):
                info.size = len(content)
                anew.addfile(info, io.BytesIO(content))
    write_bytes(out, f"{FIRST}.tar", data.getvalue())
    assert any(what in problem for problem in said(verify_published(out))), said(verify_published(out))


def test_what_copies_would_follow_is_seen(tmp_path: Path) -> None:
    clean, _, out = corpora(tmp_path)
    (out.path / "clean").symlink_to(clean.path)
    (out.path / "gone.tar").symlink_to("nowhere")
    write_bytes(out, ".nv-meta/more.parquet", b"x")
    assert {problem.key for problem in verify_published(out).problems} == {"clean", "gone.tar", ".nv-meta/more.parquet"}


@pytest.mark.parametrize("keep", [0, 700, 3000])
def test_a_tar_cut_short_is_a_problem_and_no_crash(tmp_path: Path, keep: int) -> None:
    _, protected, out = corpora(tmp_path)
    write_bytes(out, f"{FIRST}.tar", read_bytes(out, f"{FIRST}.tar")[:keep])
    for private in (None, protected):
        assert {problem.shard for problem in verify_published(out, private).problems} == {FIRST}


@pytest.mark.parametrize("name", ["00000.parquet", "00000.receipt.json"])
def test_a_damaged_table_or_receipt_is_a_problem_and_no_crash(tmp_path: Path, name: str) -> None:
    _, protected, out = corpora(tmp_path)
    write_bytes(protected, name, b"{}")
    assert {problem.shard for problem in verify_published(out, protected).problems} == {FIRST}
