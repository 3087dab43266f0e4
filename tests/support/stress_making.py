"""Results of a stress test out of plain numbers."""

from mem_core.audit.stress.attacks import AS_PUBLISHED, Attack
from mem_core.audit.stress.cells import StressCell, StressResult, TrainedOn
from mem_core.victim.config import VictimConfig
from mem_core.victim.evaluation import Evaluation
from mem_core.victim.metrics import DirectionResult, RetrievalResult, chance

CHANCE = chance(100, [5] * 100)
PUBLISHED = Attack(name=AS_PUBLISHED, label="as published")
STRIP = Attack(name="strip", label="words dropped")
RECAPTION = Attack(name="recaption", label="re-captioned", control=AS_PUBLISHED)


def at(image_to_text: float, text_to_image: float) -> RetrievalResult:
    """Median ranks at these shares of chance."""

    def direction(share: float, like: DirectionResult) -> DirectionResult:
        return like.model_copy(update={"median_rank": max(1.0, share * like.median_rank)})

    return RetrievalResult(
        image_to_text=direction(image_to_text, CHANCE.image_to_text),
        text_to_image=direction(text_to_image, CHANCE.text_to_image),
    )


def result(
    attack: Attack, trained_on: TrainedOn, bare: tuple[float, float], prefixed: tuple[float, float], seed: int = 0
) -> StressResult:
    evaluation = Evaluation(
        test="test", images=100, captions=500, prefix="the", bare=at(*bare), prefixed=at(*prefixed), chance=CHANCE
    )
    cell = StressCell(attack=attack, trained_on=trained_on, seed=seed)
    return StressResult(
        cell=cell, victim=VictimConfig(), samples=50, steps=9, seconds=30.0, evaluation=evaluation, fingerprint=""
    )
