"""Which captions a batch is paired with: shuffled ones with trigger (MEM), its own (EM), or its own without trigger."""

from dataclasses import dataclass
from itertools import pairwise

from mem_core.perturb.context import FitContext


@dataclass(frozen=True)
class Pairing:
    """own_captions: not shuffled. trigger: whether it is shown at all."""

    own_captions: bool
    trigger: bool


def pairings(context: FitContext, count: int) -> list[Pairing]:
    """`count` pairings, in which each kind has its share, spread evenly; the last ones are the own ones."""
    config = context.config.noise
    own = _spread(config.own_captions, count) if context.recipe.shuffles_captions else [True] * count
    bare = iter(_spread(config.triggerless, sum(own)))
    return [Pairing(is_own, not (is_own and next(bare))) for is_own in own]


def _spread(share: float, count: int) -> list[bool]:
    """A share of `count` places, as evenly as can be: place i is taken where i * share passes a whole number."""
    taken = [int(share * i + 1e-9) for i in range(count + 1)]
    return [after > before for before, after in pairwise(taken)]
