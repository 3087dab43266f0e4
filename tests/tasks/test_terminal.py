"""The display: one, readable, and nothing where nobody watches."""

import io
import threading
from collections.abc import Callable

import pytest

from tasks import progress, terminal
from tasks.progress import say, watched
from tasks.terminal import display, shown_on_terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(terminal, "time", clock)
    return clock


def test_plain_lines_come_now_and_then_not_at_every_step(clock: Clock) -> None:
    stream = io.StringIO()
    with shown_on_terminal(stream), watched("train") as tell:
        for done in range(100):
            clock.now += 1.0
            tell(done, 100, "loss 1.5")
    lines = stream.getvalue().splitlines()
    assert 9 <= len(lines) <= 10
    assert lines[0] == "  train: 9 of 100 loss 1.5"


def test_sources_of_unknown_length_have_no_total(clock: Clock) -> None:
    stream = io.StringIO()
    with shown_on_terminal(stream), watched("shard") as tell:
        clock.now += 60
        tell(300, 0)
    assert stream.getvalue() == "  shard: 300\n"


def test_several_pieces_of_work_share_one_screen() -> None:
    screen = Screen()
    with shown_on_terminal(screen):
        assert display() is not None
        threads = [threading.Thread(target=_work, args=(f"shard {number} [of 2]",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say("round 1: [done]")
    shown = screen.getvalue()
    assert "round 1: [done]" in shown  # brackets are text, not markup
    assert "shard 1 [of 2]" in shown
    assert display() is None


def test_a_display_inside_a_display_is_the_same_one() -> None:
    outer, inner = io.StringIO(), io.StringIO()
    with shown_on_terminal(outer), shown_on_terminal(inner):
        say("once")
    assert (outer.getvalue(), inner.getvalue()) == ("once\n", "")


def test_nothing_is_shown_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with watched("train") as tell:
        tell(1, 2)
    say("news")
    assert capsys.readouterr() == ("", "")


def test_a_server_that_is_gone_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[float] = []
    log: Callable[..., object] = lambda *_: sent.append(-1.0)  # noqa: E731

    def refuse(percent: float, **_: object) -> None:
        sent.append(percent)
        raise ConnectionError("gone")

    class Logger:
        warning = staticmethod(log)

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "create_progress_artifact", refuse)
    monkeypatch.setattr(progress, "get_run_logger", Logger)
    bar = progress._Artifact("train")
    for done in range(10):
        clock.now += 10
        bar(done, 10)
    assert sent == [0.0, -1.0]  # asked once, warned once


def _work(title: str) -> None:
    with watched(title) as tell:
        for done in range(5):
            tell(done, 5)
