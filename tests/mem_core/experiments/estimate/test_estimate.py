"""An estimate against the run that it is about: requests and bytes must be right, arithmetic must obey its laws."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.counted_folder import Call, CountedFolder
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import fingerprint
from mem_core.data.images import ImageFormat
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.survey import Survey, survey_shards, survey_source
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibration import Costs, calibrate, samples_wanted
from mem_core.experiments.estimate.forecast import forecast, protect_stages, puts, shard_stage, victim_stage
from mem_core.experiments.estimate.hand_out import hand_out
from mem_core.experiments.estimate.history import EstimateRecord, History, RunCost
from mem_core.experiments.estimate.stage import Stage, fullest
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from mem_core.victim.evaluation import query_victim
from mem_core.victim.training import VictimData, train_victim
from tests.support.corpora import fit as run_fit
from tests.support.corpora import protect as run_protect


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
    survey = survey_source(reader, config.corpus, 0, samples_wanted(config))
    return survey, calibrate(survey, LocalFolder(tmp_path_factory.mktemp("scratch")), config, clock=Ticks())


def test_requests_and_bytes_are_those_of_the_run(
    drawn_source: Path, config: RunConfig, measured: tuple[Survey, Costs], tmp_path: Path
) -> None:
    survey, costs = measured
    calls: list[Call] = []
    clean = CountedFolder(LocalFolder(tmp_path / "clean"), calls)
    shard_source(open_source(drawn_source), clean, config.corpus)
    shard = shard_stage(survey, costs)
    assert shard.put + shard.get == asked(calls)
    fit, publish, verify = protect_stages(survey, costs, config.protect, config.runtime)
    train, dest = clean.below("train"), CountedFolder(LocalFolder(tmp_path / "out"), calls)
    protection = Protection(Places(train, dest), config.protect, config.runtime, seed=0)
    calls.clear()
    run_fit(protection)
    assert fit.put + fit.get == pytest.approx(asked(calls), rel=0.15)
    assert fit.passing == pytest.approx(sum(LocalFolder(tmp_path / "out/_state").top().values()), rel=0.05)
    calls.clear()
    protection.plan()
    for name in protection.shards:
        protection.publish(name)
    protection.finish()
    assert publish.put + publish.get == asked(calls)
    calls.clear()
    verify_corpus(train, dest, tokenize=Tokenizer(77).encode)
    assert verify.put + verify.get == asked(calls)
    left = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert fit.kept + publish.kept == pytest.approx(left, rel=0.02)
    sharded = sum(path.stat().st_size for path in (tmp_path / "clean").rglob("*") if path.is_file())
    assert shard.kept == pytest.approx(sharded, rel=0.1)


@pytest.mark.parametrize("chosen", get_args(ImageFormat))
def test_the_tars_to_hand_out_are_as_large_as_foretold(
    drawn_source: Path, config: RunConfig, tmp_path: Path, chosen: ImageFormat
) -> None:
    """In the format that is set, and in the other: both are then made. From half of the samples, within a tenth."""
    shard_source(open_source(drawn_source), LocalFolder(tmp_path / "clean"), config.corpus)
    clean = LocalFolder(tmp_path / "clean/train")
    way = config.protect.model_copy(update={"method": "random-noise", "image_format": chosen})
    survey = survey_shards({"train": clean}, 0, 32)
    run = config.model_copy(update={"protect": way})
    costs = calibrate(survey, LocalFolder(tmp_path / "scratch"), run, pipeline=False, clock=Ticks())
    found = hand_out(survey, costs.size, way)
    assert found.chosen == chosen
    assert found.clean == pytest.approx(tars_of(clean), rel=0.1)
    for image_format in get_args(ImageFormat):
        made = LocalFolder(tmp_path / image_format)
        protection = Protection(
            Places(clean, made), way.model_copy(update={"image_format": image_format}), config.runtime, seed=0
        )
        run_protect(protection)
        assert found.sizes[image_format] == pytest.approx(tars_of(made), rel=0.1)
    assert found.smallest == min(found.sizes, key=lambda name: tars_of(LocalFolder(tmp_path / name)))


def tars_of(folder: LocalFolder) -> int:
    return sum(size for name, size in folder.top().items() if name.endswith(".tar"))


def test_a_fit_in_one_round_is_estimated_as_it_runs(drawn_source: Path, config: RunConfig, tmp_path: Path) -> None:
    """Its surrogate takes the steps of all rounds at once; one that is given takes none, and is not asked for."""
    way = config.protect.model_copy(update={"method": "uap"})
    given = way.model_copy(update={"surrogate": way.surrogate.model_copy(update={"checkpoint": "victim/"})})
    survey = survey_source(open_source(drawn_source), config.corpus, 0, samples_wanted(config))
    estimates = []
    for number, protect in enumerate((way, given)):
        run, place = config.model_copy(update={"protect": protect}), LocalFolder(tmp_path / str(number))
        costs = calibrate(survey, place, run, pipeline=False, clock=Ticks())
        estimates.append(protect_stages(survey, costs, protect, config.runtime)[0])
    fit, taken = estimates
    assert taken.seconds < fit.seconds
    calls: list[Call] = []
    shard_source(open_source(drawn_source), LocalFolder(tmp_path / "clean"), config.corpus)
    clean, dest = CountedFolder(LocalFolder(tmp_path / "clean/train"), calls), LocalFolder(tmp_path / "out")
    run_fit(Protection(Places(clean, CountedFolder(dest, calls)), way, config.runtime, seed=0))
    assert fit.put + fit.get == pytest.approx(asked(calls), rel=0.15)
    assert fit.kept == pytest.approx(dest.size("protector/surrogate-000.safetensors"), rel=0.01)


def asked(calls: list[Call]) -> int:
    return sum(puts(call.size) for call in calls)


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "test", "val")])
def test_a_victims_requests_are_those_of_the_run(
    clean_corpus: Path, config: RunConfig, measured: tuple[Survey, Costs], tmp_path: Path, splits: tuple[str, ...]
) -> None:
    calls: list[Call] = []
    clean, out = CountedFolder(LocalFolder(clean_corpus), calls), CountedFolder(LocalFolder(tmp_path), calls)
    survey = survey_shards({split: LocalFolder(clean_corpus / split) for split in splits}, 0, 4)
    stage = victim_stage(survey, survey, measured[1], config.victim, config.runtime)
    train, test = clean.below("train"), clean.below("test")
    validation = clean.below("val") if "val" in splits else None
    data = VictimData(train, test=test, queries=config.evaluate, validation=validation)
    train_victim(data, out, config.victim, config.runtime, seed=0)
    query_victim(out, test, config.evaluate, config.runtime)
    assert stage.put + stage.get == asked(calls)
    assert stage.kept == pytest.approx(out.size("victim.safetensors"), rel=0.01)


def test_every_step_is_timed(measured: tuple[Survey, Costs], config: RunConfig) -> None:
    costs = measured[1]
    way, victim = fingerprint(config.protect), fingerprint(config.victim)
    assert {name: list(steps) for name, steps in costs.seconds.items()} == {
        "": ["shard", "load"],
        way: ["publish", "verify", "pair", "round", "search", "plain"],
        victim: ["train", "save", "look", "query", "validate"],
    }
    beyond_steps = costs.seconds[way]["round"]
    assert beyond_steps >= 0
    assert all(seconds > 0 for steps in costs.seconds.values() for name, seconds in steps.items() if name != "round")
    assert costs.size[way]["surrogate"] > 1_000_000
    assert costs.memory == {way: None, victim: None}


def test_a_pipeline_has_all_rows_and_victims(measured: tuple[Survey, Costs], config: RunConfig) -> None:
    survey, costs = measured
    rows = config.model_copy(update={"rows": ("clean", "mem", "trigger-only"), "victim_seeds": (0, 1)})
    stages = {stage.name: stage for stage in forecast({"image": survey}, costs, rows)}
    assert list(stages) == [
        *("shard", "clean: 2 victims", "mem: fit", "mem: publish", "mem: verify", "mem: 2 victims"),
        *("trigger-only: publish", "trigger-only: verify", "trigger-only: 2 victims"),
    ]
    assert stages["mem: fit"].kept > 2 * 1_000_000  # the protector
    assert stages["clean: 2 victims"] == stages["mem: 2 victims"].model_copy(update={"name": "clean: 2 victims"})


def arithmetic(samples: int, held: bool) -> tuple[Stage, ...]:
    run = RunConfig()
    way = fingerprint(run.protect)
    fit = {"pair": 0.01, "round": 1, "search": 0.1, "plain": 0.05}
    costs = Costs(
        samples=10,
        seconds={"": {"shard": 0.01, "load": 0.002}, way: {"publish": 0.01, "verify": 0.01, **fit}},
        size={"": {"clean": 105, "pixels": 3000}, way: {"published": 510, "surrogate": 1000}},
        memory={way: None},
    )
    runtime = run.runtime.model_copy(update={"cache_mb": 2**20 if held else 0})
    survey = Survey(samples={"train": samples}, shards={"train": -(-samples // 1000)}, drawn=[])
    return protect_stages(survey, costs, run.protect, runtime)


def seconds_of(stages: tuple[Stage, ...]) -> float:
    return sum(stage.seconds for stage in stages)


def requests_of(stages: tuple[Stage, ...]) -> float:
    return sum(stage.put + stage.get for stage in stages)


@given(st.integers(1, 300), st.booleans())
def test_twice_the_shards_take_twice_the_time_but_for_the_surrogate(shards: int, held: bool) -> None:
    small, large = arithmetic(1000 * shards, held), arithmetic(2000 * shards, held)
    assert seconds_of(small) < seconds_of(large) <= 2 * seconds_of(small)
    assert max(fullest(small)) >= sum(stage.kept for stage in small)
    assert requests_of(large) <= 2 * requests_of(small)
    assert seconds_of(arithmetic(1000 * shards, True)) <= seconds_of(arithmetic(1000 * shards, False))


def test_the_fullest_moment_is_while_states_lie_beside_what_is_published() -> None:
    stages = (Stage(name="a", seconds=1, kept=10, passing=5), Stage(name="b", seconds=1, kept=1, passing=7))
    assert fullest(stages) == (15, 18)


@given(st.integers(0, 10**9))
def test_uploads_in_parts_take_their_parts_and_two_more(size: int) -> None:
    part = 8 * 2**20
    expected = 1 if size < part else 2 + len(range(0, size, part))
    assert puts(size) == expected


def test_a_run_is_noted_beside_the_estimate_it_was_about(tmp_path: Path) -> None:
    told: list[str] = []
    history = History(LocalFolder(tmp_path), told.append)
    said = EstimateRecord(kind="protect", identity="a" * 64, about="photos", samples=1000, seconds=100, kept=2000)
    history.keep(said)
    history.keep(said.model_copy(update={"samples": 2000, "seconds": 200}))
    assert history.past_errors() == ()
    for seconds in (120.0, 90.0):
        found = history.add_run("protect", said.identity, 980, RunCost(seconds=seconds, kept=2100))
        assert found is not None
        assert found.samples == 1000
    (past,) = history.past_errors()
    assert (past.seconds, past.storage) == ((0.9, 1.2), 1.05)
    assert history.add_run("protect", said.identity, 5000, RunCost(seconds=1)) is None
    assert history.add_run("protect", "b" * 64, 1000, RunCost(seconds=1)) is None
    assert told == []


def test_an_estimate_of_version_0_3_0_is_still_compared(tmp_path: Path) -> None:
    record = """{"kind": "protect", "identity": "%s", "about": "photos, preset cpu", "samples": 64, "seconds": 4.0,
        "kept": 100.0, "took": [{"seconds": 5.0, "kept": null, "version": "0.3.0"}]}""" % ("c" * 64)
    (tmp_path / f"protect-{'c' * 16}-64.json").write_text(record)
    history = History(LocalFolder(tmp_path), pytest.fail)
    assert history.add_run("protect", "c" * 64, 64, RunCost(seconds=3.0, kept=150.0)) is not None
    (past,) = history.past_errors()
    assert (past.seconds, past.storage) == ((0.75, 1.25), 1.5)


def test_a_file_that_is_no_estimate_is_told_and_left_out(tmp_path: Path) -> None:
    told: list[str] = []
    history, identity = History(LocalFolder(tmp_path), told.append), "a" * 64
    history.keep(EstimateRecord(kind="protect", identity=identity, about="", samples=1000, seconds=100, kept=2000))
    for content in (b"{", b"{}", b"\xff"):
        write_bytes(history.folder, f"protect-{identity[:16]}-1001.json", content)
        told.clear()
        found = history.add_run("protect", identity, 1000, RunCost(seconds=100))
        assert found is not None
        assert len(history.past_errors()) == 1
        assert [text.partition(", got")[0].rpartition("-")[2] for text in told] == ["1001.json"] * 2
        assert told[0].startswith("expected an estimate in ")
