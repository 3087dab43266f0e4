"""The page: equal findings give equal bytes, nothing is fetched, what comes from data is escaped."""

import io
import json
import re
from pathlib import Path

from PIL import Image

from mem_core.audit.stress.findings import judge_attacks
from mem_core.audit.stress.page import StressReport, stress_cells, stress_headline, stress_markdown, write_stress
from mem_core.common.storage.folder import LocalFolder
from tests.support.corpora import contents
from tests.support.stress_making import FOUND, PUBLISHED, RECAPTION, STRIP, result

NBSP = "\N{NO-BREAK SPACE}"
ODD = STRIP.model_copy(update={"label": "words <dropped> & gone"})
RESULTS = [
    result(PUBLISHED, "protected", (0.8, 0.9), (0.85, 0.7)),
    result(PUBLISHED, "clean", (0.2, 0.3), (0.2, 0.3)),
    result(ODD, "protected", (0.4, 0.9), (0.5, 0.7)),
    result(ODD, "clean", (0.3, 0.9), (0.3, 0.7)),
    result(RECAPTION, "protected", (1.1, 1.2), (1.2, 1.3)),
]
REPORT = StressReport(
    findings=judge_attacks([PUBLISHED, ODD, RECAPTION], RESULTS),
    detectability=FOUND,
    about={"trained on": "50 pairs of 60"},
)


def test_files_are_written_and_equal_for_equal_findings(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_stress(LocalFolder(tmp_path / place), REPORT)
    assert contents(LocalFolder(tmp_path / "one")) == contents(LocalFolder(tmp_path / "two"))
    assert set(contents(LocalFolder(tmp_path / "one"))) == {"stress.html", "stress.json", "stress.png"}
    stored = json.loads((tmp_path / "one" / "stress.json").read_text())
    assert StressReport.model_validate(stored) == REPORT
    picture = Image.open(io.BytesIO((tmp_path / "one" / "stress.png").read_bytes()))
    assert picture.width == 2080


def test_the_page_fetches_nothing_and_escapes_what_it_shows(tmp_path: Path) -> None:
    write_stress(LocalFolder(tmp_path), REPORT)
    page = (tmp_path / "stress.html").read_text()
    assert "words &lt;dropped&gt; &amp; gone" in page
    assert not re.search(r"https?://|<script|src=\"(?!data:)", page)
    assert "0.987" in page
    assert "50 pairs of 60" in page


def test_a_page_without_detectability_has_no_such_part(tmp_path: Path) -> None:
    write_stress(LocalFolder(tmp_path), StressReport(findings=REPORT.findings))
    assert "How easily" not in (tmp_path / "stress.html").read_text()


def test_rows_as_text() -> None:
    strip, published, recaption = REPORT.findings.rows
    assert [cell.replace(NBSP, " ") for cell in stress_cells(strip)] == [
        "40 % (38 to 41)",
        "40 % (38 to 41)",
        "40 % / 50 %",
        "30 % (29 to 31)",
        "14 % (14 to 15)",
    ]
    assert [cell.partition(NBSP)[0] for cell in stress_cells(published)] == ["70", "70", "80", "20", "62"]
    assert [cell.partition(NBSP)[0] for cell in stress_cells(recaption)] == ["110", "110", "110", "20", "100"]
    table = stress_markdown(REPORT.findings).splitlines()
    assert len(table) == 5
    assert table[2].startswith(f"| words <dropped> & gone | 40{NBSP}% (38 to 41) |")


def test_what_cannot_be_judged_has_a_dash_and_its_reason(tmp_path: Path) -> None:
    few = [one.model_copy(update={"samples": 49} if one.cell.trained_on == "clean" else {}) for one in RESULTS]
    report = StressReport(findings=judge_attacks([PUBLISHED, ODD, RECAPTION], few))
    assert stress_cells(report.findings.rows[0])[-1] == "\N{EN DASH}"
    write_stress(LocalFolder(tmp_path), report)
    page = (tmp_path / "stress.html").read_text()
    assert "words &lt;dropped&gt; &amp; gone; as published; re-captioned</th>" in page
    assert "the clean victim was trained on 49 pairs, not on 50" in page


def test_the_headline_is_the_worst_case() -> None:
    assert stress_headline(REPORT.findings).replace(NBSP, " ") == (
        "Worst case: words <dropped> & gone. The median rank falls from 70 % (69 to 71) to 40 % (38 to 41) of chance; "
        "14 % (14 to 15) of the protection is left. 3 of 3 tests can be judged."
    )
    assert stress_headline(judge_attacks([PUBLISHED], RESULTS)).startswith(
        "No attack took protection below what it is as published"
    )


def test_nothing_is_claimed_where_clean_victims_nearly_guess_or_are_missing() -> None:
    weak = [one for one in RESULTS if one.cell.trained_on == "protected"]
    assert stress_headline(judge_attacks([PUBLISHED, ODD, RECAPTION], weak)) == (
        "No verdict: no clean victim was trained beside it. 0 of 3 tests can be judged."
    )
    weak.append(result(PUBLISHED, "clean", (0.86, 0.9), (0.9, 0.9)))
    found = judge_attacks([PUBLISHED, ODD, RECAPTION], weak)
    assert stress_headline(found) == (
        f"No verdict: the clean victim is itself near chance (median rank at 86{NBSP}% of chance). "
        "0 of 3 tests can be judged."
    )
    assert next(row for row in found.rows if row.name == "as-published").left is None


def test_one_test_that_can_be_judged_is_the_worst_case_of_those() -> None:
    some = [one for one in RESULTS if one.cell.name != "as-published-clean-0"]
    assert stress_headline(judge_attacks([PUBLISHED, ODD, RECAPTION], some)).replace(NBSP, " ") == (
        "Worst case: words <dropped> & gone. The median rank is at 40 % (38 to 41) of chance; 14 % (14 to 15) of the "
        "protection is left. 1 of 3 tests can be judged."
    )
