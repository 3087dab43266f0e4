"""The steps of a row as plain calls, for a machine without a scheduler; each may be left at its checkpoints."""

from dataclasses import dataclass

from mem_core.audit.verify.problems import VerifyReport
from mem_core.audit.verify.record import verify
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.corpus import copy_shards, corpus_fingerprint
from mem_core.experiments.row_runner import VictimPlan
from mem_core.protect.protection import Places, Protection, protect_all
from mem_core.victim.evaluation import query_victim
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import Evaluation
from mem_core.victim.training import VictimData, train_victim


@dataclass(frozen=True)
class DirectSteps:
    """`RowSteps` below one folder. seed: of noise and triggers."""

    folder: Folder
    runtime: RuntimeConfig
    seed: int
    progress: Progress = silent
    checkpoint: Checkpoint = carry_on

    def take(self, clean: str, part: str, shards: int) -> None:
        copy_shards(self.folder.below(clean), self.folder.below(part), shards)

    def protect(
        self, clean: str, dest: str, config: ProtectConfig, protector: str | None = None, reuse: str | None = None
    ) -> None:
        protection = Protection(
            Places(
                self.folder.below(clean),
                self.folder.below(dest),
                protector=self.folder.below(protector) if protector else None,
                reuse=self.folder.below(reuse) if reuse else None,
            ),
            config,
            self.runtime,
            seed=self.seed,
        )
        protect_all(protection, progress=self.progress, checkpoint=self.checkpoint)

    def verify(self, clean: str, protected: str, record: str) -> VerifyReport:
        """Notes nothing: a caller knows what it has protected."""
        return verify(self.folder.below(clean), self.folder.below(protected), self.progress)

    def train(self, victim: VictimPlan) -> VictimRecord:
        corpus = self.folder.below(victim.corpus)
        return train_victim(
            VictimData(
                corpus,
                fingerprint=corpus_fingerprint(corpus),
                validation=self.folder.below(victim.validation) if victim.validation else None,
                test=self.folder.below(victim.test),
                queries=victim.queries,
            ),
            self.folder.below(victim.out),
            victim.config,
            self.runtime,
            seed=victim.seed,
            progress=self.progress,
            checkpoint=self.checkpoint,
        )

    def evaluate(self, victim: VictimPlan) -> Evaluation:
        out, test = self.folder.below(victim.out), self.folder.below(victim.test)
        return query_victim(out, test, victim.queries, self.runtime)
