"""The steps as functions over folders of this machine: what a script or a notebook calls.

A place is a path. Settings are the models of `mem_core.config` and `mem_core.victim.config`; results are frozen.
Each function goes on where an earlier call with equal arguments was left, and makes nothing again that is there.
Errors that a user can cause are `MemshieldError`s (`mem_core.common.errors`), one sentence each.
"""

from collections.abc import Iterator
from pathlib import Path

from mem_core.audit.verify import record
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.paths import whole_path
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig, ProtectConfig, RuntimeConfig
from mem_core.data.corpus import corpus_fingerprint, list_shards
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.sharding.split_writer import ShardingSummary
from mem_core.data.table import SampleRow, read_rows
from mem_core.protect.protection import Places, Protection, protect_all
from mem_core.protect.protector import require_protector
from mem_core.protect.shard_summary import ShardSummary
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import evaluate_victim
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import Evaluation, read_evaluation
from mem_core.victim.training import VictimData, train_victim

Place = str | Path
_AUTO = RuntimeConfig()


def shard(
    source: Place, dest: Place, config: CorpusConfig = CorpusConfig(), *, format: str = "auto", seed: int = 0
) -> dict[str, ShardingSummary]:
    """Images and captions become clean shards, `dest`/train and further splits; split -> what it has.

    source: a folder, or the caption file in it. Raises `SourceError`, `ConfigError`, `DestinationError`,
    `MismatchError` for shards of another source or of other settings.
    """
    reader = open_source(source, format=format, config=config, seed=seed)
    return shard_source(reader, _folder(dest), config, seed)


def protect(
    clean: Place, dest: Place, config: ProtectConfig = ProtectConfig(), runtime: RuntimeConfig = _AUTO, *, seed: int = 0
) -> list[ShardSummary]:
    """Makes a protector from a clean split (`corpus/train`) and the files to publish, shard by shard, in this process.

    The bytes are those of `memshield protect` with equal settings and seed. The protector lies in `dest`/protector.
    Raises `SourceError`, `ConfigError`, `DestinationError`, `MismatchError`.
    """
    return protect_all(Protection(Places(_shards(clean), _folder(dest)), config, runtime, seed=seed))


def apply(protector: Place, clean: Place, dest: Place, runtime: RuntimeConfig = _AUTO) -> list[ShardSummary]:
    """Protects later shards with the protector of a finished fit (`protected/protector`), its settings and its seed.

    Raises `ConfigError` where no protector is, and what `protect` raises.
    """
    folder = _folder(protector)
    stored = require_protector(folder)
    config = stored.config.model_copy(update={"strategy": "replay"})
    places = Places(_shards(clean), _folder(dest), protector=folder)
    return protect_all(Protection(places, config, runtime, seed=stored.seed))


def verify(clean: Place, protected: Place) -> VerifyReport:
    """Reads every byte of both again and compares them. What is wrong stands in the report: nothing is raised for it.

    Raises `SourceError` for a folder without shards.
    """
    return record.verify(_shards(clean), _shards(protected))


def samples(protected: Place) -> Iterator[SampleRow]:
    """What became of every sample, in order: status, reason, hashes, visibility, trigger words."""
    folder = _shards(protected)
    for name in list_shards(folder):
        yield from read_rows(folder, name)


def train(
    corpus: Place,
    out: Place,
    config: VictimConfig = VictimConfig(),
    runtime: RuntimeConfig = _AUTO,
    *,
    validation: Place | None = None,
    seed: int = 0,
) -> VictimRecord:
    """Trains a victim on a split as published and keeps it in `out`.

    validation: clean pairs (`corpus/val`) that choose the best epoch; without them it is not known, and nothing can be
    claimed. Raises `SourceError`, `ConfigError`.
    """
    folder = _shards(corpus)
    chosen_on = None if validation is None else _shards(validation)
    data = VictimData(folder, fingerprint=corpus_fingerprint(folder), validation=chosen_on)
    return train_victim(data, _folder(out), config, runtime, seed=seed)


def evaluate(
    victim: Place, test: Place, config: EvaluateConfig = EvaluateConfig(), runtime: RuntimeConfig = _AUTO
) -> Evaluation:
    """What a trained victim retrieves on clean test pairs (`corpus/test`); the result is kept beside it.

    Raises `SourceError` where there is no victim or no pair that can be used.
    """
    return evaluate_victim(_folder(victim), _shards(test), config, runtime)


def results(victim: Place) -> Evaluation | None:
    """The kept result of a victim, None if it was not evaluated. Raises `MismatchError` if it cannot be read."""
    return read_evaluation(_folder(victim))


def _folder(place: Place) -> LocalFolder:
    return LocalFolder(whole_path(place))


def _shards(place: Place) -> LocalFolder:
    folder = _folder(place)
    list_shards(folder)
    return folder
