"""What killed writers leave beside their files, and who may remove it."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mem_core.common.errors import RetryShard, StorageRefused
from mem_core.common.storage import atomic_file as partial
from mem_core.common.storage.atomic_file import Partial
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes


def anything(name: str) -> bool:
    return True


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "corpus")


def killed_write(folder: LocalFolder, name: str) -> Path:
    """A process that dies in the middle of a write. Returns what it left."""
    script = f"""
import os, signal
from mem_core.common.storage.folder import LocalFolder
with LocalFolder({str(folder.path)!r}).write({name!r}) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    (left,) = folder.path.rglob(".partial-*")
    return left


def test_what_a_killed_writer_left_is_swept_at_once(folder: LocalFolder) -> None:
    write_bytes(folder, "state/whole", b"whole")
    left = killed_write(folder, "state/half")
    assert folder.sweep(anything, anything) == 1
    assert not left.exists()
    assert list(folder.names()) == ["state/whole"]
    assert folder.sweep(anything, anything) == 0


def test_a_living_writer_is_left_alone(folder: LocalFolder) -> None:
    with folder.write("a") as stream:
        stream.write(b"wh")
        assert folder.sweep(anything, anything) == 0
        stream.write(b"ole")
    assert read_bytes(folder, "a") == b"whole"


def test_files_of_other_machines_are_swept_after_a_day(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed_write(folder, "a")
    monkeypatch.setattr(partial, "_machine", lambda: "another0")
    assert folder.sweep(anything, anything) == 0
    day_before = time.time() - 25 * 3600
    os.utime(left, (day_before, day_before))
    assert folder.sweep(anything, anything) == 1


def test_a_file_system_without_locks_goes_by_age(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(stream: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(partial, "_lock", no_locks)
    write_bytes(folder, "a", b"whole")
    left = killed_write(folder, "b")
    assert folder.sweep(anything, anything) == 0
    day_before = time.time() - 25 * 3600
    os.utime(left, (day_before, day_before))
    assert folder.sweep(anything, anything) == 1
    assert list(folder.names()) == ["a"]


def test_a_file_swept_under_its_writer_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(RetryShard, match="was removed"), Partial(tmp_path / "a") as work:
        work.stream.write(b"x")
        for path in tmp_path.iterdir():
            path.unlink()
        work.publish(only_if_absent=False)


def test_sweeping_while_many_write_harms_nothing(folder: LocalFolder) -> None:
    stop, errors = threading.Event(), []

    def write(number: int) -> None:
        try:
            for turn in range(60):
                write_bytes(folder, f"{number}-{turn}", b"x" * 100)
        except Exception as error:
            errors.append(error)

    def sweep() -> None:
        while not stop.is_set():
            folder.sweep(anything, anything)

    sweeper = threading.Thread(target=sweep)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in (sweeper, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    sweeper.join()
    assert errors == []
    assert len(list(folder.names())) == 240
    assert len(os.listdir(folder.path)) == 240


def test_a_place_that_may_not_be_written_to_is_named(folder: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageRefused, match=r"expected to write .*/a, but: No space left on device"):
        write_bytes(folder, "a", b"x")
    assert os.listdir(folder.path) == []
