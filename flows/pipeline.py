"""The whole way: shard, then for every row protect, verify, train, evaluate; then the report.

DEST/run.json                        the settings
DEST/clean/train, DEST/clean/test    clean shards; DEST/clean-pair where rows want a sample for each pair
DEST/rows/ROW/protected              what would be published
DEST/rows/ROW/victim-SEED            a model trained on it, and what it retrieves
DEST/report/report.html
"""

import time

from prefect import flow

from flows.evaluate import evaluate
from flows.local_server.server import estimates
from flows.protect import protect
from flows.report import report
from flows.shard import shard
from flows.train import train
from flows.verify import verify
from mem_core.common.errors import SourceError, StopRun
from mem_core.common.formatting import duration
from mem_core.experiments.config import RowConfig, RunConfig
from mem_core.experiments.rows import clean_folder, in_order, source_row, time_left
from mem_core.protect.destination import PROTECTOR
from tasks.estimating import note_run
from tasks.progress import say
from tasks.reporting import ReportPlace, keep_run
from tasks.sharding import SplitSummary, take_shards
from tasks.storage import address_below

_RUN = RunConfig()


@flow(name="pipeline", flow_run_name="pipeline {config.name}")
def pipeline(source: str, dest: str, config: RunConfig = _RUN, format: str = "auto") -> ReportPlace:
    """Everything from a source to a report. Running it again does only what is missing."""
    started = time.monotonic()
    clean = {kind: _clean(kind, source, dest, config, format) for kind in _kinds(config)}
    train = {kind: _split(splits, "train", source) for kind, splits in clean.items()}
    test = _split(clean[config.corpus.one_sample_per], "test", source)
    fresh = keep_run(dest, config) and not any(split.kept for splits in clean.values() for split in splits.values())
    rows, begun = in_order(config.table, config.protect), time.monotonic()
    for number, row in enumerate(rows):
        left = time_left(rows, number, time.monotonic() - begun, config.protect, len(config.victim_seeds))
        say(f"row {number + 1} of {len(rows)}: {row.name}" + (f", about {duration(left)} left" if left else ""))
        own = train[row.corpus or config.corpus.one_sample_per]
        corpus = own if row.is_clean else _protected(row, own, dest, config)
        _victims(row, corpus, test, dest, config)
    place = report(dest, config)
    if fresh:
        taken = clean[config.corpus.one_sample_per]["train"]
        samples = taken.samples + taken.failed
        note_run(estimates(), config, config.runtime, samples, time.monotonic() - started)
    return place


def row_address(dest: str, row: str) -> str:
    """Where a row keeps its corpus and its victims."""
    return address_below(dest, f"rows/{row}")


def _kinds(config: RunConfig) -> list[str]:
    """The kinds of corpora that rows want, the run's own first."""
    own = config.corpus.one_sample_per
    return list(dict.fromkeys([own, *(row.corpus or own for row in config.table)]))


def _clean(kind: str, source: str, dest: str, config: RunConfig, format: str) -> dict[str, SplitSummary]:
    corpus = config.corpus.model_copy(update={"one_sample_per": kind})
    return shard(source, address_below(dest, clean_folder(kind, config)), corpus, format, config.seed)


def _protected(row: RowConfig, clean: str, dest: str, config: RunConfig) -> str:
    """A protected corpus, proven to be what it claims."""
    place = row_address(dest, row.name)
    settings = row.protect_config(config.protect)
    source = source_row(row, config.table, config.protect)
    protector = None
    if row.fit_shards is not None:
        part = take_shards(clean, address_below(place, "part"), row.fit_shards)
        fitted = protect(part, address_below(place, "fitted"), settings, config.runtime, config.seed)
        protector = address_below(fitted.uri, PROTECTOR)
        settings = settings.model_copy(update={"strategy": "replay"})
    done = protect(
        clean,
        address_below(place, "protected"),
        settings,
        config.runtime,
        config.seed,
        protector=protector,
        reuse=address_below(row_address(dest, source.name), "protected") if source else None,
    )
    found = verify(clean, done.uri, record=place)
    if not found.ok:
        first = found.problems[0]
        raise StopRun(
            f"expected {done.uri} to verify, but {len(found.problems)} things are wrong, the first in shard "
            f"{first.shard} {first.key}: {first.what}"
        )
    return done.uri


def _victims(row: RowConfig, corpus: str, test: str, dest: str, config: RunConfig) -> None:
    """A victim for every seed, queried with a prefix as long as the row's triggers are."""
    length = row.protect_config(config.protect).trigger.length
    queries = config.evaluate.model_copy(update={"prefix_length": length})
    settings = row.victim_config(config.victim)
    for seed in config.victim_seeds:
        out = address_below(row_address(dest, row.name), f"victim-{seed}")
        train(corpus, out, settings, config.runtime, seed, test, queries, row.name)
        evaluate(out, test, queries, config.runtime, f"{row.name}, seed {seed}")


def _split(splits: dict[str, SplitSummary], name: str, source: str) -> str:
    if name not in splits or not splits[name].samples:
        raise SourceError(
            f"expected a {name} split with usable samples in {source}, got {', '.join(splits) or 'none'}: "
            "`--set corpus.holdout=0.1`, with another destination, keeps a share of the samples for test"
        )
    return splits[name].uri
