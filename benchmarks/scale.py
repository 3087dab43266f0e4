"""What breaks first at the size of the internet: a seeded simulation of shards on many GPUs.

    python -m benchmarks.scale [--costs benchmarks/scale_costs.json] [--seed 0] [--out docs/results]

Every GPU takes the next shard, downloads it (bandwidth is shared), replays a protector on it, encodes on its CPU cores
while the next shard is on the device, uploads, and writes the receipt. Images differ from shard to shard, machines in
speed, and at random a worker is lost with the shard it had, or is a straggler for a while. A Prefect server takes its
time for every shard, one after the other. Nothing here was measured on so many machines: the inputs are in the JSON
file, each with where it comes from.
"""

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from mem_core.config import Frozen

_DEFAULT = Path(__file__).with_name("scale_costs.json")
_HOUR = 3600.0


class Costs(Frozen):
    """Inputs of the simulation. runs: (GPUs, Prefect servers). source: where each number comes from, as text."""

    pairs: int
    shards: int
    runs: tuple[tuple[int, int], ...]
    images_per_gpu_second: float
    speed_spread: float
    shard_spread: float
    encode_images_per_core_second: float
    cores_per_gpu: int
    input_bytes_per_image: int
    output_bytes_per_image: int
    store_bytes_per_second: float
    requests_per_shard: int
    receipt_bytes: int
    list_page: int
    orchestration_seconds_per_shard: float
    start_seconds: float
    lost_workers_per_gpu_day: float
    restart_seconds: float
    straggler_share: float
    straggler_slowdown: float
    source: dict[str, str]


@dataclass
class Run:
    """What a simulated run came to."""

    gpus: int
    servers: int
    hours: float
    ideal_hours: float
    device_busy: float
    lost: int
    repeated_share: float
    tail_minutes: float
    store_share: float
    orchestrator_share: float
    encoder_share: float
    limit: str

    @property
    def efficiency(self) -> float:
        return self.ideal_hours / self.hours


def simulate(costs: Costs, gpus: int, servers: int, seed: int) -> Run:
    """One corpus on so many GPUs, in as many equal parts as servers: an event for every shard taken."""
    draw = random.Random(seed)
    images = costs.pairs / costs.shards
    rates = [costs.images_per_gpu_second * draw.lognormvariate(0, costs.speed_spread) for _ in range(gpus)]
    encoding = costs.encode_images_per_core_second * costs.cores_per_gpu
    moved = images * (costs.input_bytes_per_image + costs.output_bytes_per_image)
    shard_on_store = moved / costs.store_bytes_per_second
    workers = [(costs.start_seconds, i) for i in range(gpus)]
    heapq.heapify(workers)
    store_free = busy = waste = 0.0
    server_free = [0.0] * servers
    ends: list[float] = []
    lost = 0
    left = costs.shards
    while left:
        now, worker = heapq.heappop(workers)
        told = server_free[worker % servers] = (
            max(server_free[worker % servers], now) + costs.orchestration_seconds_per_shard
        )
        store_free = max(store_free, told) + shard_on_store
        slow = costs.straggler_slowdown if draw.random() < costs.straggler_share else 1.0
        device = images * draw.lognormvariate(0, costs.shard_spread) / rates[worker] * slow
        # transfers and encoding run beside the next shard's device work: the slowest of the three sets the pace
        taken = max(device, images / encoding)
        end = max(told + taken, store_free)
        if draw.random() < -math.expm1(-costs.lost_workers_per_gpu_day * (end - now) / (24 * _HOUR)):
            gone = draw.random() * (end - now)
            lost, waste = lost + 1, waste + gone
            heapq.heappush(workers, (now + gone + costs.restart_seconds, worker))
            continue
        busy += device
        left -= 1
        ends.append(end)
        heapq.heappush(workers, (end, worker))
    ends.sort()
    wall = ends[-1]
    demand = {
        "device": costs.pairs / sum(rates),
        "store": costs.shards * shard_on_store,
        "orchestrator": costs.shards * costs.orchestration_seconds_per_shard / servers,
        "encoder": costs.pairs / (encoding * gpus),
    }
    return Run(
        gpus=gpus,
        servers=servers,
        hours=wall / _HOUR,
        ideal_hours=costs.pairs / (gpus * costs.images_per_gpu_second) / _HOUR,
        device_busy=busy / (wall * gpus),
        lost=lost,
        repeated_share=waste / (busy + waste),
        tail_minutes=(wall - ends[-max(1, gpus)]) / 60,
        store_share=demand["store"] / wall,
        orchestrator_share=demand["orchestrator"] / wall,
        encoder_share=demand["encoder"] / wall,
        limit=max(demand, key=lambda name: demand[name]),
    )


def totals(costs: Costs) -> dict[str, float]:
    """What does not depend on the number of GPUs."""
    return {
        "requests": costs.shards * costs.requests_per_shard + 2 * 4 * costs.shards / costs.list_page,
        "read_terabytes": costs.pairs * costs.input_bytes_per_image / 1e12,
        "written_terabytes": costs.pairs * costs.output_bytes_per_image / 1e12,
        "receipts_megabytes": costs.shards * costs.receipt_bytes / 1e6,
        "orchestration_over_work": costs.orchestration_seconds_per_shard
        / (costs.pairs / costs.shards / costs.images_per_gpu_second),
        "gpus_until_store_is_full": costs.store_bytes_per_second
        / (costs.images_per_gpu_second * (costs.input_bytes_per_image + costs.output_bytes_per_image)),
        "gpus_until_orchestrator_is_full": costs.pairs
        / costs.shards
        / costs.images_per_gpu_second
        / costs.orchestration_seconds_per_shard,
        "gpus_cores_needed_each": costs.images_per_gpu_second / costs.encode_images_per_core_second,
    }


def report(costs: Costs, seed: int) -> dict[str, object]:
    runs = [simulate(costs, gpus, servers, seed) for gpus, servers in costs.runs]
    return {
        "seed": seed,
        "costs": costs.model_dump(mode="json"),
        "totals": totals(costs),
        "runs": [{**vars(run), "efficiency": run.efficiency} for run in runs],
    }


def table(found: dict[str, object]) -> str:
    """The runs as Markdown, for docs/scale.md."""
    columns = {
        "GPUs": "{gpus}",
        "servers": "{servers}",
        "hours": "{hours:,.1f}",
        "of the ideal": "{efficiency:.1%}",
        "workers lost": "{lost}",
        "work repeated": "{repeated_share:.2%}",
        "last wave": "{tail_minutes:.0f} min",
        "store in use": "{store_share:.0%}",
        "servers in use": "{orchestrator_share:.0%}",
        "limit": "{limit}",
    }
    row = f"| {' | '.join(columns.values())} |"
    runs = [row.format(**run) for run in found["runs"]]  # type: ignore[attr-defined]
    return "\n".join([f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|", *runs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", type=Path, default=_DEFAULT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    given = parser.parse_args()
    found = report(Costs.model_validate_json(given.costs.read_text()), given.seed)
    print(table(found))
    for name, value in found["totals"].items():  # type: ignore[attr-defined]
        print(f"{name}: {value:,.3g}" if value < 1000 else f"{name}: {value:,.0f}")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "scale.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
