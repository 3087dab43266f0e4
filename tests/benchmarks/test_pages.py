"""The result pages show what was measured: their tables are those of the committed JSON."""

import json
from pathlib import Path

import pytest

from benchmarks.pages import RESULTS, SETTINGS_PAGE, filled, settings_page

REPORT = {
    "sections": [
        {
            "name": "table1",
            "tables": [
                {
                    "caption": "main",
                    "header": ["training set", "Medr, last", "Medr, best"],
                    "rows": [["Clean", "3", "2"], ["MEM-3, words", "9", "8"]],
                }
            ],
        }
    ]
}


@pytest.mark.parametrize("page", sorted(RESULTS.glob("*.md")), ids=lambda page: page.name)
def test_tables_of_the_pages_are_those_of_their_files(page: Path) -> None:
    assert filled(page.read_text()) == page.read_text(), "python -m benchmarks.pages writes them anew"


def test_the_page_of_settings_is_that_of_the_models() -> None:
    assert settings_page() == SETTINGS_PAGE.read_text(), "python -m benchmarks.pages writes it anew"


def test_a_table_has_the_rows_and_columns_asked_for(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    line = "<!-- report.json | table1 | main | rows: MEM-3, words | training set | Medr, best = Medr -->"
    page = f"before\n{line}\n| old |\n| --- |\n\nafter"
    table = "| training set | Medr |\n| --- | --- |\n| MEM-3, words | 8 |"
    assert filled(page, tmp_path) == f"before\n{line}\n{table}\n\nafter"


@pytest.mark.parametrize("wanted", ["table2 | main | Medr, best", "table1 | main | rows: EM | Medr, best"])
def test_what_is_not_in_the_file_is_no_empty_table(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    with pytest.raises(KeyError):
        filled(f"<!-- report.json | {wanted} -->", tmp_path)
