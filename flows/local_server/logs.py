"""The logs of servers and workers that run for months: kept to a size."""

from pathlib import Path

_LARGEST, _KEPT = 20_000_000, 5_000_000  # bytes of one log: above the first its end is kept


def trim_logs(folder: Path, largest: int = _LARGEST, kept: int = _KEPT) -> None:
    """Cuts the beginning of every log that has grown too large, in place: who writes it appends, and goes on.

    What is written in the moment of the cut may be lost.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size > largest:
            with log.open("r+b") as stream:
                stream.seek(-kept, 2)
                stream.readline()  # to the beginning of a line
                end = stream.read()
                stream.seek(0)
                stream.truncate()
                stream.write(end)
