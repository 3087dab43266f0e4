"""What docs/operations.md says that a command prints with `--json`."""

import json
import re
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_OF_ALL = {"memshield", "command"}


def documented_fields(command: str) -> set[str]:
    """The fields of a row of the table, and those that every object has."""
    (row,) = re.findall(rf"^\| `{re.escape(command)}` \| (.+) \|$", _PAGE.read_text(), re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row)) | _OF_ALL


def as_documented(stdout: str, command: str) -> dict[str, Any]:
    """The one object on standard output, which has the fields that are documented and no others."""
    (line,) = stdout.splitlines()
    values: dict[str, Any] = json.loads(line)
    assert set(values) == documented_fields(command), command
    return values
