"""Logs of processes that run for months."""

from pathlib import Path

from flows.local_server.logs import trim_logs


def test_a_log_that_grew_too_large_keeps_its_end_and_is_written_on(tmp_path: Path) -> None:
    log, small = tmp_path / "worker.log", tmp_path / "server.log"
    small.write_text("a line\n")
    with log.open("ab") as writer:
        writer.write(b"".join(b"line %05d\n" % number for number in range(1000)))
        writer.flush()
        trim_logs(tmp_path, largest=5000, kept=100)
        writer.write(b"the next line\n")
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["line 00999", "the next line"]
    assert all(line.startswith("line ") for line in lines[:-1])
    assert 5 <= len(lines) <= 11
    assert small.read_text() == "a line\n"
