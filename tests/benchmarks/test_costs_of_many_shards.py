"""The benchmarks of orchestration and of planning still do what they measure."""

from pathlib import Path

from benchmarks import orchestration, planning
from mem_core.common.storage.folder import LocalFolder
from tests.support.corpora import contents


def test_the_bare_loop_and_the_flow_do_the_same_work(prefect_api: str, tmp_path: Path) -> None:
    clean = orchestration._clean(tmp_path / "clean", 2)
    orchestration._protect_bare(clean, tmp_path / "bare")
    orchestration._protect_by_flow(clean, tmp_path / "flow")
    done = contents(LocalFolder(tmp_path / "bare"))
    assert sum(name.endswith(".tar") for name in done) == 2
    assert done == contents(LocalFolder(tmp_path / "flow"))


def test_planning_is_measured_on_whole_listings() -> None:
    wall, processor, _ = planning.run(shards=3000, new=5, pause=0.0)
    assert (wall.name, processor.name) == ("wall time", "processor time")
    assert "13 pages of each listing" in wall.floor
    assert wall.holds
