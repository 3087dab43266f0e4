"""Tables of docs/results out of the committed JSON: `python -m benchmarks.pages` writes them anew.

The table of a study stands under a line that says where it comes from:

    <!-- paper/report.json | table2 | flickr8k | rows: rn50; rn101 | victim | seeds | of chance, best = of chance -->

A file, a section, a caption; the rows, without which all are there; and the columns, renamed behind a "=". A stress
test has one table: `<!-- stress/mem-3.json -->`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mem_core.audit.stress.page import StressReport, stress_markdown

RESULTS = Path(__file__).parents[1] / "docs/results"
_SOURCE = re.compile(r"^<!-- (\S+\.json)(?: \| (.+))? -->$")
_ROWS = "rows: "


def filled(text: str, folder: Path = RESULTS) -> str:
    """The page with every table as its JSON has it. Raises `KeyError` or `ValueError` for what is not there."""
    out: list[str] = []
    lines = text.split("\n")
    while lines:
        out.append(lines.pop(0))
        if found := _SOURCE.match(out[-1]):
            while lines and lines[0].startswith("|"):
                lines.pop(0)
            out += _lines(json.loads((folder / found[1]).read_text()), found[2])
    return "\n".join(out)


def _lines(report: dict[str, Any], wanted: str | None) -> list[str]:
    if wanted is None:
        return stress_markdown(StressReport.model_validate(report).findings).splitlines()
    return _table(report, wanted.split(" | "))


def _table(report: dict[str, Any], wanted: Sequence[str]) -> list[str]:
    section, caption, *rest = wanted
    tables = {(one["name"], table["caption"]): table for one in report["sections"] for table in one["tables"]}
    table = tables[section, caption]
    rows = table["rows"]
    if rest[0].startswith(_ROWS):
        chosen = rest.pop(0).removeprefix(_ROWS).split("; ")
        if missing := set(chosen) - {row[0] for row in rows}:
            raise KeyError(f"no row {', '.join(sorted(missing))} in {section}, {caption}")
        rows = [row for row in rows if row[0] in chosen]
    columns = [part.partition(" = ") for part in rest]
    places = [table["header"].index(name) for name, _, _ in columns]
    header = [shown or name for name, _, shown in columns]
    cells = [header, ["---"] * len(header), *([row[place] for place in places] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def main() -> None:
    for page in sorted(RESULTS.glob("*.md")):
        before = page.read_text()
        after = filled(before)
        if after != before:
            page.write_text(after)
            print(f"written: docs/results/{page.name}")


if __name__ == "__main__":
    main()
