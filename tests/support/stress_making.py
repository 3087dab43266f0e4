"""Results of a stress test out of plain numbers."""

from mem_core.audit.detectable import Detectability
from mem_core.audit.stress.attacks import AS_PUBLISHED, Attack
from mem_core.audit.stress.cells import StressCell, StressResult, TrainedOn
from mem_core.victim.config import VictimConfig
from mem_core.victim.metrics import RetrievalResult, chance
from mem_core.victim.result import EpochResult, Evaluation
from tests.support.measured import measured

CHANCE = chance(200, [5] * 200)
PUBLISHED = Attack(name=AS_PUBLISHED, label="as published")
STRIP = Attack(name="strip", label="words dropped")
RECAPTION = Attack(name="recaption", label="re-captioned", control=AS_PUBLISHED)
FOUND = Detectability(
    learned_from=200,
    judged_on=100,
    image_auc=0.987,
    text_auc=0.999,
    purifier_auc=0.75,
    noise_before=4.25,
    noise_after=2.5,
    damage=1.0,
)


def at(image_to_text: float, text_to_image: float) -> RetrievalResult:
    """Median ranks at these shares of chance, with bootstrap draws around them."""
    return measured(image_to_text, CHANCE, other=text_to_image)


def result(
    attack: Attack,
    trained_on: TrainedOn,
    bare: tuple[float, float],
    prefixed: tuple[float, float],
    seed: int = 0,
    *,
    last: float = 1.0,
) -> StressResult:
    """A cell with these shares at its best epoch; at the last one its bare ones are `last` times as high."""
    best = EpochResult(epoch=2, bare=at(*bare), prefixed=at(*prefixed))
    evaluation = Evaluation(
        test="test",
        images=200,
        captions=1000,
        prefix="the",
        bare=at(last * bare[0], last * bare[1]),
        prefixed=at(*prefixed),
        chance=CHANCE,
        best=best,
    )
    cell = StressCell(attack=attack, trained_on=trained_on, seed=seed)
    return StressResult(
        cell=cell, victim=VictimConfig(), samples=50, steps=9, seconds=30.0, evaluation=evaluation, fingerprint=""
    )
