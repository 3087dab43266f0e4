"""Trials of the method, small enough for one core: protect, train victims, one JSON line a trial.

python -m research.method_trials TRIALS.json --clean CORPUS/train --test CORPUS/test --out trials.jsonl

TRIALS.json is a list of {"name": ..., "protect": {...}, "victims": ["published", "stripped"], "seeds": [0, 1]}:
settings of `protect` laid on the ones below. A victim that `--out` holds already is not trained again.

Victims: `published` reads the corpus as it is; `stripped` drops as many first words as the trigger has; `jpeg` reads
JPEG 90 copies with 4:2:0 chroma; `stripped-jpeg` both; `inside` finds the trigger's words at random places.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from mem_core.common.rng import generator
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import Frozen, ProtectConfig, RuntimeConfig, fingerprint, merge
from mem_core.data.corpus import list_shards
from mem_core.data.shard import shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.protect.protection import Places, Protection, protect_all
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.weights import load_victim
from mem_core.victim.training import VictimData, train_victim

RUNTIME = RuntimeConfig(device="cpu", precision="float32", cache_mb=1024)
PROTECT: dict[str, Any] = {"surrogate": {"architecture": "tiny-resnet-32", "steps_per_round": 94, "pool_shards": 12}}
VICTIM = VictimConfig(architecture="tiny-resnet-32", epochs=10, evaluate_every=0)


class Trial(Frozen):
    """What to protect with, and which victims to train on it."""

    name: str
    protect: dict[str, Any] = Field(default_factory=dict)
    victims: tuple[str, ...] = ("published",)
    seeds: tuple[int, ...] = (0,)
    victim: dict[str, Any] = Field(default_factory=dict)

    @property
    def config(self) -> ProtectConfig:
        return ProtectConfig.model_validate(merge(PROTECT, self.protect))


def protect(clean: LocalFolder, dest: LocalFolder, config: ProtectConfig) -> float:
    """Protects a corpus as the flow does; returns the process seconds it took."""
    started = time.process_time()
    protect_all(Protection(Places(clean, dest), config, RUNTIME, seed=0))
    return time.process_time() - started


def countermeasures(kind: str, words: int) -> list[dict[str, Any]]:
    """What the trainer of that kind does to the pairs."""
    strips, saves = {"kind": "strip-first", "words": words}, {"kind": "jpeg", "quality": 90, "chroma": "4:2:0"}
    return [strips] * ("stripped" in kind) + [saves] * ("jpeg" in kind)


def with_words_inside(protected: LocalFolder, dest: LocalFolder, words: int) -> LocalFolder:
    """The corpus with the first words of every caption moved to random places in it."""
    for name in list_shards(protected):
        samples = load_shard(protected, name, max_pixels=2**40).samples
        moved = [
            replace(one, captions=tuple(_moved(text, words, f"{one.key} {n}") for n, text in enumerate(one.captions)))
            for one in samples
        ]
        write_bytes(dest, f"{name}.tar", shard_bytes(moved))
    return dest


def _moved(caption: str, words: int, key: str) -> str:
    """The first words of a caption, moved to random places among the others."""
    trigger, rest = caption.split()[:words], caption.split()[words:]
    for place, word in zip(torch.randint(len(rest) + 1, (words,), generator=generator(0, key)), trigger, strict=False):
        rest.insert(int(place), word)
    return " ".join(rest)


def run(
    trial: Trial, clean: LocalFolder, test: LocalFolder, work: Path, done: set[tuple[str, str, int]]
) -> Iterator[Any]:
    """One line for each victim that is not done yet."""
    config, protected = trial.config, LocalFolder(work / "protected")
    wanted = [(kind, seed) for kind in trial.victims for seed in trial.seeds if (trial.name, kind, seed) not in done]
    if not wanted:
        return
    seconds = 0.0 if config.method == "clean" else protect(clean, protected, config)
    for kind, seed in wanted:
        source = clean if config.method == "clean" else protected
        corpus = source
        if kind == "inside":
            corpus = with_words_inside(source, LocalFolder(work / kind), config.trigger.length)
        started = time.process_time()
        victim = LocalFolder(work / "victim")
        changes = trial.victim | {"countermeasures": countermeasures(kind, config.trigger.length)}
        settings = VictimConfig.model_validate(merge(VICTIM.model_dump(), changes))
        trained_on = fingerprint(config, kind)
        record = train_victim(VictimData(corpus, fingerprint=trained_on), victim, settings, RUNTIME, seed=seed)
        found = query_model(load_victim(victim)[0], test, EvaluateConfig(prefix_length=config.trigger.length), RUNTIME)
        yield {
            "name": trial.name,
            "victim": kind,
            "seed": seed,
            "bare": [found.bare.image_to_text.median_rank, found.bare.text_to_image.median_rank],
            "prefixed": [found.prefixed.image_to_text.median_rank, found.prefixed.text_to_image.median_rank],
            "chance": [found.chance.image_to_text.median_rank, found.chance.text_to_image.median_rank],
            "hit10": [found.bare.image_to_text.hit_at_10, found.bare.text_to_image.hit_at_10],
            "loss": round(record.history[-1].loss, 3),
            "protect_seconds": round(seconds),
            "victim_seconds": round(time.process_time() - started),
            "protect": trial.protect,
        }
    shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m research.method_trials", description=__doc__)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--clean", type=LocalFolder, required=True)
    parser.add_argument("--test", type=LocalFolder, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("trial-work"), help="a killed trial goes on here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trials = [Trial.model_validate(values) for values in json.loads(arguments.trials.read_text())]
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {(line["name"], line["victim"], line["seed"]) for line in map(json.loads, lines)}
    for trial in trials:
        for line in run(trial, arguments.clean, arguments.test, arguments.work / trial.name, done):
            with arguments.out.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            print(line)


if __name__ == "__main__":
    main()
