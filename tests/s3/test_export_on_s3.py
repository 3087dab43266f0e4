"""An export in an object store: the files that a disk gets, and the same care for what is there."""

from pathlib import Path

from mem_core.config import CorpusConfig, ProtectConfig
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.protect.protection import Places, Protection
from tasks.exporting import export_to
from tasks.storage import open_folder
from tests.support.corpora import RUNTIME, contents, protect
from tests.support.source_making import write_images


def test_an_export_to_a_store_has_the_files_of_one_to_a_disk(bucket: str, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", ["holiday/a.png", "ü b.png"])
    (tmp_path / "photos/holiday/a.txt").write_text("a hill")
    (tmp_path / "photos/ü b.txt").write_text("a boat")
    config = ProtectConfig.model_validate({"method": "random-noise"})
    root = f"s3://{bucket}/export 1"
    for place in (root, str(tmp_path)):
        shard_source(open_source(tmp_path / "photos"), open_folder(f"{place}/corpus"), CorpusConfig())
        clean = open_folder(f"{place}/corpus/train")
        protect(Protection(Places(clean, open_folder(f"{place}/protected")), config, RUNTIME, seed=3))
        found = export_to(f"{place}/protected", f"{place}/out", "csv", f"{place}/corpus/train")
        assert (found.pictures, found.before, found.missing) == (2, 0, ())
    stored = open_folder(f"{root}/out")
    assert contents(stored) == contents(open_folder(str(tmp_path / "out")))
    stored.delete("ü b.png")
    with stored.write("holiday/a.png") as stream:
        stream.write(b"mine")
    again = export_to(f"{root}/protected", f"{root}/out", "csv")
    assert (again.pictures, again.refused) == (1, 1)
    assert contents(stored)["holiday/a.png"] == b"mine"
    assert stored.exists("ü b.png")
