"""An estimate against the run that it is about: requests and bytes must be right, arithmetic must obey its laws."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig, fingerprint
from mem_core.data.readers import RawSample, open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibration import calibrate, samples_wanted
from mem_core.experiments.estimate.costs import Costs, FitCost, ProtectCost, SourceCost
from mem_core.experiments.estimate.forecast import Forecast, Stage, pipeline_stages, protect_stages, shard_stage
from mem_core.experiments.estimate.history import (
    EstimateRecord,
    RunCost,
    add_run,
    identity_of,
    keep_estimate,
    past_errors,
)
from mem_core.experiments.estimate.request_counter import Call, Calls, CountedFolder, Requests, puts
from mem_core.experiments.estimate.survey import Survey, sharded_splits, survey_shards, survey_source
from mem_core.models import Tokenizer
from mem_core.protect.protection import Protection


class Ticks:
    """A clock that moves on by one each time it is read: every step takes a whole number of them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def config(smoke: RunConfig) -> RunConfig:
    """Small enough that a calibration takes a second."""
    protect = smoke.protect.model_copy(update={"batch_size": 16})
    corpus = smoke.corpus.model_copy(update={"samples_per_shard": 20})
    return smoke.model_copy(update={"protect": protect, "corpus": corpus})


@pytest.fixture(scope="module")
def measured(drawn_source: Path, config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Costs]:
    reader = open_source(drawn_source)
    survey, drawn = survey_source(reader, config.corpus, 0, samples_wanted([config.protect], [config.victim]))
    scratch = LocalFolder(tmp_path_factory.mktemp("scratch"))
    return survey, calibrate(drawn, scratch, config, [config.protect], [config.victim], clock=Ticks())


def test_a_survey_counts_what_sharding_would_take(drawn_source: Path, tmp_path: Path) -> None:
    reader = open_source(drawn_source)
    for corpus in (CorpusConfig(samples_per_shard=20), CorpusConfig(samples_per_shard=20, limit=33, test_limit=5)):
        survey, drawn = survey_source(reader, corpus, 0, 10)
        dest = LocalFolder(tmp_path / str(corpus.limit))
        made = shard_source(reader, dest, corpus)
        assert survey.samples == {split: one.samples + one.failed for split, one in made.items()}
        assert survey.shards == {split: one.shards for split, one in made.items()}
        assert len({sample.name for sample in drawn}) == 10
        again, shown = survey_shards(sharded_splits(dest), 0, 10)
        assert (again.samples, again.shards, again.sharded) == (survey.samples, survey.shards, True)
        assert len(shown) == 10
        assert shown[0].checked().width == 32
    assert sharded_splits(LocalFolder(drawn_source)) == {}


@dataclass(frozen=True)
class Numbered:
    """A source of numbers, all of one split."""

    split: str = ""
    format: str = "numbers"
    uri: str = "memory"

    def __iter__(self) -> Iterator[RawSample]:
        return iter(RawSample(str(i), lambda: b"", ("a caption",), self.split) for i in range(200))


def test_samples_are_drawn_evenly() -> None:
    drawn = [
        int(sample.name) for seed in range(60) for sample in survey_source(Numbered(), CorpusConfig(), seed, 20)[1]
    ]
    assert abs(fmean(drawn) - 99.5) < 8  # 57.7 / sqrt(1200) is 1.7
    assert min(drawn) < 10
    assert max(drawn) > 190


def test_a_source_without_training_samples_is_refused() -> None:
    with pytest.raises(SourceError, match="expected samples for a train split in memory"):
        survey_source(Numbered("test"), CorpusConfig(), 0, 5)


def test_shards_without_training_samples_or_already_protected_are_refused(
    drawn_source: Path, config: RunConfig, tmp_path: Path
) -> None:
    dest = LocalFolder(tmp_path / "clean")
    shard_source(open_source(drawn_source), dest, config.corpus)
    cut = LocalFolder(tmp_path / "cut")
    shutil.copytree(dest.path, cut.path)
    cut.delete("train/00001.tar")
    only_test = {"test": dest.below("test")}
    with pytest.raises(SourceError, match=rf"expected samples for a train split in {dest.uri}, but it has none"):
        survey_shards(only_test, 0, 5)
    with pytest.raises(
        SourceError, match=r"expected 00001\.tar, which its receipt lists, in .*train, but it is missing"
    ):
        survey_shards(sharded_splits(cut), 0, 20)
    noise = config.protect.model_copy(update={"method": "random-noise"})
    protection = Protection(dest.below("train"), LocalFolder(tmp_path / "out"), noise, config.runtime, seed=0)
    protection.begin()
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    with pytest.raises(SourceError, match="was protected with random-noise: protecting it again would add up noise"):
        survey_shards(sharded_splits(LocalFolder(tmp_path / "out")), 0, 5)


def test_requests_and_bytes_are_those_of_the_run(
    drawn_source: Path, config: RunConfig, measured: tuple[Survey, Costs], tmp_path: Path
) -> None:
    survey, costs = measured
    calls: list[Call] = []
    clean = CountedFolder(LocalFolder(tmp_path / "clean"), calls)
    shard_source(open_source(drawn_source), clean, config.corpus)
    fit, publish, verify = protect_stages(survey, costs, config.protect, config.runtime)
    train, dest = clean.below("train"), CountedFolder(LocalFolder(tmp_path / "out"), calls)
    protection = Protection(train, dest, config.protect, config.runtime, seed=0)
    calls.clear()
    protection.begin()
    losses = []
    for number in range(config.protect.rounds):
        protection.fit.train_surrogate(number)
        losses.append(fmean(protection.fit.update_shard(shard, number) for shard in protection.shards))
    protection.fit.finish(losses)
    assert fit.requests.total == pytest.approx(asked(calls), rel=0.15)
    calls.clear()
    protection.plan()
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    assert publish.requests.total == asked(calls)
    calls.clear()
    verify_corpus(train, dest, tokenize=Tokenizer(77).encode)
    assert verify.requests.total == asked(calls)
    left = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert publish.kept == pytest.approx(left, rel=0.02)
    sharded = sum(path.stat().st_size for path in (tmp_path / "clean").rglob("*") if path.is_file())
    assert shard_stage(survey, costs).kept == pytest.approx(sharded, rel=0.1)


def asked(calls: list[Call]) -> int:
    return sum((call.requests for call in calls), Requests()).total


def test_every_step_is_timed(measured: tuple[Survey, Costs]) -> None:
    costs = measured[1]
    (way,), (victim,) = costs.ways.values(), costs.victims.values()
    assert way.fit is not None
    timed = [costs.source.seconds, costs.source.load, way.publish, way.verify, victim.pair, victim.epoch, victim.query]
    assert all(seconds > 0 for seconds in (*timed, way.fit.pair, way.fit.first, way.fit.later))
    assert way.fit.surrogate > 1_000_000
    assert (way.memory, victim.memory, costs.device) == (None, None, "cpu")


def test_a_pipeline_has_all_rows_and_victims(measured: tuple[Survey, Costs], config: RunConfig) -> None:
    survey, costs = measured
    rows = config.model_copy(update={"rows": ("clean", "mem", "trigger-only"), "victim_seeds": (0, 1)})
    stages = {stage.name: stage for stage in pipeline_stages({"image": survey}, costs, rows)}
    assert list(stages) == [
        *("shard", "clean: 2 victims", "mem: fit", "mem: publish", "mem: verify", "mem: 2 victims"),
        *("trigger-only: publish", "trigger-only: verify", "trigger-only: 2 victims"),
    ]
    assert stages["mem: publish"].kept - stages["trigger-only: publish"].kept > 2 * 1_000_000  # the protector
    assert stages["clean: 2 victims"] == stages["mem: 2 victims"].model_copy(update={"name": "clean: 2 victims"})


def arithmetic(samples: int, held: bool) -> Forecast:
    one = Calls(shard=Requests(get=2), uploads=(100.0,))
    fit = FitCost(
        pair=0.01, round=1, first=0.1, later=0.05, state=300, surrogate=1000, optimizer=2000,
        begin=one, train=Calls(fixed=Requests(put=2)), advance=one,
    )  # fmt: skip
    way = ProtectCost(fit=fit, publish=0.01, verify=0.01, tar=500, beside=10, publishing=one, verifying=one)
    source = SourceCost(seconds=0.01, load=0.002, tar=100, beside=5, pixels=3000, calls=one)
    run = RunConfig()
    runtime = run.runtime.model_copy(update={"cache_mb": 2**20 if held else 0})
    costs = Costs(samples=10, device="cpu", source=source, ways={fingerprint(run.protect): way})
    survey = Survey(uri="u", samples={"train": samples}, shards={"train": -(-samples // 1000)}, sharded=True)
    return Forecast(stages=protect_stages(survey, costs, run.protect, runtime))


@given(st.integers(1, 300), st.booleans())
def test_twice_the_shards_take_twice_the_time_but_for_the_surrogate(shards: int, held: bool) -> None:
    small, large = arithmetic(1000 * shards, held), arithmetic(2000 * shards, held)
    assert small.seconds < large.seconds <= 2 * small.seconds
    assert small.most >= small.kept
    assert large.requests.total <= 2 * small.requests.total
    assert arithmetic(1000 * shards, True).seconds <= arithmetic(1000 * shards, False).seconds


def test_the_fullest_moment_is_while_states_lie_beside_what_is_published() -> None:
    stages = (Stage(name="a", seconds=1, kept=10, passing=5), Stage(name="b", seconds=1, kept=1, passing=7))
    assert (Forecast(stages=stages).kept, Forecast(stages=stages).fullest, Forecast(stages=stages).most) == (
        11,
        (15, 18),
        18,
    )


@given(st.integers(0, 10**9))
def test_uploads_in_parts_take_their_parts_and_two_more(size: int) -> None:
    part = 8 * 2**20
    expected = 1 if size < part else 2 + len(range(0, size, part))
    assert puts(size) == expected


def test_a_counted_folder_is_the_folder(tmp_path: Path) -> None:
    counted = CountedFolder(LocalFolder(tmp_path))
    write_bytes(counted.below("deep"), "a.txt", b"abc")
    assert list(counted.names()) == ["deep/a.txt"]
    assert (counted.exists("deep/a.txt"), counted.size("deep/a.txt")) == (True, 3)
    assert counted.read("deep/a.txt", 1, 5) == b"bc"
    with counted.open("deep/a.txt") as stream:
        assert isinstance(stream, io.BufferedReader)
    counted.delete("deep/a.txt")
    assert counted.top() == {}
    assert sum((call.requests for call in counted.calls), Requests()) == Requests(put=1, get=4, list=2, delete=1)


def test_a_run_is_noted_beside_the_estimate_it_was_about(tmp_path: Path) -> None:
    folder, config = LocalFolder(tmp_path), RunConfig()
    identity = identity_of("protect", config.protect, "cpu")
    said = EstimateRecord(kind="protect", identity=identity, about="photos", samples=1000, seconds=100, kept=2000)
    keep_estimate(folder, said)
    keep_estimate(folder, said.model_copy(update={"samples": 2000, "seconds": 200}))
    broken: list[str] = []
    assert past_errors(folder, broken.append) == ()
    for seconds in (90.0, 120.0):
        found = add_run(folder, "protect", identity, 980, RunCost(seconds=seconds, kept=2100), broken.append)
        assert found is not None
        assert found.samples == 1000
    (past,) = past_errors(folder, broken.append)
    assert (past.runs, past.lowest, past.middle, past.highest) == (2, 0.9, 1.05, 1.2)
    assert past.storage == 1.05
    assert add_run(folder, "protect", identity, 5000, RunCost(seconds=1), broken.append) is None
    elsewhere = identity_of("protect", config.protect, "cuda")
    assert add_run(folder, "protect", elsewhere, 1000, RunCost(seconds=1), broken.append) is None
    assert broken == []


def test_a_file_that_is_no_estimate_is_told_and_left_out(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    identity = identity_of("protect", RunConfig().protect, "cpu")
    keep_estimate(
        folder, EstimateRecord(kind="protect", identity=identity, about="", samples=1000, seconds=100, kept=2000)
    )
    for content in (b"{", b"{}", b"\xff"):
        write_bytes(folder, f"protect-{identity[:16]}-1001.json", content)
        told: list[str] = []
        found = add_run(folder, "protect", identity, 1000, RunCost(seconds=100), told.append)
        assert found is not None
        assert len(past_errors(folder, told.append)) == 1
        assert [text.partition(", got")[0].rpartition("-")[2] for text in told] == ["1001.json"] * 2
        assert told[0].startswith("expected an estimate in ")
