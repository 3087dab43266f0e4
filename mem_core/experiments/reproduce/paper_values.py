"""The paper's own values, as far as they were read in the paper: never from memory, never computed."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

NOT_AVAILABLE = "not available"


@lru_cache(maxsize=1)
def _values() -> dict[str, Any]:
    text = (files("mem_core.experiments.reproduce") / "paper_values.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["values"])


def paper_value(table: str, dataset: str, victim: str, row: str) -> str:
    """What the paper prints for a row: "Hit@10 / Hit@10, Medr / Medr"."""
    found = _values().get(table, {}).get(dataset, {}).get(victim, {}).get(row)
    return f"{found[0]:g} / {found[1]:g}, {found[2]:g} / {found[3]:g}" if found else NOT_AVAILABLE
