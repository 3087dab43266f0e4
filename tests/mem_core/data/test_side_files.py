"""What is hidden or an operating system's own is no data, wherever it lies."""

import pytest

from mem_core.data.side_files import is_side_file

ASIDE = (
    *("._0.jpg", ".DS_Store", "a/.trashed-1712345678-IMG_1.jpg", ".thumbnails/1.jpg", "._00000.tar", ".git/config"),
    *("__MACOSX/Ada/._1.jpg", "__MACOSX/1.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.jpg"),
    *("$RECYCLE.BIN/1.jpg", "a/Thumbs.db", "desktop.ini", "~$list.csv", "list.csv~", "1.jpg.part", "./._1.jpg"),
    "System Volume Information/x.jpg",
)
DATA = ("0.jpg", "a/b.c/0.jpg", "00000.tar", "thumbs/1.jpg", "macosx.jpg", "$5 bill.jpg", "part.csv", "a.part/1.jpg")


@pytest.mark.parametrize("name", ASIDE)
def test_side_files_are_seen_as_such(name: str) -> None:
    assert is_side_file(name)


@pytest.mark.parametrize("name", DATA)
def test_others_are_data(name: str) -> None:
    assert not is_side_file(name)
