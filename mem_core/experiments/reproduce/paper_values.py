"""The paper's own values beside ours, and what is odd about them: read in the paper, never from memory or computed."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mem_core.report.tables import NOTHING

_NAMED = re.compile(r"[Tt]ables? (\d)(?: (and|to) (\d))?")
_SUBJECTS = {"MSCOCO": {"coco", "coco-karpathy"}}  # what a note that names no table is about: these datasets alone
_NO_VALUE = f"The paper's column: Hit@10, Medr, image to text / text to image. {NOTHING.mean}: the paper prints none."


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    text = (files("mem_core.experiments.reproduce") / "paper_values.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def paper_value(table: str, dataset: str, victim: str, row: str) -> str:
    """What the paper prints for a row: "Hit@10 / Hit@10, Medr / Medr", a dash for what it does not print."""
    found = _file()["values"].get(table, {}).get(dataset, {}).get(victim, {}).get(row)
    return f"{_both(found[:2])}, {_both(found[2:])}" if found else NOTHING.mean


def _both(values: list[float | None]) -> str:
    return NOTHING.mean if None in values else " / ".join(f"{value:g}" for value in values)


def paper_notes(table: str, datasets: Iterable[str]) -> tuple[str, ...]:
    """What stands in the file on a table of the paper that is shown for these datasets; nothing on others."""
    if table not in _file()["values"]:
        return ()
    shown = set(datasets)
    said = (f"The paper's values. {note}" for note in _file()["notes"] if _is_about(note, table, shown))
    return (_NO_VALUE, *said)


def _is_about(note: str, table: str, datasets: set[str]) -> bool:
    """The first table that a note names is the one it is about, "tables 2 and 3" and "tables 1 to 4" are several."""
    named = _NAMED.search(note)
    if named is None:
        return bool(datasets & _SUBJECTS.get(note.partition(":")[0], datasets))
    first, joined, last = named.groups()
    several = range(int(first), int(last or first) + 1) if joined == "to" else (int(first), int(last or first))
    return table in {f"table{number}" for number in several}
