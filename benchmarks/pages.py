"""Tables of docs/results out of the committed JSON, and docs/settings.md: `python -m benchmarks.pages` writes them.

The table of a study stands under a line that says where it comes from:

    <!-- paper/report.json | table2 | flickr8k | rows: rn50; rn101 | victim | seeds | of chance, best = of chance -->

A file, a section, a caption; the rows, without which all are there; and the columns, renamed behind a "=". A stress
test has one table, `<!-- stress/mem-3.json -->`; the study of evidence has those of `benchmarks.evidence_tables`, as in
`<!-- evidence/32.json | shares -->`, and `<!-- evidence/worth.json | worth -->`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.evidence_tables import evidence_table, worth_table
from mem_core.audit.stress.page import StressReport, stress_markdown
from mem_core.config.settings_list import SettingRow, setting_rows
from mem_core.experiments.config import RunConfig

RESULTS = Path(__file__).parents[1] / "docs/results"
SETTINGS_PAGE = RESULTS.parent / "settings.md"
_SETTINGS = """# Settings

Everything that a preset or `--set NAME=VALUE` may set, as in `--set protect.noise.epsilon=4/255`. A value is YAML;
fractions such as `8/255` are numbers. `memshield settings epsilon` prints the settings with that word, and `memshield
presets show cpu` the values of a preset. `rows[].name` is a setting of one entry of the list `rows`: `{name: mem-5,
method: mem, protect: {trigger: {length: 5}}}`, and `victim.countermeasures[jpeg].quality` of one such as `{kind: jpeg,
quality: 50}`. Defaults are those of the models; a preset may have others, and so has `protect.profile=paper`.

This page is written by `python -m benchmarks.pages` from the models, and a test compares it.
"""
_SOURCE = re.compile(r"^<!-- (\S+\.json)(?: \| (.+))? -->$")
_ROWS, _WORTH = "rows: ", "worth"


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


def _lines(report: Any, wanted: str | None) -> list[str]:
    if isinstance(report, list):
        return _markdown(evidence_table(report, wanted or ""))
    if wanted == _WORTH:
        return _markdown(worth_table(report["of chance"]))
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
    return _markdown([header, *([row[place] for place in places] for row in rows)])


def _markdown(table: Sequence[Sequence[str]]) -> list[str]:
    header, *rows = table
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def settings_page() -> str:
    """docs/settings.md: a table for each group of settings, out of the models."""
    groups: dict[str, list[SettingRow]] = {}
    for row in setting_rows(RunConfig):
        groups.setdefault(_group(row.name), []).append(row)
    out = [_SETTINGS]
    for group, rows in groups.items():
        out.append(f"\n## {group}\n\n| name | meaning | unit | default | range |\n| --- | --- | --- | --- | --- |\n")
        out += [f"| `{row.name}` | {_meaning(row)} | {row.unit} | {_default(row)} | {row.range} |\n" for row in rows]
    return "".join(out)


def _meaning(row: SettingRow) -> str:
    return "what is done to a sample: [methods.md](methods.md)" if row.name.endswith(".method") else row.meaning


def _default(row: SettingRow) -> str:
    return row.default if row.default in ("", "empty", "must be given") else f"`{row.default}`"


def _group(name: str) -> str:
    """The first part of a setting's name, two where the first is large."""
    first, *more = name.split(".")
    if not more:
        return "The whole run" if "[" not in first else first
    return f"{first}.{more[0].partition('[')[0]}" if first in ("protect", "victim") and len(more) > 1 else first


def main() -> None:
    pages = {page: filled(page.read_text()) for page in sorted(RESULTS.glob("*.md"))}
    pages[SETTINGS_PAGE] = settings_page()
    for page, after in pages.items():
        if not page.exists() or page.read_text() != after:
            page.write_text(after)
            print(f"written: {page.relative_to(RESULTS.parents[1])}")


if __name__ == "__main__":
    main()
