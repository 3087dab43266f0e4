"""One row of a table, from the clean corpus to what its victims retrieve: the plan of it, and the one way it is run.

A plan names everything below the folder of its run:

    CLEAN/train, CLEAN/test, CLEAN/val  clean pairs, as `clean_folder` names CLEAN
    rows/ROW/part, rows/ROW/fitted      where a row fits on its first shards: those, and what was fitted on them
    rows/ROW/protected                  what would be published, verified
    rows/ROW/NAME-SEED                  a victim

Who carries the steps out is the caller's choice: `DirectSteps` calls mem_core, the pipeline runs each as a flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import StopRun
from mem_core.config import ProtectConfig
from mem_core.data.sharding.held_out import VALIDATION
from mem_core.experiments.config import RowConfig, RunConfig, clean_folder, run_order, source_row
from mem_core.protect.destination import PROTECTOR
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import Evaluation


@dataclass(frozen=True)
class VictimPlan:
    """One victim, trained on `corpus` into `out` and queried on `test`; label: its row, in names of runs.

    validation: the pairs by which its best epoch is chosen; "" where there are none.
    """

    label: str
    corpus: str
    out: str
    test: str
    config: VictimConfig
    queries: EvaluateConfig
    seed: int
    validation: str = ""


@dataclass(frozen=True)
class RowPlan:
    """What a row is made of. source: the row it takes its ingredient from, which has to be protected before."""

    row: RowConfig
    clean: str
    test: str
    protect: ProtectConfig
    source: str = ""
    validation: str = ""
    victims: tuple[VictimPlan, ...] = ()

    @property
    def folder(self) -> str:
        """Where the row keeps its corpus and its victims."""
        return f"rows/{self.row.name}"

    @property
    def corpus(self) -> str:
        """What its victims are trained on."""
        return self.clean if self.row.is_clean else f"{self.folder}/protected"

    @property
    def reuse(self) -> str | None:
        """The protected corpus of the row it takes from."""
        return f"rows/{self.source}/protected" if self.source else None

    def with_victim(self, name: str, base: VictimConfig, queries: EvaluateConfig, seed: int) -> "RowPlan":
        """With one victim more, queried with neutral words where the row's triggers stand. base: the run's settings."""
        victim = VictimPlan(
            label=self.row.name,
            corpus=self.corpus,
            out=f"{self.folder}/{name}-{seed}",
            test=self.test,
            config=self.row.victim_config(base),
            queries=queries.neutral(self.protect.trigger.length, self.protect.trigger.placement),
            seed=seed,
            validation=self.validation,
        )
        return replace(self, victims=(*self.victims, victim))


class RowSteps(Protocol):
    """What a row is run with; every place is a name below the run's folder."""

    def take(self, clean: str, part: str, shards: int) -> None:
        """Copies the first shards of a clean corpus."""
        ...

    def protect(
        self, clean: str, dest: str, config: ProtectConfig, protector: str | None = None, reuse: str | None = None
    ) -> None:
        """Protects a corpus. protector: of a fit to replay; reuse: the protected corpus to take an ingredient from."""
        ...

    def verify(self, clean: str, protected: str, record: str) -> VerifyReport:
        """Reads both corpora again. record: a folder to note success in, so that it need not be proven twice."""
        ...

    def train(self, victim: VictimPlan) -> VictimRecord: ...

    def evaluate(self, victim: VictimPlan) -> Evaluation: ...


def plan_row(
    row: RowConfig, table: Sequence[RowConfig], base: ProtectConfig, clean: str, test: str, validation: str = ""
) -> RowPlan:
    """The plan of a row without victims. base: the run's settings; clean: the split to protect or to train on."""
    source = source_row(row, table, base)
    return RowPlan(row, clean, test, row.protect_config(base), source.name if source else "", validation)


def plan_run(config: RunConfig, *, validated: bool = False) -> list[RowPlan]:
    """The rows of a pipeline in the order in which they run, each with a victim for every seed.

    validated: whether the clean corpus has a validation split.
    """
    plans, own = [], clean_folder(None, config)
    for row in run_order(config.table, config.protect):
        clean, validation = f"{clean_folder(row.corpus, config)}/train", f"{own}/{VALIDATION}" if validated else ""
        plan = plan_row(row, config.table, config.protect, clean, f"{own}/test", validation)
        for seed in config.victim_seeds:
            plan = plan.with_victim("victim", config.victim, config.evaluate, seed)
        plans.append(plan)
    return plans


def run_row(plan: RowPlan, steps: RowSteps) -> list[tuple[VictimRecord, Evaluation]]:
    """Protects the row's corpus, proves it, and trains and queries its victims. Raises `StopRun` if the proof fails."""
    protect_row(plan, steps)
    return measure_victims(plan, steps)


def protect_row(plan: RowPlan, steps: RowSteps) -> None:
    """A protected corpus, proven to be what it claims; a clean row needs none. Raises `StopRun` if the proof fails."""
    if plan.row.is_clean:
        return
    config, protector = plan.protect, None
    if plan.row.fit_shards is not None:
        part, fitted = f"{plan.folder}/part", f"{plan.folder}/fitted"
        steps.take(plan.clean, part, plan.row.fit_shards)
        steps.protect(part, fitted, config)
        protector = f"{fitted}/{PROTECTOR}"
        config = config.model_copy(update={"strategy": "replay"})
    steps.protect(plan.clean, plan.corpus, config, protector, plan.reuse)
    report = steps.verify(plan.clean, plan.corpus, plan.folder)
    if not report.ok:
        raise StopRun(
            f"expected {plan.corpus} to verify, but {len(report.problems)} things are wrong, the first in shard "
            f"{report.problems[0]}"
        )


def measure_victims(plan: RowPlan, steps: RowSteps) -> list[tuple[VictimRecord, Evaluation]]:
    """Trains and queries each victim on a corpus that is there."""
    return [(steps.train(victim), steps.evaluate(victim)) for victim in plan.victims]
