"""One cell of a stress test: a victim trained under one attack, on protected or on clean pairs, and what it retrieves.

A cell is one JSON file. Victims are scratch: their weights are removed once the cell is written.
"""

from collections.abc import Sequence
from typing import Literal

from mem_core import __version__
from mem_core.audit.stress.attacks import Attack
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, Placement
from mem_core.config.stored import read_record
from mem_core.data.finished_shard import protected_receipts
from mem_core.victim.config import VictimConfig
from mem_core.victim.result import Evaluation

TrainedOn = Literal["protected", "clean"]
_CELLS, CELL = "cells", "a cell of a stress test"


class StressCell(Frozen):
    """Which victim: the attack, what it is trained on, and the seed."""

    attack: Attack
    trained_on: TrainedOn
    seed: int

    @property
    def name(self) -> str:
        """As in file names: `strip-protected-0`."""
        return f"{self.attack.name}-{self.trained_on}-{self.seed}"

    def victim(self, base: VictimConfig, samples: int | None) -> VictimConfig:
        """The settings that it is trained with."""
        return self.attack.victim(base, samples, clean=self.trained_on == "clean")

    @property
    def file(self) -> str:
        """Where the result is kept, below the destination of the test."""
        return f"{_CELLS}/{self.name}.json"


class StressResult(Frozen):
    """What a cell's victim retrieves, and what it took.

    protected: fingerprint of the corpus under attack, "" where that is not known, as in cells of 0.3.0.
    """

    format: int = 1
    cell: StressCell
    victim: VictimConfig
    samples: int
    steps: int
    seconds: float
    evaluation: Evaluation
    fingerprint: str
    protected: str = ""
    code_version: str = __version__


def cells_of(attacks: Sequence[Attack], seeds: Sequence[int]) -> list[StressCell]:
    """Every victim that the attacks take, in their order; an attack with another's control needs no clean one, and one
    that reads another's victims none at all."""
    cells = []
    for attack in (attack for attack in attacks if not attack.reads):
        sides: tuple[TrainedOn, ...] = ("protected",) if attack.control else ("protected", "clean")
        cells += [StressCell(attack=attack, trained_on=side, seed=seed) for seed in seeds for side in sides]
    return cells


def read_cell(out: Folder, cell: StressCell) -> StressResult | None:
    """The result of a cell, None if there is none. Raises `MismatchError` if it cannot be read."""
    return read_record(out, cell.file, StressResult, CELL)


class Subject(Frozen):
    """What was done to a corpus, and how many samples it publishes."""

    method: str
    trigger_length: int
    placement: Placement
    epsilon_levels: int
    samples: int


def read_subject(protected: Folder) -> Subject:
    """Raises `SourceError` for a corpus that was not protected by this tool, or in more than one way."""
    receipts = protected_receipts(protected)
    ways = {(r.method, r.trigger_length, r.placement, r.epsilon_levels) for r in receipts}
    if len(ways) > 1:
        raise SourceError(
            f"expected a corpus protected in one way in {protected.uri}, but its shards were protected with "
            f"{', '.join(sorted({method for method, *_ in ways}))} at different settings"
        )
    ((method, length, placement, epsilon),) = ways
    samples = sum(r.counts.get("protected", 0) + r.counts.get("passthrough", 0) for r in receipts)
    where = placement if length else "front"  # without words it says nothing
    return Subject(method=method, trigger_length=length, placement=where, epsilon_levels=epsilon, samples=samples)
