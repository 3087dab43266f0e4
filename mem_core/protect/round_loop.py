"""The loop over rounds, written once: when a further one is needed, and what its loss was."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from mem_core.config import ProtectConfig


@dataclass
class Rounds:
    """The loop over rounds, whoever does their steps: this process, a flow's tasks, a test.

        for number in rounds:                                       # from 0
            train the surrogate; update every shard with it
            rounds.close({shard: its mean noise loss})

    losses: the mean noise loss of every round that was closed. It ends early where a round's is below the threshold.
    """

    config: ProtectConfig
    losses: list[float] = field(default_factory=list)

    def __iter__(self) -> Iterator[int]:
        for number in range(self.config.fit_rounds):
            yield number
            if self.config.recipe.noise == "optimised" and self.losses[-1] < self.config.loss_threshold:
                return

    def close(self, losses: Mapping[str, float]) -> float:
        """The round's mean over shards, summed in the order of their names: the same whoever finished first. A shard
        without samples has a loss of 0 that says nothing."""
        fitted = [losses[shard] for shard in sorted(losses) if losses[shard]]
        self.losses.append(fmean(fitted) if fitted else 0.0)
        return self.losses[-1]
