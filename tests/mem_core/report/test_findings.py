"""Findings and sentences of a report from known numbers."""

import pytest

from mem_core.report import ReportInputs
from mem_core.report.findings import compute_findings
from mem_core.report.verdict import judge
from tests.support.report_making import FULL, GUESS, Medians, row


def test_share_of_chance_is_taken_where_the_trainer_does_best() -> None:
    findings = compute_findings(FULL)
    assert [found.kind for found in findings.rows] == ["clean"] + ["control"] * 4 + ["method"] * 2
    random = findings.row("random-trigger")
    assert random is not None
    assert (random.image_to_text.weakest, random.text_to_image.weakest) == ("prefixed", "bare")
    assert random.image_to_text.share_of_chance == pytest.approx(324 / 647)
    assert random.share_of_chance == pytest.approx(244 / 500.5)


def test_additions_are_differences_like_for_like() -> None:
    findings = compute_findings(FULL)
    assert findings.subject == "mem-3"
    addition = next(a for a in findings.additions if a.control == "random-trigger")
    assert [gap.difference for gap in addition.gaps] == [415 - 333, 447 - 324, 296 - 244, 362 - 370]
    clean, mem, control = 102 / 647, 296 / 500.5, 244 / 500.5
    assert addition.control_part == pytest.approx((control - clean) / (mem - clean))
    assert {gap.certain for gap in addition.gaps} == {None}


def test_seeds_give_spread_and_doubt() -> None:
    rows = (
        row("clean", [(100, 80), (104, 84)], []),
        row("mem", [(400, 300), (420, 320)], []),
        row("random-trigger", [(390, 300), (410, 310)], []),
    )
    inputs = ReportInputs(rows=rows, chance=GUESS)
    findings = compute_findings(inputs)
    gap = findings.additions[0].gaps[0]
    assert gap.difference == pytest.approx(10)
    assert gap.standard_error == pytest.approx((2 * 14.142135**2 / 2) ** 0.5, rel=1e-5)
    verdict = judge(inputs, findings)
    assert any("within the noise of the seeds" in point for point in verdict.points)
    assert any("no prefixed queries" in caution for caution in verdict.cautions)


def test_unfavourable_numbers_are_said() -> None:
    verdict = judge(FULL, compute_findings(FULL))
    said = " ".join(verdict.points).replace("\N{NO-BREAK SPACE}", " ")
    assert "does not end it" in verdict.headline
    assert "Random trigger words (each image its own, not optimised, no noise): nearly as much as MEM-3, 76 %" in said
    assert "a trainer who drops the trigger words undoes most of the protection" in said
    assert "Hardly any effect: Constant trigger words." in said
    assert any("1 of MEM-3" in caution and "UNPROTECTED" in caution for caution in verdict.cautions)
    assert any("one victim seed" in caution for caution in verdict.cautions)


@pytest.mark.parametrize(
    ("clean", "mem", "words"),
    [
        ((102, 85), (640, 495), "about chance level"),
        ((102, 85), (200, 160), "only in part"),
        ((102, 85), (104, 88), "does not protect"),
        ((102, 85), (90, 70), "does not protect"),
        ((600, 480), (640, 495), "No verdict"),
    ],
)
def test_headlines(clean: Medians, mem: Medians, words: str) -> None:
    inputs = ReportInputs(rows=(row("clean", [clean], [clean]), row("mem", [mem], [mem])), chance=GUESS)
    verdict = judge(inputs, compute_findings(inputs))
    assert words in verdict.headline
    assert any("No control was run" in caution for caution in verdict.cautions)
