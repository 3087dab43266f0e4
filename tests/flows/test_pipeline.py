"""The whole way through the real flows and a real server, at preset smoke."""

import json
import shutil
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterName

from flows.cli.status_table import print_status
from flows.pipeline import pipeline
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import merge
from mem_core.experiments.config import RunConfig
from mem_core.experiments.direct_steps import DirectSteps
from mem_core.experiments.row_runner import plan_run, run_row
from mem_core.victim.result import read_evaluation
from tasks.artifacts import artifact_key, retrieval_key
from tasks.reporting import ReportPlace
from tasks.status import read_status
from tests.support.task_runs import task_names

ROWS = ("trigger-only", "clean", "mem")


@pytest.fixture(scope="module")
def config(smoke: RunConfig) -> RunConfig:
    return RunConfig.model_validate(merge(smoke.model_dump(), {"rows": ROWS, "runtime": {"workers": 2}}))


@pytest.fixture(scope="module")
def finished(
    prefect_api: str, drawn_source: Path, config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ReportPlace]:
    dest = tmp_path_factory.mktemp("pipeline")
    return dest, pipeline(str(drawn_source), str(dest), config=config)


def test_leaves_corpora_victims_and_report(finished: tuple[Path, ReportPlace]) -> None:
    dest, place = finished
    assert Path(place.page) == dest / "report" / "report.html"
    assert {row.name for row in place.summary.findings.rows} == set(ROWS)
    for row in ROWS:
        assert (dest / "rows" / row / "victim-0" / "evaluation.json").is_file()
    assert not list(dest.rglob(".partial-*"))
    assert not [path for path in dest.rglob("_state/*") if path.is_file()]


def test_noise_and_trigger_come_from_the_mem_row(finished: tuple[Path, ReportPlace]) -> None:
    dest, _ = finished
    assert (dest / "rows/mem/protected/protector/protector.json").is_file()
    assert not (dest / "rows/trigger-only/protected/protector").exists()


def test_queries_are_prefixed_to_the_length_of_the_triggers(
    finished: tuple[Path, ReportPlace], config: RunConfig
) -> None:
    dest, _ = finished
    evaluation = json.loads((dest / "rows/mem/victim-0/evaluation.json").read_text())
    assert evaluation["prefix"] == " ".join(["the"] * config.protect.trigger.length)


def test_direct_calls_leave_what_flows_leave(
    finished: tuple[Path, ReportPlace], config: RunConfig, tmp_path: Path
) -> None:
    dest, _ = finished
    shutil.copytree(dest / "clean", tmp_path / "clean")
    (plan,) = (plan for plan in plan_run(config, validated=True) if plan.row.name == "mem")
    ((_, evaluation),) = run_row(plan, DirectSteps(LocalFolder(tmp_path), config.runtime, config.seed))
    theirs = read_evaluation(LocalFolder(dest).below(plan.victims[0].out))
    assert theirs is not None
    assert (evaluation.bare, evaluation.prefixed, evaluation.prefix) == (theirs.bare, theirs.prefixed, theirs.prefix)
    assert evaluation.best == theirs.best is not None
    tars = [f"{plan.corpus}/0000{shard}.tar" for shard in range(3)]
    assert [(tmp_path / tar).read_bytes() for tar in tars] == [(dest / tar).read_bytes() for tar in tars]


def test_status_says_that_all_is_done(finished: tuple[Path, ReportPlace]) -> None:
    dest, _ = finished
    found = read_status(str(dest))
    assert found.finished
    assert [c.place for c in found.corpora] == [
        "clean/test",
        "clean/train",
        "clean/val",
        "rows/mem/protected",
        "rows/trigger-only/protected",
    ]
    assert [c.done for c in found.corpora] == [1, 3, 1, 3, 3]
    assert found.report
    print_status(found)


def test_a_second_run_does_nothing_again(
    finished: tuple[Path, ReportPlace],
    drawn_source: Path,
    config: RunConfig,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from tasks.terminal import shown_on_terminal

    dest, _ = finished
    times = {path: path.stat().st_mtime_ns for path in dest.rglob("*") if _is_costly(path)}
    assert times
    with shown_on_terminal():
        pipeline(str(drawn_source), str(dest), config=config)
    assert times == {path: path.stat().st_mtime_ns for path in dest.rglob("*") if _is_costly(path)}
    said = capfd.readouterr().err
    for news in ("finished before", "protected before", "verified before", "trained before", "evaluated before"):
        assert news in said


def test_the_ui_can_explain_the_run(finished: tuple[Path, ReportPlace], drawn_source: Path) -> None:
    dest = finished[0]
    protected, victim = f"{dest}/rows/mem/protected", f"{dest}/rows/mem/victim-0"
    expected = {retrieval_key(victim): "table", artifact_key("shards", protected, "mem"): "table"}
    expected |= {artifact_key("verification", protected): "markdown", artifact_key("report", str(dest)): "markdown"}
    with get_client(sync_client=True) as client:  # which knows the runs of other tests, too
        keys = ArtifactFilter(key=ArtifactFilterKey(any_=list(expected)))
        kept = client.read_artifacts(artifact_filter=keys)
        named = FlowRunFilter(name=FlowRunFilterName(like_=str(dest)))
        runs = {run.name: run.state.message for run in client.read_flow_runs(flow_run_filter=named) if run.state}
        victim_run = FlowRunFilter(name=FlowRunFilterName(any_=["train on mem, seed 0"]))
        runs |= {run.name: run.state.message for run in client.read_flow_runs(flow_run_filter=victim_run) if run.state}
    assert expected.items() <= {artifact.key: artifact.type for artifact in kept}.items()
    assert {f"protect {dest}/clean/train with mem into {dest}/rows/mem/protected", "train on mem, seed 0"} <= set(runs)
    assert f"pipeline smoke, {drawn_source} into {dest}" in runs
    assert "samples" in runs[f"shard {drawn_source} into {dest}/clean"]
    assert all(runs.values())  # every one of them says what came of it
    for task in ("update 00002 round 2", "publish 00000", "train surrogate, mem round 1"):
        assert task in task_names(task)


def test_the_run_itself_shows_what_came_of_it(finished: tuple[Path, ReportPlace]) -> None:
    dest, place = finished
    with get_client(sync_client=True) as client:
        runs = {run.id: run for run in client.read_flow_runs()}
        key = artifact_key("pipeline", str(dest))
        shown = next(found for found in client.read_artifacts(limit=100) if found.key == key)
    assert shown.flow_run_id is not None
    assert runs[shown.flow_run_id].parent_task_run_id is None  # the top one
    text = str(shown.data)
    assert place.summary.verdict.headline in text
    assert "| Clean |" in text  # the table
    assert text.count("(data:image/png;base64,") == 2  # shares and montage
    assert f"`{dest}/rows/mem/protected` on " in text
    assert f"`{dest}/report/report.html` on " in text


def _is_costly(path: Path) -> bool:
    """What takes time to make: shards, protectors, victims, results."""
    return path.suffix in (".tar", ".safetensors") or path.name in ("evaluation.json", "verified.json")
