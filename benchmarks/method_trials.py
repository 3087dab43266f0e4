"""Trials of the method, small enough for one core: protect, train victims, one JSON line a trial.

python -m benchmarks.method_trials TRIALS.json --clean CORPUS/train --test CORPUS/test --out trials.jsonl

TRIALS.json is a list of {"name": ..., "protect": {...}, "victims": ["published", "stripped"], "seeds": [0, 1]}:
settings of `protect` laid on the ones below. A victim that `--out` holds already is not trained again.

Victims: `published` reads the corpus as it is; `stripped` drops as many first words as the trigger has; `jpeg` reads
JPEG 90 copies with 4:2:0 chroma; `stripped-jpeg` both; `inside` finds the trigger's words at random places.
"""

import argparse
import io
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import Field

from mem_core.config import EvaluateConfig, Frozen, ProtectConfig, RuntimeConfig, TriggerConfig, VictimConfig, merge
from mem_core.data.folder import LocalFolder, write_bytes
from mem_core.data.loaded import load_shard
from mem_core.data.manifest import list_shards
from mem_core.data.shard import Sample, shard_bytes
from mem_core.evaluation import query_model
from mem_core.models import Tokenizer
from mem_core.perturb.state import random_triggers
from mem_core.perturb.vocabulary import build_vocabulary
from mem_core.protection import Protection
from mem_core.rng import generator
from mem_core.victim import load_victim, train_victim

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
    protection = Protection(clean, dest, config, RUNTIME, seed=0)
    protection.begin()
    losses: list[float] = []
    while not protection.fitted and len(losses) < config.rounds:
        protection.fit_round(len(losses))
        each = [protection.advance(shard, len(losses)) for shard in protection.shards]
        losses.append(sum(each) / len(each))
    if losses:
        protection.finish_fit(losses)
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    return time.process_time() - started


def copy_of(protected: LocalFolder, dest: LocalFolder, kind: str, words: int) -> LocalFolder:
    """The corpus as the trainer of that kind prepares it."""
    if kind == "published":
        return protected
    for name in list_shards(protected):
        shard = load_shard(protected, name, max_pixels=2**40)
        write_bytes(dest, f"{name}.tar", shard_bytes(list(_changed(shard.samples, kind, words))))
    return dest


def _changed(samples: list[Sample], kind: str, words: int) -> Iterator[Sample]:
    for sample in samples:
        changed = sample
        if "stripped" in kind:
            captions = tuple(" ".join(caption.split()[words:]) or caption for caption in sample.captions)
            changed = replace(changed, captions=captions, metadata={})
        if kind == "words":
            drawn = random_words(sample.key, words)
            changed = replace(changed, captions=tuple(f"{drawn} {text}" for text in sample.captions), metadata={})
        if kind == "inside":
            moved = tuple(_moved(text, words, f"{sample.key} {n}") for n, text in enumerate(sample.captions))
            changed = replace(changed, captions=moved, metadata={})
        if "jpeg" in kind:
            stream = io.BytesIO()
            Image.open(io.BytesIO(sample.image)).save(stream, "JPEG", quality=90, subsampling=2)
            changed = replace(changed, image=stream.getvalue(), extension="jpg")
        yield changed


def random_words(key: str, words: int) -> str:
    """As many random words as a trigger has, the sample's own."""
    tokenizer = Tokenizer(77)
    row = random_triggers(0, "trial", [key], build_vocabulary(tokenizer, TriggerConfig()).ids, words)[0]
    return tokenizer.decode(row.tolist())


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
        corpus = copy_of(source, LocalFolder(work / kind), kind, config.trigger.length)
        started = time.process_time()
        victim = LocalFolder(work / "victim")
        settings = VictimConfig.model_validate(merge(VICTIM.model_dump(), trial.victim))
        record = train_victim(corpus, victim, settings, RUNTIME, seed=seed, corpus_fingerprint=f"{trial.name} {kind}")
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.method_trials", description=__doc__)
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
