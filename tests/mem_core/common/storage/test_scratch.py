"""A scratch folder is left as it was."""

from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.common.storage.scratch import scratch_below


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_left_whatever_happens(tmp_path: Path, exists: bool) -> None:
    place = tmp_path / "scratch"
    if exists:
        place.mkdir()
    with pytest.raises(ZeroDivisionError), scratch_below(LocalFolder(place)) as scratch:
        write_bytes(scratch, "deep/a.txt", b"a")
        assert place.is_dir()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.rglob("*")] == (["scratch"] if exists else [])


def test_a_temporary_one_goes_away() -> None:
    with scratch_below(None) as scratch:
        write_bytes(scratch, "a.txt", b"a")
        assert Path(scratch.uri).is_dir()
    assert not Path(scratch.uri).exists()


def test_a_folder_with_data_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = pytest.raises(DestinationError, match=r"expected an empty folder .* holds other data: mine\.txt")
    with refused, scratch_below(LocalFolder(tmp_path)):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
