"""The simulation of many machines: equal seeds give equal runs, and simple cases come out as arithmetic says."""

from pathlib import Path

import pytest

from benchmarks.scale import Costs, simulate, table, totals

COSTS = Costs.model_validate_json((Path(__file__).parents[2] / "benchmarks" / "scale_costs.json").read_text())
IDEAL = COSTS.model_copy(
    update={
        "pairs": 64_000,
        "shards": 64,
        "speed_spread": 0.0,
        "shard_spread": 0.0,
        "start_seconds": 0.0,
        "lost_workers_per_gpu_day": 0.0,
        "straggler_share": 0.0,
        "orchestration_seconds_per_shard": 0.0,
        "store_bytes_per_second": 1e18,
    }
)


def test_without_trouble_a_run_takes_what_the_devices_take() -> None:
    run = simulate(IDEAL, 8, 1, seed=0)
    assert run.hours == pytest.approx(run.ideal_hours)
    assert (run.lost, run.repeated_share, run.limit) == (0, 0.0, "device")
    assert run.device_busy == pytest.approx(1)


def test_the_slowest_part_sets_the_pace() -> None:
    store = IDEAL.model_copy(update={"store_bytes_per_second": 1e6})
    moved = IDEAL.pairs * (IDEAL.input_bytes_per_image + IDEAL.output_bytes_per_image)
    assert simulate(store, 8, 1, seed=0).hours == pytest.approx(moved / 1e6 / 3600)
    served = IDEAL.model_copy(update={"orchestration_seconds_per_shard": 60.0})
    assert simulate(served, 64, 1, seed=0).limit == "orchestrator"
    assert simulate(served, 64, 4, seed=0).hours < 0.3 * simulate(served, 64, 1, seed=0).hours


def test_equal_seeds_give_equal_runs_and_lost_work_is_counted() -> None:
    rough = COSTS.model_copy(update={"pairs": 400_000, "shards": 400, "lost_workers_per_gpu_day": 500.0})
    one, other = simulate(rough, 8, 1, seed=3), simulate(rough, 8, 1, seed=3)
    assert one == other
    assert one != simulate(rough, 8, 1, seed=4)
    assert one.lost > 0
    assert 0 < one.repeated_share < 0.5
    assert one.hours > one.ideal_hours


def test_totals_and_table_are_of_the_inputs() -> None:
    assert totals(COSTS)["written_terabytes"] == pytest.approx(COSTS.pairs * COSTS.output_bytes_per_image / 1e12)
    found = {"runs": [{**vars(run), "efficiency": run.efficiency} for run in [simulate(IDEAL, 8, 1, seed=0)]]}
    assert table(found).splitlines()[-1].startswith("| 8 | 1 | 0.1 | 100.0% | 0 |")  # type: ignore[arg-type]
