"""How near `memshield estimate` comes: each step estimated from a calibration, then run and measured.

    python -m benchmarks.estimates [--data FLICKR8K] [--samples 600] [--size 64] [--preset smoke] [--set KEY=VALUE]

Without data the corpus is drawn. Both the calibration and the run count processor time (--wall: time on the clock), so
that other work on the machine spoils little. Bytes and requests of the run are counted. One process, no scheduler.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.counted_folder import Call, CountedFolder
from flows.cli.presets import load_preset
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.survey import survey_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibration import calibrate, samples_wanted
from mem_core.experiments.estimate.forecast import protect_stages, puts, shard_stage, victim_stage
from mem_core.experiments.estimate.stage import Stage
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from mem_core.protect.round_loop import Rounds
from mem_core.victim.evaluation import query_victim
from mem_core.victim.training import VictimData, train_victim

Clock = Callable[[], float]


class Run:
    """The stages as they were: name -> (seconds, requests)."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.calls = clock, list[Call]()
        self.stages: dict[str, tuple[float, int]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.calls.clear()
        started = self.clock()
        yield
        self.stages[name] = (self.clock() - started, sum(puts(call.size) for call in self.calls))

    def folder(self, path: Path) -> CountedFolder:
        return CountedFolder(LocalFolder(path), self.calls)


def estimated(source: str | Path, root: Path, config: RunConfig, clock: Clock) -> tuple[list[Stage], float]:
    """The stages, and the seconds on the clock that it took to say so."""
    started = time.monotonic()
    survey = survey_source(open_source(source), config.corpus, config.seed, samples_wanted(config))
    costs = calibrate(survey, LocalFolder(root), config, clock=clock)
    stages = [
        shard_stage(survey, costs),
        *protect_stages(survey, costs, config.protect, config.runtime),
        victim_stage(survey, survey, costs, config.victim, config.runtime),
    ]
    return stages, time.monotonic() - started


def measured(source: str | Path, root: Path, config: RunConfig, clock: Clock) -> tuple[Run, int]:
    """The run itself, and the bytes of the protected corpus with its protector."""
    run = Run(clock)
    with run.stage("shard"):
        shard_source(open_source(source), run.folder(root / "clean"), config.corpus, config.seed)
    clean, dest, test = run.folder(root / "clean/train"), run.folder(root / "out"), run.folder(root / "clean/test")
    protection = Protection(Places(clean, dest), config.protect, config.runtime, seed=config.seed)
    with run.stage("fit"):
        protection.begin()
        rounds = Rounds(config.protect)
        for number in () if protection.fitted else rounds:
            protection.fit.train_surrogate(number)
            rounds.close({shard: protection.fit.update_shard(shard, number) for shard in protection.shards})
        if rounds.losses:
            protection.fit.finish(rounds.losses)
    with run.stage("publish"):
        protection.plan()
        for shard in protection.shards:
            protection.publish(shard)
        protection.finish()
    left = sum(path.stat().st_size for path in (root / "out").rglob("*") if path.is_file())
    with run.stage("verify"):
        verify_corpus(clean, dest, tokenize=Tokenizer(77).encode)
    with run.stage("victim"):
        out = run.folder(root / "victim")
        train_victim(VictimData(dest, test=test, queries=config.evaluate), out, config.victim, config.runtime, seed=0)
        query_victim(out, test, config.evaluate, config.runtime)
    return run, left


def table(stages: list[Stage], run: Run, left: int) -> str:
    """Estimated beside measured, as Markdown."""
    lines = ["| step | estimated s | took s | took / estimated | requests | were |", "| --- " * 6 + "|"]
    row = "| {} | {:.1f} | {:.1f} | {:.2f} | {} | {} |"
    for stage in stages:
        seconds, requests = run.stages[stage.name]
        ratio = seconds / max(stage.seconds, 1e-9)
        lines.append(row.format(stage.name, stage.seconds, seconds, ratio, round(stage.put + stage.get), requests))
    said, took = sum(stage.seconds for stage in stages), sum(run.stages[stage.name][0] for stage in stages)
    asked = round(sum(stage.put + stage.get for stage in stages))
    were = sum(run.stages[stage.name][1] for stage in stages)
    lines.append(row.format("all", said, took, took / said, asked, were))
    kept = sum(stage.kept for stage in stages if stage.name in ("fit", "publish"))
    return "\n".join(
        [*lines, f"protected corpus and protector: {kept / 1e6:.1f} MB estimated, {left / 1e6:.1f} MB are"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a source in place of a drawn one")
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--size", type=int, default=64, help="side of drawn pictures")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--wall", action="store_true")
    given = parser.parse_args()
    limits = [f"corpus.limit={given.samples}", f"corpus.test_limit={max(100, given.samples // 6)}"]
    config = load_preset(given.preset, [*limits, *given.set])
    clock = time.perf_counter if given.wall else time.process_time
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = given.data or draw_corpus(root / "source", given.samples, max(100, given.samples // 6), given.size, 0)
        stages, seconds = estimated(source, root / "scratch", config, clock)
        run, left = measured(source, root / "run", config, clock)
    print(table(stages, run, left))
    print(f"the estimate itself took {seconds:.0f} s on the clock")


if __name__ == "__main__":
    main()
