"""How far twins reach: p-values by method, share of the trainer's pairs and attack, and what innocent models get.

Every method protects the whole corpus with twins once. A cell is one victim: it trains on a share of the pairs as
published and on the clean originals of the others, after an attack, and is asked about the twins of the share. Its
preferences give two p-values a statistic: with the coins by which was published, and with coins thrown anew from
another key, for which it is as innocent as any model. Cells of innocents are untrained, or trained on clean pairs.

Preferences do not depend on the key (a test publishes under two keys), so new coins for a model that never saw the
published ones are what that model would have been asked under that key. One throw for all models would not do: they
share preferences, and with them the luck of the throw.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from benchmarks.evidence_tables import evidence_table
from benchmarks.gpu.evidence_answers import all_p, preferences_of, thrown
from benchmarks.gpu.jobs import Job
from mem_core.audit.evidence.pairs import DrawnPair, drawn_pair
from mem_core.common.formatting import markdown_table
from mem_core.common.rng import derived_seed
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig, ProtectConfig, RuntimeConfig, merge
from mem_core.data.corpus import list_shards
from mem_core.data.readers import open_source
from mem_core.data.readers.base import SourceReader
from mem_core.data.shard import Sample, open_tar, read_shard, shard_bytes
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.experiments.reproduce.datasets import open_dataset
from mem_core.models import OpenClipEncoder, build_model
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted, protect_all
from mem_core.protect.twins import read_twins
from mem_core.victim.config import VictimConfig
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.weights import load_victim

METHODS: dict[str, dict[str, Any]] = {
    "random-trigger": {"method": "random-trigger"},
    "mark": {"method": "mark", "trigger": {"placement": "inside"}},
    "codebook": {"method": "codebook"},
    "mem": {"method": "mem"},
}
SHARES = (1.0, 0.5, 0.1, 0.05, 0.01, 0.002)
_SHARES_AT_64 = (0.01, 0.5)
ATTACKS: dict[str, dict[str, Any]] = {
    "none": {},
    "words dropped": {"countermeasures": [{"kind": "strip-first", "words": 3}]},
    "recaptioned": {"countermeasures": [{"kind": "recaption"}]},
    "jpeg 75": {"countermeasures": [{"kind": "jpeg", "quality": 75}]},
    "cleanclip": {"finetune": {"share": 0.1, "epochs": 5}},
    "best epoch": {},
    "from pretrained": {},
}
_PRESETS = {32: "docs/results/stress/preset.yaml", 64: "mem_core/experiments/reproduce/scales/flickr8k.yaml"}
_SMALL: dict[str, Any] = {
    "protect": {"rounds": 1, "surrogate": {"steps_per_round": 4, "pool_shards": 1}, "noise": {"num_steps": 1}},
    "victim": {"epochs": 2, "batch_size": 32},
}
_ATTACKS_AT_64 = ("words dropped", "recaptioned")
_CLEAN, _UNTRAINED = 40, 12  # jobs: one clean victim each, or so many untrained models
_MODELS = 20


@dataclass(frozen=True)
class EvidenceCell:
    """One victim. share: of the trainer's pairs as published, which are those that have twins."""

    method: str
    share: float
    attack: str
    seed: int

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.method}-{self.share:g}-{self.attack}-{self.seed}".replace(" ", "-")


_OF_CELL = tuple(EvidenceCell.__dataclass_fields__)


@dataclass(frozen=True)
class EvidencePart:
    """side: of the photographs and of the models, in pixels; at 64 there are fewer cells, and no innocents.
    small: drawn pictures, a few steps, a few cells, to see that it runs.
    """

    name: str
    folder: Path
    data: Path | None
    device: str
    side: Literal[32, 64] = 32
    small: bool = False

    @property
    def results(self) -> tuple[str, ...]:
        """What is kept, as patterns below the folder."""
        return ("cells/*.json", "innocent/*.json", "cells.json", "innocent.json", "evidence.md")

    @property
    def runtime(self) -> RuntimeConfig:
        return RuntimeConfig(device=self.device, precision="float32", cache_mb=1024)

    def settings(self) -> dict[str, Any]:
        """At 32 px those of the stress test, at 64 px those of the study."""
        values: dict[str, Any] = yaml.safe_load(Path(_PRESETS[self.side]).read_text(encoding="utf-8"))
        values = merge(values, {"corpus": {"resize": self.side}})
        return merge(values, _SMALL) if self.small else values

    def cells(self) -> list[EvidenceCell]:
        """A seed after the other; in each, most valuable first: what the aims name, then further shares and attacks."""
        shares: tuple[float, ...] = (0.01, 0.002, 0.1, 1.0, 0.05, 0.5)
        attacks = tuple(ATTACKS)[1:]
        if self.side == 64:
            shares, attacks = _SHARES_AT_64, _ATTACKS_AT_64
        if self.small:
            shares, attacks = (1.0, 0.5), attacks[:2]
        found = []
        for seed in range(1 if self.small else 3):
            found += [EvidenceCell(method, share, "none", seed) for share in shares for method in METHODS]
            found += [EvidenceCell(method, 0.5, attack, seed) for attack in attacks for method in METHODS]
        return found

    def jobs(self) -> list[Job]:
        """The corpus, the methods, the victims, the innocents; what was measured before is left out."""
        first, start = f"{self.name}: clean corpus", f"{self.name}: pretrained"
        protected = {method: f"{self.name}: protect {method}" for method in METHODS}
        jobs = [Job(first, partial(prepare, self), turn=-1)]
        jobs += [
            Job(protected[method], partial(_protect, self, method), (first,), turn=-1) for method in reversed(METHODS)
        ]
        jobs.append(Job(start, partial(_pretrain, self), (first,)))
        for cell in self.cells():
            if not self._file(cell.name).exists():
                needs = (first, protected[cell.method], *((start,) if cell.attack == "from pretrained" else ()))
                jobs.append(Job(f"{self.name}: {cell.name}", partial(_measure, self, cell), needs, turn=cell.seed))
        for kind, count in self._innocents_wanted().items():
            for number in range(count):
                if not self._innocent(kind, number).exists():
                    name, needs = f"{self.name}: {kind} {number}", (first, *protected.values())
                    jobs.append(Job(name, partial(_innocents, self, kind, number), needs, turn=1))
        return jobs

    def _innocents_wanted(self) -> dict[str, int]:
        """Jobs by kind."""
        if self.small:
            return {"clean": 1, "untrained": 1}
        return {"clean": _CLEAN, "untrained": _UNTRAINED} if self.side == 32 else {}

    def last_jobs(self) -> list[Job]:
        """What is done once the time is over."""
        return [Job(f"{self.name}: report", partial(_report, self))]

    def clean(self, split: str = "train") -> LocalFolder:
        return LocalFolder(self.folder / "clean" / split)

    def protected(self, method: str) -> LocalFolder:
        return LocalFolder(self.folder / "protected" / method)

    def victim_config(self, attack: str) -> VictimConfig:
        own = {"evaluate_every": 0, **ATTACKS[attack]}
        if attack == "from pretrained":
            own["pretrained"] = str(self.folder / "pretrained" / "victim.safetensors")
        return VictimConfig.model_validate(merge(self.settings()["victim"], own))

    def _file(self, name: str) -> Path:
        return self.folder / "cells" / f"{name}.json"

    def _innocent(self, kind: str, number: int) -> Path:
        return self.folder / "innocent" / f"{kind}-{number}.json"


def prepare(part: EvidencePart) -> str:
    """The clean corpus, once."""
    if not part.clean().exists("manifest.json"):
        config = CorpusConfig.model_validate(
            part.settings()["corpus"] | ({"samples_per_shard": 40} if part.small else {})
        )
        if part.small:
            drawn = draw_corpus(part.folder / "source", 120, 24, size=32, seed=0, validation_count=60)
            source: SourceReader = open_source(drawn, format="csv")
        else:
            source = open_dataset("flickr8k", part.data)
        shard_source(source, LocalFolder(part.folder / "clean"), config)
    return f"{len(list_shards(part.clean()))} shards"


def _protect(part: EvidencePart, method: str) -> str:
    config = ProtectConfig.model_validate(merge(part.settings()["protect"], METHODS[method]))
    wanted = TwinsWanted(share=1.0, key=KeyPlace(folder=str(part.folder / "keys")))
    places = Places(part.clean(), part.protected(method))
    protect_all(Protection(places, config, part.runtime, seed=0, twins=wanted))
    return f"{len(_twins(part, method))} pairs"


def _pretrain(part: EvidencePart) -> str:
    out = LocalFolder(part.folder / "pretrained")
    train_victim(VictimData(part.clean()), out, part.victim_config("none"), part.runtime, seed=1000)
    return ""


@dataclass(frozen=True)
class _Twin:
    """draw: the published one."""

    drawn: DrawnPair
    published: Sample
    draw: int


@lru_cache(maxsize=3)
def _twins(part: EvidencePart, method: str) -> list[_Twin]:
    """All pairs, in an order drawn once: a share is the first of them, so a smaller one lies in a larger one."""
    found = [_Twin(drawn_pair(pair), pair.published, pair.row.draw) for pair in read_twins(part.protected(method))]
    return sorted(found, key=lambda twin: derived_seed(0, "share", twin.drawn.name))


def _measure(part: EvidencePart, cell: EvidenceCell) -> str:
    twins = _twins(part, cell.method)[: max(2, round(cell.share * len(_twins(part, cell.method))))]
    place = part.folder / "work" / cell.name
    corpus, out = LocalFolder(place / "corpus"), LocalFolder(place / "victim")
    write_mix(part.clean(), corpus, {twin.drawn.name: twin.published for twin in twins})
    data = VictimData(corpus, clean=part.clean(), validation=part.clean("val") if cell.attack == "best epoch" else None)
    train_victim(data, out, part.victim_config(cell.attack), part.runtime, seed=cell.seed)
    model, record = load_victim(out, "best")
    shutil.rmtree(place)
    found = preferences_of(model, part.runtime, [twin.drawn for twin in twins])
    coins = np.array([twin.draw for twin in twins])
    line = {
        **vars(cell),
        "pairs": len(twins),
        "epoch": record.best_epoch or record.config.epochs,
        "published": all_p(found, coins),
        "thrown anew": all_p(found, thrown(cell.name, len(coins))),
    }
    _write(part.folder / "cells" / f"{cell.name}.json", line)
    best = min(line["published"].items(), key=lambda one: one[1]["p"])
    return f"{best[0]} p {best[1]['p']:.2g}"


def _innocents(part: EvidencePart, kind: str, number: int) -> str:
    """Trained ones are asked about every method's twins, untrained ones about those of one method, in turn."""
    lines, lowest, methods = [], 1.0, tuple(METHODS)
    for seed, model in _innocent_models(part, kind, number):
        for method in methods if kind == "clean" else (methods[seed % len(methods)],):
            pairs = [twin.drawn for twin in _twins(part, method)[:1000]]
            found = preferences_of(model, part.runtime, pairs)
            values = all_p(found, thrown(f"{kind} {seed} {method}", len(pairs)))
            lines.append({"kind": kind, "seed": seed, "method": method, "thrown anew": values})
            lowest = min(lowest, values["words"]["p"])
    _write(part.folder / "innocent" / f"{kind}-{number}.json", lines)
    return f"lowest p of words {lowest:.2g}"


def _innocent_models(part: EvidencePart, kind: str, number: int) -> Iterator[tuple[int, OpenClipEncoder]]:
    config = part.victim_config("none")
    if kind == "untrained":
        first = _MODELS * number
        yield from ((seed, build_model(config.architecture, seed)) for seed in range(first, first + _MODELS))
        return
    place = part.folder / "work" / f"{kind}-{number}"
    train_victim(VictimData(part.clean()), LocalFolder(place), config, part.runtime, seed=2000 + number)
    model, _ = load_victim(LocalFolder(place))
    shutil.rmtree(place)
    yield number, model


def write_mix(clean: LocalFolder, corpus: LocalFolder, published: dict[str, Sample]) -> None:
    """The clean corpus with some samples as published."""
    for shard in list_shards(clean):
        with open_tar(clean, shard) as stream:
            samples = [found for found in read_shard(stream, shard) if isinstance(found, Sample)]
        mixed = [published.get(f"{shard}/{sample.key}", sample) for sample in samples]
        write_bytes(corpus, f"{shard}.tar", shard_bytes(mixed))


def _write(path: Path, values: object) -> None:
    write_bytes(LocalFolder(path.parent), path.name, (json.dumps(values, indent=1) + "\n").encode())


def _report(part: EvidencePart) -> str:
    """cells.json, innocent.json and their tables: what docs/results/evidence.md is written from."""
    cells = [json.loads(path.read_text()) for path in sorted((part.folder / "cells").glob("*.json"))]
    innocent = [
        {
            "kind": "victim",
            "name": EvidenceCell(*(cell[key] for key in _OF_CELL)).name,
            "thrown anew": cell["thrown anew"],
        }
        for cell in cells
    ]
    for path in sorted((part.folder / "innocent").glob("*.json")):
        found = json.loads(path.read_text())
        innocent += [
            {"kind": one["kind"], "name": str(one["seed"]), "thrown anew": one["thrown anew"]} for one in found
        ]
    published = [{key: value for key, value in cell.items() if key != "thrown anew"} for cell in cells]
    _write_lines(part.folder / "cells.json", published)
    _write_lines(part.folder / "innocent.json", innocent)
    tables = [evidence_table(published, wanted) for wanted in ("shares", "attacks", "statistics")] if cells else []
    tables += [evidence_table(innocent, "innocents")] if innocent else []
    text = "\n\n".join(markdown_table(header, rows) for header, *rows in tables)
    (part.folder / "evidence.md").write_text(text + "\n", encoding="utf-8")
    return f"{len(cells)} of {len(part.cells())} victims, {len(innocent)} p-values of innocent models"


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """A JSON list, a line an entry."""
    text = ",\n".join(json.dumps(line) for line in lines)
    write_bytes(LocalFolder(path.parent), path.name, f"[{text}]\n".encode())
