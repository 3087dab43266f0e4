"""Findings and sentences of a report from known numbers."""

import pytest

from mem_core.report import ReportInputs
from mem_core.report.claims import Trained
from mem_core.report.findings import compute_findings
from mem_core.report.verdict import Verdict, judge
from tests.support.report_making import CLEAN, FULL, GUESS, MEM, Medians, row

WORDS = row("trigger-only", [(110, 90)], [(110, 90)])


def verdict_on(*rows: object) -> Verdict:
    inputs = ReportInputs.model_validate({"rows": rows, "chance": GUESS})
    return judge(inputs, compute_findings(inputs))


def test_share_of_chance_is_taken_where_the_trainer_does_best() -> None:
    findings = compute_findings(FULL)
    assert [found.kind for found in findings.rows] == ["clean"] + ["control"] * 4 + ["method"] * 2
    random = findings.row("random-trigger")
    assert random is not None
    counting = random.counting
    assert (counting.image_to_text.weakest, counting.text_to_image.weakest) == ("prefixed", "bare")
    assert random.share.value == pytest.approx(244 / 500.5)
    assert random.share.low == pytest.approx(244 / 500.5 * (1 - 2 * 0.04), rel=0.05)


def test_the_best_epoch_counts_and_the_last_stands_beside_it() -> None:
    mem = compute_findings(FULL).row("mem-3")
    assert mem is not None
    assert mem.last.share is not None
    assert (mem.last.share.value, mem.share.value) == (pytest.approx(296 / 500.5), pytest.approx(270 / 500.5))
    assert mem.epochs == (2,)


def test_additions_are_differences_like_for_like() -> None:
    findings = compute_findings(FULL)
    assert findings.subject == "mem-3"
    addition = next(a for a in findings.additions if a.control == "random-trigger")
    assert [gap.difference.value for gap in addition.gaps] == [380 - 333, 420 - 324, 270 - 244, 350 - 370]
    clean, mem, control = 98 / 647, 270 / 500.5, 244 / 500.5
    assert addition.control_part is not None
    assert addition.control_part.value == pytest.approx((control - clean) / (mem - clean))


def test_what_test_images_have_in_common_cancels_out() -> None:
    """Each median rank has an interval of 8 % to each side; that of their difference is that of the difference."""
    addition = next(a for a in compute_findings(FULL).additions if a.control == "random-trigger")
    gap = addition.gaps[0].difference
    assert gap.low == pytest.approx(47 * 0.92, abs=1.5)
    assert gap.high == pytest.approx(47 * 1.08, abs=1.5)
    assert gap.differs


def test_seeds_that_differ_give_doubt() -> None:
    seeds = [(400.0, 300.0), (420.0, 240.0)]
    said = verdict_on(
        row("clean", [(100, 80), (104, 84)], [(100, 80), (104, 84)]),
        row("mem", seeds, seeds),
        row("random-trigger", seeds[::-1], seeds[::-1]),
    )
    assert any("which of the two protects better is not certain" in point for point in said.points)


def test_unfavourable_numbers_are_said() -> None:
    verdict = judge(FULL, compute_findings(FULL))
    said = " ".join(verdict.points).replace("\N{NO-BREAK SPACE}", " ")
    assert "does not end it: median rank at 54\N{NO-BREAK SPACE}% (50 to 58) of chance" in verdict.headline
    assert "Random trigger words (each image its own, not optimised, no noise): nearly as much as MEM-3, 87 %" in said
    assert "a trainer who drops the trigger words undoes most of the protection" in said
    assert "Hardly any effect: Constant trigger words." in said
    assert "MEM-3 380 and 270 (last epoch 415 and 296)" in said
    assert any("1 of MEM-3" in caution and "UNPROTECTED" in caution for caution in verdict.cautions)
    assert any("one victim seed" in caution for caution in verdict.cautions)


@pytest.mark.parametrize(
    ("clean", "mem", "words"),
    [
        ((102, 85), (640, 495), "about chance level"),
        ((102, 85), (200, 160), "only in part"),
        ((102, 85), (104, 88), "does not protect"),
        ((102, 85), (90, 70), "does not protect"),
        ((600, 480), (640, 495), "No verdict: the clean victim is itself near chance (median rank at 9"),
    ],
)
def test_headlines(clean: Medians, mem: Medians, words: str) -> None:
    found = verdict_on(row("clean", [clean], [clean]), row("mem", [mem], [mem]), WORDS)
    assert words in found.headline


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((CLEAN, MEM), "no control with trigger words but without noise was trained alike"),
        ((CLEAN, MEM, row("noise-only", [(110, 90)], [(110, 90)])), "no control with trigger words but without noise"),
        ((MEM, WORDS), "no clean victim was trained beside it"),
        ((CLEAN, MEM.model_copy(update={"best": ()}), WORDS), "the best epoch of the victim is not known"),
        ((CLEAN, row("mem", [(400, 300)], []), WORDS), "the victim was not asked prefixed queries"),
    ],
)
def test_nothing_is_claimed_without_what_a_claim_takes(rows: tuple[object, ...], why: str) -> None:
    found = verdict_on(*rows)
    assert found.headline.startswith("No verdict: ")
    assert why in found.headline
    assert not any("effect" in point for point in found.points)


def test_rows_of_pairs_are_compared_with_the_clean_row_of_pairs() -> None:
    pairs = (Trained(samples=2000, steps=150, settings="s", pairs="pair"),)
    of_pairs = row("em", [(300, 240)], [(300, 240)], name="em-pair", trained=pairs)
    clean = row("clean", [(250, 200)], [(250, 200)], name="clean-pair", trained=pairs)
    inputs = ReportInputs(rows=(CLEAN, clean, MEM, of_pairs), chance=GUESS)
    found = compute_findings(inputs)
    assert [(r.name, r.clean, r.missing) for r in found.rows if r.kind == "method"] == [
        ("mem-3", "clean", ()),
        ("em-pair", "clean-pair", ()),
    ]
    alone = compute_findings(ReportInputs(rows=(CLEAN, of_pairs), chance=GUESS)).row("em-pair")
    assert alone is not None
    assert alone.missing[:2] == (
        "the clean victim has a sample for each image, not for each pair",
        "the clean victim was trained on 6,000 pairs, not on 2,000",
    )
