"""A folder in, a folder out: every picture is there or named, and nothing that was there is written over."""

import json
from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig, ProtectConfig
from mem_core.data.images import decode_image
from mem_core.data.readers import open_source
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.sharding.sharder import shard_source
from mem_core.protect.export.export import export_corpus
from mem_core.protect.export.mark import MARK
from mem_core.protect.export.summary import never_protected, other_splits
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, photo, protect, samples_of


def protect_all(clean: LocalFolder, dest: LocalFolder, config: ProtectConfig, seed: int = 0) -> None:
    protect(Protection(Places(clean, dest), config, RUNTIME, seed=seed))


_ACCEPT = CorpusConfig(protected="accept")
_RANDOM = ProtectConfig.model_validate({"method": "random-noise"})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures in folders, two of one stem, one with several captions, and what cannot be taken."""
    root = tmp_path / "photos"
    for number, (name, caption) in enumerate(
        [("holiday/a.jpg", "a boat"), ("holiday/a.webp", "a hill"), ("b.jpg", "a dog"), ("Über/ü.png", "ein Haus")]
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(photo(number, 40, 32), {".jpg": "JPEG", ".webp": "WEBP"}.get(path.suffix, "PNG")))
        path.with_name(f"{path.name}.txt").write_text(caption)
    (root / "b.jpg.txt").unlink()
    (root / "b.json").write_text(json.dumps({"captions": ["a dog", "", "two dogs"], "license": "CC-BY"}))
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "broken.txt").write_text("a caption")
    (root / "._hidden.jpg").write_bytes(b"side")
    return root


@pytest.fixture
def corpus(photos: Path, tmp_path: Path) -> tuple[LocalFolder, LocalFolder]:
    """Clean and protected, in shards of two."""
    clean, protected = LocalFolder(tmp_path / "corpus"), LocalFolder(tmp_path / "protected")
    shard_source(open_source(photos), clean, CorpusConfig(samples_per_shard=2))
    protect_all(clean.below("train"), protected, _RANDOM)
    return clean.below("train"), protected


def test_what_was_exported_is_not_taken_for_clean(corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path) -> None:
    """Pictures and captions of an export carry no sign of ours: only the folder has one."""
    export_corpus(corpus[1], LocalFolder(tmp_path / "out"))
    with pytest.raises(SourceError, match="memshield exported protected ones to it .* corpus.protected=accept"):
        open_source(tmp_path / "out")
    assert open_source(tmp_path / "out", config=_ACCEPT).format


def test_pictures_come_back_under_their_names_with_all_captions(
    corpus: tuple[LocalFolder, LocalFolder], photos: Path, tmp_path: Path
) -> None:
    clean, protected = corpus
    out = LocalFolder(tmp_path / "out")
    found = export_corpus(protected, out)
    assert (found.pictures, found.before, found.captions, found.missing) == (4, 0, 5, ())
    assert set(out.names()) == {
        *("b.json", "b.png", "b.txt", "holiday/a.png", "holiday/a.txt", "holiday/a.webp.png", "holiday/a.webp.txt"),
        *("Über/ü.png", "Über/ü.txt", MARK),
    }
    assert (tmp_path / "out/holiday/a.webp.txt").read_text() == "a hill\n"
    beside = json.loads((tmp_path / "out/b.json").read_text())
    assert (beside["captions"], beside["license"]) == (["a dog", "two dogs"], "CC-BY")
    for name, source in (("b.png", "b.jpg"), ("holiday/a.webp.png", "holiday/a.webp")):
        before, after = (
            decode_image(path.read_bytes(), max_pixels=10_000) for path in (photos / source, tmp_path / "out" / name)
        )
        difference = abs(before.pixels.astype(int) - after.pixels.astype(int))
        assert 0 < difference.max() <= 8
    told = {one.name: one.code for one in never_protected(protected, clean, LocalFolder(tmp_path / "corpus"))}
    assert told == {"broken.jpg": "not-an-image", "._hidden.jpg": "side-file"}
    assert other_splits(clean, LocalFolder(tmp_path / "corpus")) == ()


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_a_table_of_captions_is_read_back_by_shard(
    corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path, form: str
) -> None:
    export_corpus(corpus[1], LocalFolder(tmp_path / "out"), form)  # type: ignore[arg-type]
    read = {sample.name: sample.captions for sample in open_source(tmp_path / "out", config=_ACCEPT)}
    assert read == {
        "b.png": ("a dog", "two dogs"),
        "holiday/a.png": ("a boat",),
        "holiday/a.webp.png": ("a hill",),
        "Über/ü.png": ("ein Haus",),
    }


def test_a_second_run_does_what_is_missing_and_writes_over_nothing(
    corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_corpus(corpus[1], LocalFolder(out))
    (out / "b.png").unlink()
    (out / "holiday/a.txt").write_text("my own words")
    found = export_corpus(corpus[1], LocalFolder(out))
    assert (found.pictures, found.before, found.refused) == (3, 2, 1)
    assert (out / "holiday/a.txt").read_text() == "my own words"
    assert [(one.name, "stays as it is" in one.reason) for one in found.missing] == [("holiday/a.jpg", True)]
    table = export_corpus(corpus[1], LocalFolder(tmp_path / "table"), "csv")
    assert export_corpus(corpus[1], LocalFolder(tmp_path / "table"), "csv").before == table.pictures == 4
    (tmp_path / "table/captions.csv").write_text("mine")
    with pytest.raises(DestinationError, match=r"expected captions\.csv .* but it was changed since"):
        export_corpus(corpus[1], LocalFolder(tmp_path / "table"), "csv")
    assert (tmp_path / "table/captions.csv").read_text() == "mine"


def test_other_folders_are_refused_before_anything_is_written(
    corpus: tuple[LocalFolder, LocalFolder], photos: Path, tmp_path: Path
) -> None:
    clean, protected = corpus
    for out, error, said in (
        (protected.path / "out", DestinationError, "lies inside"),
        (tmp_path, DestinationError, "lies inside it"),
        (photos, DestinationError, "expected an empty folder"),
    ):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(error, match=said):
            export_corpus(protected, LocalFolder(out))
        assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(SourceError, match="is a clean one"):
        export_corpus(clean, LocalFolder(tmp_path / "out"))
    export_corpus(protected, LocalFolder(tmp_path / "out"))
    other = LocalFolder(tmp_path / "other")
    protect_all(clean, other, _RANDOM, seed=9)
    with pytest.raises(MismatchError, match="its shard 00000 is another one now"):
        export_corpus(other, LocalFolder(tmp_path / "out"))
    (protected.path / "manifest.json").unlink()
    with pytest.raises(SourceError, match="expected a finished corpus"):
        export_corpus(protected, LocalFolder(tmp_path / "out"))


def test_a_damaged_tar_is_told_and_a_failed_sample_named(
    corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path
) -> None:
    clean, protected = corpus
    strict = LocalFolder(tmp_path / "strict")
    config = _RANDOM.model_copy(update={"quality": _RANDOM.quality.model_copy(update={"min_psnr": 80.0})})
    protect_all(clean, strict, config)
    found = export_corpus(strict, LocalFolder(tmp_path / "none"))
    assert (found.pictures, {one.name for one in found.missing}) == (
        0, {"b.jpg", "holiday/a.jpg", "holiday/a.webp", "Über/ü.png"}
    )  # fmt: skip
    tar = protected.path / "00001.tar"
    data = bytearray(tar.read_bytes())
    data[1000] ^= 1  # in the first image
    tar.write_bytes(data)
    with pytest.raises(MismatchError, match=r"of shard 00001 .* as its table says"):
        export_corpus(protected, LocalFolder(tmp_path / "out"))


def _listed(folder: Path, names: list[str], dest: Path) -> LocalFolder:
    """A protected corpus of the pictures that a table names in full."""
    for number, name in enumerate(names):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(photo(number, 24, 24), "PNG"))
    lines = [f"{name},picture {number}" for number, name in enumerate(names)]
    (folder / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    shard_source(open_source(folder), LocalFolder(dest / "corpus"), CorpusConfig())
    protected = LocalFolder(dest / "protected")
    protect_all(LocalFolder(dest / "corpus/train"), protected, _RANDOM)
    return protected


def test_absolute_names_come_back_below_the_folder_that_all_share(tmp_path: Path) -> None:
    pics = tmp_path / "home/pics"
    protected = _listed(pics, [f"{pics}/holiday/a.png", f"{pics}/b.png"], tmp_path)
    out = LocalFolder(tmp_path / "out")
    found = export_corpus(protected, out)
    assert (found.pictures, found.missing, found.below) == (2, (), str(pics))
    assert set(out.names()) == {"b.png", "b.txt", "holiday/a.png", "holiday/a.txt", MARK}
    assert str(tmp_path) not in (tmp_path / "out" / MARK).read_text()  # it may be published with the pictures
    assert export_corpus(protected, out).before == 2


def test_a_caption_that_was_edited_is_not_exported(corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path) -> None:
    protected = corpus[1]
    first, *others = samples_of(protected, "00001")
    other = Sample(first.key, first.image, first.extension, ("something else",), first.metadata)
    write_bytes(protected, "00001.tar", shard_bytes([other, *others]))
    with pytest.raises(MismatchError, match=r"of shard 00001 .* as its table says, but it has another caption"):
        export_corpus(protected, LocalFolder(tmp_path / "out"))
