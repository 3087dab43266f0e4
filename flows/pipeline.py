"""The whole way: shard, then for every row protect, verify, train, evaluate; then the report.

DEST/run.json                        the settings
DEST/clean/train, test, val          clean shards; DEST/clean-pair where rows want a sample for each pair
DEST/rows/ROW/protected              what would be published
DEST/rows/ROW/victim-SEED            a model trained on it, and what it retrieves
DEST/report/report.html
"""

import time
from dataclasses import dataclass
from typing import Annotated

from prefect.runtime import flow_run

from flows.evaluate import evaluate
from flows.local_server.server import estimates
from flows.parameters import Dest, Format, Preset, Seed, Settings, Source, chosen, said
from flows.protect import protect
from flows.recorded import recorded
from flows.report import report
from flows.shard import shard
from flows.train import train
from flows.verify import verify
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import SourceError
from mem_core.common.formatting import duration
from mem_core.config import ProtectConfig
from mem_core.data.sharding.held_out import VALIDATION
from mem_core.data.sharding.sharder import ShardingSummary
from mem_core.experiments.config import RunConfig, clean_folder, time_left
from mem_core.experiments.row_runner import VictimPlan, plan_run, run_row
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import Evaluation
from tasks.estimating import note_run
from tasks.progress import say
from tasks.reporting import ReportPlace, keep_run
from tasks.result_pages import show_pipeline
from tasks.sharding import take_shards
from tasks.storage import address_below


def _run_name() -> str:
    given = flow_run.parameters
    preset = given["config"].name if given["config"] else given["preset"]
    return f"pipeline {preset}, {given['source']} into {given['dest']}"


@recorded("pipeline", run_name=_run_name, told=lambda place: place.summary.verdict.headline)
def pipeline(
    source: Source,
    dest: Dest,
    format: Format = "auto",
    preset: Preset = "cpu",
    settings: Settings = (),
    seed: Seed = None,
    config: Annotated[
        RunConfig | None,
        said("Everything at once, in place of preset, settings and seed: rows, seeds and all their settings."),
    ] = None,
) -> ReportPlace:
    """Everything from a source to a report. Running it again does only what is missing."""
    started = time.monotonic()
    config = config or chosen(preset, settings, seed)
    own = config.corpus.one_sample_per
    kinds = dict.fromkeys([own, *(row.corpus or own for row in config.table)])
    steps = FlowSteps(dest, config, preset)
    clean = {kind: steps.shard(source, kind, format) for kind in kinds}
    for splits in clean.values():
        _require(splits, "train", source)
    _require(clean[own], "test", source)
    fresh = keep_run(dest, config) and not any(split.kept for splits in clean.values() for split in splits.values())
    validated = VALIDATION in clean[own] and clean[own][VALIDATION].samples > 1
    if not validated and config.victim.validation_pairs:
        say(f"no validation pairs in {source}, so no best epoch: `corpus.validation` holds some out of train")
    plans, begun = plan_run(config, validated=validated), time.monotonic()
    rows = [plan.row for plan in plans]
    for number, plan in enumerate(plans):
        left = time_left(rows, number, time.monotonic() - begun, config.protect, len(config.victim_seeds))
        say(f"row {number + 1} of {len(rows)}: {plan.row.name}" + (f", about {duration(left)} left" if left else ""))
        run_row(plan, steps)
    place = report(dest, config)
    show_pipeline(dest, place.summary, config.table)
    if fresh:
        taken = clean[own]["train"]
        samples = taken.samples + taken.failed
        note_run(estimates(), config, config.runtime, samples, time.monotonic() - started)
    return place


@dataclass(frozen=True)
class FlowSteps:
    """The steps of a row (`RowSteps`), each as a flow of its own; places are names below DEST."""

    dest: str
    config: RunConfig
    preset: str

    def shard(self, source: str, kind: str, format: str) -> dict[str, ShardingSummary]:
        """The clean corpus with a sample for each `kind`, image or pair."""
        corpus = self.config.corpus.model_copy(update={"one_sample_per": kind})
        dest = self._at(clean_folder(kind, self.config))
        return shard(source, dest, format, self.preset, seed=self.config.seed, config=corpus)

    def take(self, clean: str, part: str, shards: int) -> None:
        take_shards(self._at(clean), self._at(part), shards)

    def protect(
        self, clean: str, dest: str, config: ProtectConfig, protector: str | None = None, reuse: str | None = None
    ) -> None:
        protect(
            self._at(clean),
            self._at(dest),
            self.preset,
            seed=self.config.seed,
            config=config,
            runtime=self.config.runtime,
            protector=self._at(protector) if protector else None,
            reuse=self._at(reuse) if reuse else None,
        )

    def verify(self, clean: str, protected: str, record: str) -> VerifyReport:
        return verify(self._at(clean), self._at(protected), record=self._at(record))

    def train(self, victim: VictimPlan) -> VictimRecord:
        corpus, out, test = (self._at(name) for name in (victim.corpus, victim.out, victim.test))
        return train(
            corpus,
            out,
            test,
            self._at(victim.validation) if victim.validation else None,
            preset=self.preset,
            seed=victim.seed,
            config=victim.config,
            evaluate=victim.queries,
            runtime=self.config.runtime,
            label=victim.label,
        )

    def evaluate(self, victim: VictimPlan) -> Evaluation:
        out, test, label = self._at(victim.out), self._at(victim.test), f"{victim.label}, seed {victim.seed}"
        return evaluate(out, test, self.preset, config=victim.queries, runtime=self.config.runtime, label=label)

    def _at(self, name: str) -> str:
        return address_below(self.dest, name)


def _require(splits: dict[str, ShardingSummary], name: str, source: str) -> None:
    if name not in splits or not splits[name].samples:
        raise SourceError(
            f"expected a {name} split with usable samples in {source}, got {', '.join(splits) or 'none'}: "
            "`--set corpus.holdout=0.1`, with another destination, keeps a share of the samples for test"
        )
