"""The script of the study for a GPU box: several processes, in pieces, with mem_core alone."""

import json
import os
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as script
from benchmarks.gpu.evidence import ATTACKS, EvidencePart
from benchmarks.gpu.evidence_answers import MEASURED
from benchmarks.gpu.jobs import Job, run_jobs
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.experiments.reproduce import load_scale

_ALONE = """
import sys
sys.argv = ["gpu", *sys.argv[1:]]
from benchmarks.gpu.__main__ import main
if __name__ == "__main__":
    main()
    assert not {"prefect", "boto3", "typer", "rich"} & set(sys.modules), "more than mem_core was imported"
"""


def test_a_sitting_without_time_leaves_its_record_and_a_page_and_needs_only_mem_core(tmp_path: Path) -> None:
    program = tmp_path / "alone.py"
    program.write_text(_ALONE)
    command = [sys.executable, str(program), "--out", str(tmp_path / "out"), "--parts", "smoke", "--minutes", "0"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, env=_here(root))
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads((tmp_path / "out/machine.json").read_text())
    assert piece["jobs"] == 0
    assert piece["left"] > 20
    with tarfile.open(tmp_path / "out/smoke.tar.gz") as tar:
        assert "report/report.html" in tar.getnames()


def _here(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root)}


def test_its_own_scale_is_sound_and_its_data_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_scale(script._GPU).victim_config("main").architecture == "RN50-quickgelu"
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--data", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="Where to get it"):
        script.main()


def test_parts_that_do_not_exist_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--parts", "flickr8k,bigger"])
    with pytest.raises(SystemExit, match="got bigger"):
        script.main()


def _leave(path: Path, needed: Path | None = None) -> str:
    if needed is not None and not needed.exists():
        raise ValueError(f"{needed} is not there")
    path.write_text("done")
    return path.name


def test_jobs_wait_for_what_they_need_and_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(5)]
    jobs = [
        Job("last", partial(_leave, places[2], places[1]), ("second",)),
        Job("second", partial(_leave, places[1], places[0]), ("first",)),
        Job("first", partial(_leave, places[0])),
        Job("broken", partial(_leave, places[3], tmp_path / "never")),
        Job("behind it", partial(_leave, places[4]), ("broken",)),
    ]
    said: list[str] = []
    done = run_jobs(jobs, 2, 60, said.append, lambda: None)
    assert done == {"first", "second", "last"}
    assert any("FAILED broken" in line and "never is not there" in line for line in said)
    assert not places[4].exists()


def _alone_in_lane(path: Path, number: int) -> str:
    (path / f"{number}.open").touch()
    others = [other for other in path.glob("*.open") if other.stem != str(number)]
    (path / f"{number}.open").unlink()
    return "crowded" if others else "alone"


def test_a_lane_holds_back_what_would_not_fit_beside_it(tmp_path: Path) -> None:
    said: list[str] = []
    jobs = [Job(str(i), partial(_alone_in_lane, tmp_path, i), lane="wide", width=1) for i in range(6)]
    assert len(run_jobs(jobs, 3, 60, said.append, lambda: None)) == 6
    assert all(line.endswith("alone") for line in said)


def test_jobs_of_a_later_turn_come_after_those_of_an_earlier_one(tmp_path: Path) -> None:
    said: list[str] = []
    jobs = [Job(f"turn {turn}", partial(_leave, tmp_path / str(turn)), turn=turn) for turn in (2, 0, 1, -1)]
    run_jobs(jobs, 1, 60, said.append, lambda: None)
    assert [line.split()[-1] for line in said] == ["-1", "0", "1", "2"]


def test_the_part_on_evidence_at_64_px_is_smaller(tmp_path: Path) -> None:
    part = EvidencePart("evidence-64", tmp_path, None, "cpu", side=64)
    assert len(part.cells()) == 3 * 4 * (2 + 2)
    assert part.victim_config("none").architecture == "tiny-resnet"
    assert not [job for job in part.jobs() if "untrained" in job.name]


def test_the_part_on_evidence_measures_what_it_lists_and_tells_what_it_found(tmp_path: Path) -> None:
    part = EvidencePart("evidence", tmp_path, None, "cpu")
    jobs = {job.name: job for job in part.jobs()}
    assert all(set(job.needs) <= jobs.keys() for job in jobs.values())
    assert len({cell.name for cell in part.cells()}) == len(part.cells()) == 3 * 4 * (6 + 6)
    assert all(part.victim_config(attack).epochs == 6 for attack in ATTACKS)
    some = {"p": 0.02, "sequential": 0.5, "right": 0.7}
    for cell in part.cells()[:6]:
        found = dict.fromkeys(MEASURED, some)
        line = {**vars(cell), "pairs": 60, "epoch": 6, "published": found, "thrown anew": found}
        write_bytes(LocalFolder(tmp_path), f"cells/{cell.name}.json", json.dumps(line).encode())
    assert len(part.jobs()) == len(jobs) - 6
    (report,) = part.last_jobs()
    assert report.call() == "6 of 144 victims, 6 p-values of innocent models"
    said = (tmp_path / "evidence.md").read_text()
    assert "| 1 % | 60 | 1 | 0.02; 70 % | 0.02; 70 % | 0.02; 70 % | 0.02; 70 % |" in said
    assert "| all | 6 | fixed | 6 | 0 (at most " in said
