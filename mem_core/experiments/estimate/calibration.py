"""The calibration: a few hundred real samples go through every step of a run, and each step is timed.

What is measured is what a run calls: `SplitWriter`, `Protection`, `verify_shard`, `Training`, `query_model`.
"""

import time
from collections.abc import Sequence

from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig, RuntimeConfig, fingerprint
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import read_receipt
from mem_core.data.shard_cache import load_shard
from mem_core.data.sharding.candidate import Candidate
from mem_core.data.sharding.split_writer import SplitWriter
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibrate_protection import Clock, calibrate_protection, samples_of
from mem_core.experiments.estimate.costs import Costs, SourceCost, VictimCost
from mem_core.experiments.estimate.request_counter import CountedFolder, calls_of
from mem_core.models.device import peak_memory, resolve_device, watch_memory
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.training import Training

_MOST = 512


def samples_wanted(ways: Sequence[ProtectConfig], victims: Sequence[VictimConfig]) -> int:
    """Two shards as large as the largest batch that is to be seen."""
    sizes = [size for way in ways for size in (way.batch_size, way.surrogate.batch_size)]
    return min(_MOST, 2 * max([32, *sizes, *(victim.batch_size for victim in victims)]))


def calibrate(
    drawn: Sequence[Candidate],
    scratch: Folder,
    config: RunConfig,
    ways: Sequence[ProtectConfig],
    victims: Sequence[VictimConfig],
    *,
    protector: Folder | None = None,
    clock: Clock = time.perf_counter,
    progress: Progress = silent,
) -> Costs:
    """Measures what the samples cost, each way to protect them, and each kind of victim. Raises what a run would."""
    total, runtime = 1 + len(ways) + len(victims), config.runtime
    progress(0, total, "reading and sharding")
    clean = scratch.below("clean")
    source = _calibrate_source(drawn, clean, config, clock)
    costs: dict[str, object] = {}
    published = clean
    for number, way in enumerate(ways):
        progress(1 + number, total, f"protecting with {way.method}")
        place = scratch.below(f"way-{number}")
        costs[fingerprint(way)] = calibrate_protection(
            clean, place, way, runtime, seed=config.seed, clock=clock, protector=protector
        )
        published = place
    trained = {}
    for number, victim in enumerate(victims):
        progress(1 + len(ways) + number, total, f"training {victim.architecture}")
        place = scratch.below(f"victim-{number}")
        trained[fingerprint(victim)] = _calibrate_victim(
            published, clean, place, victim, config.evaluate, runtime, config.seed, clock
        )
    progress(total, total, "measured")
    device = resolve_device(runtime).type
    return Costs.model_validate(
        {"samples": len(drawn), "device": device, "source": source, "ways": costs, "victims": trained}
    )


def _calibrate_source(drawn: Sequence[Candidate], clean: Folder, config: RunConfig, clock: Clock) -> SourceCost:
    """Writes the samples as two clean shards. Raises `SourceError` if they do not fill two."""
    counted = CountedFolder(clean)
    each = config.corpus.model_copy(update={"samples_per_shard": max(1, -(-len(drawn) // 2))})
    started = clock()
    writer = SplitWriter("train", counted, each, fingerprint(each))
    for sample in drawn:
        writer.add(sample)
    writer.finish()
    writer.conclude()
    seconds = clock() - started
    shards = list_shards(clean)
    receipts = [read_receipt(clean, shard) for shard in shards]
    usable = sum(receipt.counts["clean"] for receipt in receipts if receipt is not None)
    if len(shards) != 2 or usable < 4:
        raise SourceError(f"expected at least 4 usable samples to measure with, got {usable} of {len(drawn)}")
    measured = shards[1]
    samples = samples_of(clean, measured)
    load_shard(clean, shards[0], config.protect.max_pixels)
    started = clock()
    loaded = load_shard(clean, measured, config.protect.max_pixels)
    load = clock() - started
    tar = clean.size(f"{measured}.tar")
    beside = sum(size for name, size in clean.top().items() if name.startswith(measured)) - tar
    own = [call for call in counted.calls if not call.name.startswith(shards[0])]
    return SourceCost(
        seconds=seconds / len(drawn),
        load=load / samples,
        tar=tar / samples,
        beside=beside / samples,
        pixels=loaded.nbytes / samples,
        calls=calls_of(own, measured, samples),
    )


def _calibrate_victim(
    corpus: Folder,
    clean: Folder,
    scratch: Folder,
    config: VictimConfig,
    evaluate: EvaluateConfig,
    runtime: RuntimeConfig,
    seed: int,
    clock: Clock,
) -> VictimCost:
    """The second of two passes over the samples, and the second of two evaluations."""
    device = resolve_device(runtime)
    watch_memory(device)
    training = Training(corpus, config.model_copy(update={"samples": None}), runtime, seed, clean)
    training.epoch(0, silent)
    started = clock()
    training.epoch(0, silent)
    pair = (clock() - started) / training.stream.length
    started = clock()
    training.save(scratch, "calibration", [])
    kept = clock() - started
    model = training.model.freeze()
    query_model(model, clean, evaluate, runtime)
    started = clock()
    found = query_model(model, clean, evaluate, runtime)
    query = (clock() - started) / found.images
    weights = sum(value.numel() * value.element_size() for value in model.clip.state_dict().values())
    return VictimCost(pair=pair, epoch=kept, query=query, weights=weights, memory=peak_memory(device))
