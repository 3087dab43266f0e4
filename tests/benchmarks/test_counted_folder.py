"""The folder that notes its calls is the folder that it stands before."""

import io
from collections import Counter
from pathlib import Path

from benchmarks.counted_folder import CountedFolder
from mem_core.common.storage.folder import LocalFolder, write_bytes


def test_a_counted_folder_is_the_folder(tmp_path: Path) -> None:
    counted = CountedFolder(LocalFolder(tmp_path), [])
    write_bytes(counted.below("deep"), "a.txt", b"abc")
    assert list(counted.names()) == ["deep/a.txt"]
    assert (counted.exists("deep/a.txt"), counted.size("deep/a.txt")) == (True, 3)
    assert counted.read("deep/a.txt", 1, 5) == b"bc"
    with counted.open("deep/a.txt") as stream:
        assert isinstance(stream, io.BufferedReader)
    counted.delete("deep/a.txt")
    assert counted.top() == {}
    assert Counter(call.kind for call in counted.calls) == {"put": 1, "get": 4, "list": 2}
    assert [call.size for call in counted.calls if call.kind == "put"] == [3]
