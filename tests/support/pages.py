"""Every page of memshield, of made-up numbers. `python -m tests.support.pages FOLDER` leaves them to look at."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mem_core.audit.certificate.certificate import Audit, Committed, Made
from mem_core.audit.certificate.evidence import certify
from mem_core.audit.certificate.page import certificate_page
from mem_core.audit.certificate.trials import trials_of_cells
from mem_core.audit.evidence.blocks import blocks_needed
from mem_core.audit.evidence.commitment import Commitment
from mem_core.audit.evidence.detection import AskedModel, Detection, coins_of
from mem_core.audit.evidence.outcome import EvidencePlan, outcome_of
from mem_core.audit.evidence.page import detection_page
from mem_core.audit.evidence.scores import Score
from mem_core.audit.preview import preview_page
from mem_core.audit.stress.chart import draw_stress
from mem_core.audit.stress.findings import judge_attacks
from mem_core.audit.stress.page import StressReport, stress_page
from mem_core.data.image_quality import QualitySummary
from mem_core.experiments.reproduce.experiment import Section, StudyPicture, Table
from mem_core.experiments.reproduce.page import study_page
from mem_core.experiments.reproduce.scale import load_scale
from mem_core.protect.coins import TwinKey
from mem_core.report.alt_texts import shares_in_words
from mem_core.report.figures import Styles, png
from mem_core.report.findings import compute_findings
from mem_core.report.page import draw_pictures, render_page
from mem_core.report.share_chart import draw_shares
from mem_core.report.verdict import judge
from tests.support.report_making import FULL, montage_item
from tests.support.stress_making import FOUND, PUBLISHED, RECAPTION, STRIP, result

_HASH = "0123456789abcdef" * 4
_CELLS = [
    result(PUBLISHED, "protected", (0.8, 0.9), (0.85, 0.7), last=1.2),
    result(PUBLISHED, "clean", (0.2, 0.3), (0.2, 0.3)),
    result(STRIP, "protected", (0.4, 0.9), (0.5, 0.7)),
    result(STRIP, "clean", (0.3, 0.9), (0.3, 0.7)),
    result(RECAPTION, "protected", (1.1, 1.2), (1.2, 1.3)),
]


def report() -> bytes:
    """Two samples with captions that need escaping, every table and chart."""
    findings = compute_findings(FULL)
    return render_page(FULL, findings, judge(FULL, findings), draw_pictures(FULL, findings))


def stress() -> bytes:
    findings = judge_attacks([PUBLISHED, STRIP, RECAPTION], _CELLS)
    about = {"trained on": "50 pairs of 60", "model": "tiny-resnet-64, 10 epochs", "seeds": "0, 1"}
    report = StressReport(findings=findings, detectability=FOUND, about=about)
    return stress_page(report, png(draw_stress(findings)))


def certificate() -> bytes:
    spread = QualitySummary(samples=23, mean=33.1, median=33, fifth_percentile=31, lowest=30.2)
    made = Made(
        manifest=_HASH,
        shards=1,
        counts={"failed": 2, "protected": 1},
        methods=("mem",),
        epsilon_levels=8,
        trigger_length=1,
        versions=("0.6.0",),
        protectors=(_HASH,),
        config={},
        psnr=spread,
        ssim=None,
        backed_off=1,
        reasons={"the image is broken": 2},
    )
    committed = Committed(
        sha256=_HASH, written="2026-03-01T12:00:00+00:00", statistic="words-and-noise", alpha=0.001, pairs=1500
    )
    return certificate_page(
        certify(made, Audit(compared=True, clean=_HASH), trials_of_cells(_CELLS)).model_copy(
            update={"committed": committed}
        )
    )


def detection(pairs: int = 1500) -> bytes:
    """A model that guesses three coins of five by the words, and none by the noise."""
    key, plan = TwinKey(b"k" * 32), EvidencePlan()
    commitment = Commitment(
        written="2026-03-01T12:00:00+00:00",
        corpus="c0ffee",
        key_sha256=key.sha256,
        method="random-trigger",
        share=1,
        pairs=pairs,
        blocks=(_HASH,) * blocks_needed(pairs),
        manifest=_HASH,
        shards={},
        test=plan,
    ).sealed()
    names = tuple(f"00000/{number:09d}" for number in range(pairs))
    coins = coins_of(commitment, key, names)
    noise = np.random.default_rng(0).normal(size=(2, pairs))
    arrays: dict[Score, np.ndarray] = {"words": 0.2 * (2 * coins - 1) + noise[0], "noise": noise[1]}
    found = Detection(
        model=AskedModel(
            name="their-model.safetensors", sha256=_HASH, about="ViT-B-32, which reads images at 224 pixels"
        ),
        commitment=commitment.sha256,
        test=plan,
        outcome=outcome_of(plan, arrays, coins),
        pairs=names,
        preferences={score: tuple(values.tolist()) for score, values in arrays.items()},
    ).sealed()
    return detection_page(commitment, found, key)


def preview(count: int = 2) -> bytes:
    return preview_page(
        [
            montage_item(f"00000000{number}", side=64, name=f"holiday in Zürich/IMG_20260{number}.jpg")
            for number in range(count)
        ],
        23,
        "s3://out/protected",
    )


def study() -> bytes:
    """One experiment with a wide table, a chart and photographs."""
    findings = compute_findings(FULL)
    figure = draw_shares(findings, Styles(FULL.rows))
    assert figure is not None
    header = ("training set", "seeds", *(f"Hit@10 bare, epoch {number}" for number in range(8)), "paper")
    table = Table(
        caption="flickr8k, victim main",
        header=header,
        rows=(("By chance", *["100\N{NO-BREAK SPACE}%"] * 10), ("MEM-3", *["64 / 62"] * 10)),
        bold=(1,),
        marked=(10,),
        notes=("Each figure: image to text / text to image.",),
    )
    pictures = (
        StudyPicture("table1-flickr8k-shares", png(figure), "Shares of chance.", shares_in_words(findings)),
        StudyPicture("figure5-flickr8k", png(figure), "Where the cosine comes from.", photos=True),
    )
    sections = [Section("table1", "Table 1", "Every method.", (table,), pictures, ("One seed.",))]
    return study_page(load_scale("smoke"), "1 of 6 cells is measured so far.", ["figure 5: no data"], sections)


PAGES: dict[str, Callable[[], bytes]] = {
    "report": report,
    "stress": stress,
    "certificate": certificate,
    "detection": detection,
    "preview": preview,
    "study": study,
}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (Path(sys.argv[1]) / f"{name}.html").write_bytes(made())
