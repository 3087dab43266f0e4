import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError, SourceError, StorageRefused
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "corpus")


def test_names_are_sorted_and_below(folder: LocalFolder) -> None:
    assert list(folder.names()) == []
    for name in ("b", "a/c", "a/b/d"):
        write_bytes(folder, name, name.encode())
    assert list(folder.names()) == ["a/b/d", "a/c", "b"]
    assert list(folder.below("a").names()) == ["b/d", "c"]
    assert read_bytes(folder, "a/c") == b"a/c"
    assert folder.exists("b")
    assert not folder.exists("a")
    folder.delete("b")
    folder.delete("b")
    folder.delete("a/c/x")
    assert not folder.exists("b")


def test_a_write_that_fails_leaves_nothing(folder: LocalFolder) -> None:
    write_bytes(folder, "a", b"before")
    with pytest.raises(KeyboardInterrupt), folder.write("a") as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert read_bytes(folder, "a") == b"before"
    assert os.listdir(folder.path) == ["a"]


def test_nothing_is_seen_before_the_end(folder: LocalFolder) -> None:
    with folder.write("a") as stream:
        stream.write(b"half")
        stream.flush()
        assert list(folder.names()) == []
        assert not folder.exists("a")
    assert read_bytes(folder, "a") == b"half"


def test_only_if_absent(folder: LocalFolder) -> None:
    write_bytes(folder, "a", b"first", only_if_absent=True)
    with pytest.raises(FileExistsError):
        write_bytes(folder, "a", b"second", only_if_absent=True)
    assert read_bytes(folder, "a") == b"first"
    write_bytes(folder, "a", b"third")
    assert read_bytes(folder, "a") == b"third"
    assert os.listdir(folder.path) == ["a"]


def test_one_of_many_wins(folder: LocalFolder) -> None:
    lost: list[int] = []
    gate = threading.Barrier(8)

    def race(number: int) -> None:
        gate.wait()
        try:
            write_bytes(folder, "a", str(number).encode(), only_if_absent=True)
        except FileExistsError:
            lost.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([*lost, int(read_bytes(folder, "a"))]) == list(range(8))


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../../b", "a//b", "./a", "a/.", ".partial-x", "a\0b"])
def test_odd_names_are_refused(folder: LocalFolder, name: str) -> None:
    for use in (folder.exists, folder.open, folder.delete, folder.below, lambda n: write_bytes(folder, n, b"")):
        with pytest.raises(DestinationError):
            use(name)


def test_a_file_in_the_way_is_said_so(folder: LocalFolder) -> None:
    write_bytes(folder, "a", b"")
    write_bytes(folder, "d/x", b"")
    for name in ("a/b", "d"):
        for only_if_absent in (True, False):
            with pytest.raises(DestinationError):
                write_bytes(folder, name, b"", only_if_absent=only_if_absent)
    for name in ("a/b", "d", "nothing"):
        with pytest.raises(FileNotFoundError):
            folder.open(name)
    with pytest.raises(SourceError):
        LocalFolder(folder.path / "a")


def test_links_are_read_but_writing_does_not_follow_them(folder: LocalFolder, tmp_path: Path) -> None:
    write_bytes(folder, "a", b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"theirs")
    (folder.path / "file").symlink_to(outside / "x")
    (folder.path / "sub").symlink_to(outside)
    assert read_bytes(folder, "file") == b"theirs"
    write_bytes(folder, "file", b"ours")
    with pytest.raises(DestinationError, match="leads outside"):
        write_bytes(folder, "sub/y", b"")
    with pytest.raises(DestinationError, match="leads outside"):
        folder.delete("sub/x")
    assert (outside / "x").read_bytes() == b"theirs"
    assert os.listdir(outside) == ["x"]


def test_a_folder_reached_through_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder = LocalFolder(tmp_path / "link")
    write_bytes(folder, "a/b", b"x")
    assert read_bytes(folder, "a/b") == b"x"


def test_a_killed_write_is_not_listed(folder: LocalFolder) -> None:
    script = f"""
import os, signal
from mem_core.common.storage.folder import LocalFolder
with LocalFolder({str(folder.path)!r}).write("a") as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert list(folder.names()) == []
    assert not folder.exists("a")


def test_files_and_folders_that_may_not_be_read_are_named(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("mem_core.common.storage.folder.open", refuse, raising=False)
    with pytest.raises(StorageRefused, match=r"a\.txt, but: Permission denied"):
        folder.open("a.txt")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StorageRefused, match="Permission denied"):
        list(folder.names())
