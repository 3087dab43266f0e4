"""A write in the background: waited for, and told and repeated where it failed."""

import threading

import pytest

from mem_core.common.background import BackgroundWrite


def test_who_settles_waits_for_the_write_and_it_is_done_once() -> None:
    free, written = threading.Event(), list[int]()

    def write() -> None:
        free.wait(10)
        written.append(1)

    writing = BackgroundWrite()
    writing.begin(write)
    assert not written
    free.set()
    writing.settle()
    writing.settle()
    assert written == [1]


def test_a_write_that_fails_is_told_and_then_repeated() -> None:
    tries = list[int]()

    def write() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("the disk is full")

    writing = BackgroundWrite()
    writing.begin(write)
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            writing.settle()
    writing.settle()
    writing.settle()
    assert len(tries) == 3
