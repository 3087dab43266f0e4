"""The whole way: shard, then for every row protect, verify, train, evaluate; then the report.

DEST/run.json                        the settings
DEST/clean/train, DEST/clean/test    clean shards
DEST/rows/ROW/protected              what would be published
DEST/rows/ROW/victim-SEED            a model trained on it, and what it retrieves
DEST/report/report.html
"""

from prefect import flow

from flows.evaluate import evaluate
from flows.protect import protect
from flows.report import report
from flows.shard import shard
from flows.train import train
from flows.verify import verify
from mem_core.config import Method, RunConfig
from mem_core.errors import SourceError, StopRun
from tasks.progress import say
from tasks.reporting import ReportPlace, keep_run
from tasks.sharding import SplitSummary
from tasks.storage import address_below

_TAKES_FROM_MEM: tuple[Method, ...] = ("noise-only", "trigger-only")

_RUN = RunConfig()


@flow(name="pipeline", flow_run_name="pipeline {config.name}")
def pipeline(source: str, dest: str, config: RunConfig = _RUN, format: str = "auto") -> ReportPlace:
    """Everything from a source to a report. Running it again does only what is missing."""
    splits = shard(source, address_below(dest, "clean"), config.corpus, format, config.seed)
    clean, test = _split(splits, "train", source), _split(splits, "test", source)
    keep_run(dest, config)
    for number, method in enumerate(in_order(config.rows), start=1):
        say(f"row {number} of {len(config.rows)}: {method}")
        corpus = clean if method == "clean" else _protected(method, clean, dest, config)
        _victims(method, corpus, test, dest, config)
    return report(dest, config)


def in_order(rows: tuple[Method, ...]) -> list[Method]:
    """Each row once, those that take from MEM's corpus after it."""
    return sorted(dict.fromkeys(rows), key=lambda method: method in _TAKES_FROM_MEM)


def row_address(dest: str, method: Method) -> str:
    """Where a row keeps its corpus and its victims."""
    return address_below(dest, f"rows/{method}")


def _protected(method: Method, clean: str, dest: str, config: RunConfig) -> str:
    """A protected corpus, proven to be what it claims."""
    row = row_address(dest, method)
    takes = method in _TAKES_FROM_MEM and "mem" in config.rows
    done = protect(
        clean,
        address_below(row, "protected"),
        config.protect.model_copy(update={"method": method}),
        config.runtime,
        config.seed,
        reuse=address_below(row_address(dest, "mem"), "protected") if takes else None,
    )
    found = verify(clean, done.uri, record=row)
    if not found.ok:
        first = found.problems[0]
        raise StopRun(
            f"expected {done.uri} to verify, but {len(found.problems)} things are wrong, the first in shard "
            f"{first.shard} {first.key}: {first.what}"
        )
    return done.uri


def _victims(method: Method, corpus: str, test: str, dest: str, config: RunConfig) -> None:
    """A victim for every seed, queried with a prefix as long as the triggers are."""
    queries = config.evaluate.model_copy(update={"prefix_length": config.protect.trigger.length})
    for seed in config.victim_seeds:
        out = address_below(row_address(dest, method), f"victim-{seed}")
        train(corpus, out, config.victim, config.runtime, seed, test, queries, method)
        evaluate(out, test, queries, config.runtime, f"{method}, seed {seed}")


def _split(splits: dict[str, SplitSummary], name: str, source: str) -> str:
    if name not in splits or not splits[name].samples:
        raise SourceError(
            f"expected a {name} split with usable samples in {source}, got {', '.join(splits) or 'none'}: "
            "`--set corpus.holdout=0.1`, with another destination, keeps a share of the samples for test"
        )
    return splits[name].uri
