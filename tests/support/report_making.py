"""The rows of a report with known numbers, and one that has everything."""

import numpy as np

from mem_core.config import Method
from mem_core.report import EpochPoint, MontageItem, ProtectedSummary, ReportInputs, ReportRow
from mem_core.report.claims import Trained
from mem_core.victim.metrics import DirectionResult, RetrievalResult, chance
from mem_core.victim.result import EpochResult

GUESS = chance(1000, [5] * 1000)
Medians = tuple[float, float]
_DRAWS = np.random.default_rng(0).normal(1, 0.04, (2, 400))  # of the test images, the same for all models


def result(medians: Medians) -> RetrievalResult:
    image, text = (
        DirectionResult(
            hit_at_1=1 / median,
            hit_at_5=min(1, 5 / median),
            hit_at_10=min(1, 10 / median),
            median_rank=median,
            mean_rank=1.5 * median,
            queries=queries,
            items=items,
            median_rank_draws=tuple(np.round(np.maximum(2, 2 * median * draws)) / 2),
        )
        for median, queries, items, draws in zip(medians, (1000, 5000), (5000, 1000), _DRAWS, strict=True)
    )
    return RetrievalResult(image_to_text=image, text_to_image=text)


def row(method: Method, bare: list[Medians], prefixed: list[Medians], name: str = "", **more: object) -> ReportRow:
    """A row whose best epoch is as the last one; best=() for one whose best is not known."""
    seeds = tuple(range(len(bare)))
    last = list(zip(map(result, bare), map(result, prefixed), strict=False))
    best = tuple(EpochResult(epoch=3, bare=one, prefixed=other) for one, other in last)
    trained = tuple(Trained(samples=6000, steps=470, settings="s", pairs="image") for _ in seeds)
    values = {"name": name or method, "method": method, "seeds": seeds, "best": best, "trained": trained} | more
    return ReportRow.model_validate(
        values | {"bare": tuple(map(result, bare)), "prefixed": tuple(map(result, prefixed))}
    )


def at_best(bare: Medians, prefixed: Medians, epoch: int = 2) -> tuple[EpochResult]:
    """The best epoch of a row with one seed."""
    return (EpochResult(epoch=epoch, bare=result(bare), prefixed=result(prefixed)),)


def curve(end: float) -> tuple[EpochPoint, ...]:
    return tuple(
        EpochPoint(epoch=n, loss=4 / n, image_to_text_median_rank=end * 2 / n, text_to_image_median_rank=end / n)
        for n in range(1, 4)
    )


def montage_item(key: str, side: int = 12, name: str = "") -> MontageItem:
    ramp = np.linspace(0, 255, side * side * 3).astype(np.uint8).reshape(side, side, 3)
    moved = np.clip(ramp.astype(int) + np.where(np.indices(ramp.shape).sum(0) % 2, 8, -8), 0, 255).astype(np.uint8)
    caption = "red kite sail A <b>dog</b> & a ball"
    return MontageItem(
        key=key, name=name, clean=ramp, protected=moved, caption=caption, marked=((0, 13),), psnr=31.2, ssim=0.9
    )


CLEAN = row("clean", [(102, 85)], [(107, 90)], best=at_best((98, 80), (101, 86)), history=(curve(100),))
MEM = row(
    "mem",
    [(415, 296)],
    [(447, 362)],
    name="mem-3",
    label="MEM-3",
    best=at_best((380, 270), (420, 350)),
    history=(curve(400),),
    protected=ProtectedSummary(
        counts={"protected": 5998, "failed": 2, "passthrough": 1},
        epsilon_levels=8,
        max_abs_difference=8,
        trigger_length=3,
        triggers=("red kite sail",),
        psnr=(31.0, 33.0, None, 35.0),
        ssim=(0.9, 0.93, 1.0, 0.95),
        seconds=650,
        fingerprint="ab" * 32,
    ),
)
CONTROLS = (
    row("constant-trigger", [(116, 90)], [(116, 95)]),
    row("random-trigger", [(333, 244)], [(324, 370)]),
    row("trigger-only", [(357, 271)], [(380, 355)]),
    row("noise-only", [(109, 97)], [(119, 97)]),
)
EM = row("em", [(383, 165)], [(368, 170)])
FULL = ReportInputs(
    title="Flickr8k <protected>",
    subtitle="64 px",
    rows=(MEM, CLEAN, EM, *CONTROLS),
    chance=GUESS,
    pictures_of="mem-3",
    montage=(montage_item("000000000"), montage_item("000000001")),
    worst=(montage_item("000000009", side=300, name="trip/<lake> & hill.jpg"),),
    config={"name": "flickr8k", "protect": {"method": "mem"}},
    versions={"torch": "2.14"},
    environment={"command": "memshield pipeline"},
    links={"run": "http://127.0.0.1:4200/runs/1", "trap": "javascript:alert(1)"},
    notes=("One generation seed throughout.",),
)
