"""The state of a destination, read from storage: no server is asked, no image is opened."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, Field

from mem_core.common.errors import SourceError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import Frozen, ProtectConfig
from mem_core.config.methods import CLEAN
from mem_core.config.stored import parse_record
from mem_core.data.finished_shard import missing_output, receipts_of
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.data.receipt import receipt_name, stats_name
from mem_core.data.sharding.left_out import LEFT_OUT_NAME, counted_codes, read_left_out
from mem_core.experiments.config import RunConfig, clean_folder, read_run
from mem_core.experiments.waiting import Waiting, longest_waiting
from mem_core.protect.destination import STATE
from mem_core.protect.failures import read_failures

JOB = f"{STATE}/job.json"
"""In a destination while work goes on: the job, from which one learns which clean corpus the shards come from."""

OpenFolder = Callable[[str], Folder]
MADE_ELSEWHERE = "made elsewhere"
"""The method of a corpus whose shards have no receipts of ours."""

_TAR, _STATS, _RECEIPT = ".tar", stats_name(""), receipt_name("")


class CorpusStatus(Frozen):
    """One corpus. done, pending: shards; a done one has a receipt, and the files it names. counts: samples by status.
    reasons: why samples failed, most common first. failed: shard -> why it failed after every try; those are not among
    the pending ones. fitting: (round, of how many) while the protector is fitted: the last round whose surrogate is
    there, and the first before that. backed_off: samples whose noise was scaled back for the quality budget.
    source: the clean corpus that tells which shards are still to come, "" if it is not known. longest_waiting: of the
    pending shards, None without any, and where nobody asked. has_protector: nights can go on with it."""

    place: str
    method: str
    finished: bool
    done: int
    pending: int
    counts: dict[str, int]
    reasons: dict[str, int]
    failed: dict[str, str] = Field(default_factory=dict)
    fitting: tuple[int, int] | None = None
    backed_off: int = 0
    source: str = ""
    longest_waiting: Waiting | None = None
    has_protector: bool = Field(default=False, exclude=True)

    @property
    def has_source(self) -> bool:
        """Whether it is made from another corpus: not a clean one, nor one that another tool made."""
        return self.method not in (CLEAN, MADE_ELSEWHERE)


class VictimStatus(Frozen):
    """One victim of a pipeline's row."""

    place: str
    trained: bool
    evaluated: bool


class StatusProblem(Frozen):
    """What somebody has to see to. place: of the corpus. kind: shards that failed; shards that wait too long; a corpus
    of which nobody knows what is to come. shards: how many of them."""

    place: str
    kind: Literal["failed", "waiting", "unknown"]
    shards: int
    what: str


class DestinationStatus(Frozen):
    """Everything found, or known to come, below an address.

    left_out: clean corpus, by its place -> code -> pictures of its source that are in no sample. problems: what
    somebody has to see to, None where nobody checked (`mem_core/experiments/status_check.py`).
    """

    uri: str
    corpora: tuple[CorpusStatus, ...]
    victims: tuple[VictimStatus, ...] = ()
    report: str = ""
    left_out: dict[str, dict[str, int]] = Field(default_factory=dict)
    problems: tuple[StatusProblem, ...] | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        open_ends = any(c.pending or c.failed or not c.finished for c in self.corpora)
        return not open_ends and all(v.evaluated for v in self.victims)


def read_status(
    folder: Folder, clean: Folder | None, open_folder: OpenFolder, *, ages: bool = False
) -> DestinationStatus:
    """The state of a corpus or of a whole pipeline. Raises `SourceError` where there is neither.

    `clean` tells which shards are still to come; a pipeline, or a run that is not over, knows it by itself, as an
    address for `open_folder`. ages: also since when shards wait, which takes a request for each of them.
    """
    listing = list(folder.names())
    run = read_run(folder)
    sources = _sources(folder, run) if run else {}
    places = {_corpus_of(name) for name in listing if _shows_corpus(name)} | set(sources)
    corpora = tuple(
        _corpus(folder, place, listing, clean or sources.get(place), open_folder, ages=ages) for place in sorted(places)
    )
    victims = {name.rpartition("/")[0] for name in listing if name.startswith("rows/") and "/victim-" in name}
    victims |= {f"rows/{row.name}/victim-{seed}" for row in run.table for seed in run.victim_seeds} if run else set()
    if not corpora and not victims:
        raise SourceError(f"expected shards or a pipeline's folders in {folder.uri}, but there is nothing of the kind")
    page, names = "report/report.html", set(listing)
    return DestinationStatus(
        uri=folder.uri,
        corpora=corpora,
        victims=tuple(
            VictimStatus(
                place=place, trained=f"{place}/victim.json" in names, evaluated=f"{place}/evaluation.json" in names
            )
            for place in sorted(victims)
        ),
        report=f"{folder.uri}/{page}" if page in names else "",
        left_out=_left_out(folder, listing),
    )


def _left_out(root: Folder, listing: Iterable[str]) -> dict[str, dict[str, int]]:
    places = [
        name.removesuffix(LEFT_OUT_NAME).rstrip("/") for name in listing if f"/{name}".endswith(f"/{LEFT_OUT_NAME}")
    ]
    found = {place or ".": read_left_out(root.below(place) if place else root) for place in sorted(places)}
    return {place: counted_codes(rows, "picture") for place, rows in found.items()}


def _sources(root: Folder, run: RunConfig) -> dict[str, Folder]:
    """Where each corpus that the run protects is, and the clean one that it is made from."""
    rows = [row for row in run.table if not row.is_clean]
    return {f"rows/{row.name}/protected": root.below(f"{clean_folder(row.corpus, run)}/train") for row in rows}


def _shows_corpus(name: str) -> bool:
    return name.endswith((_TAR, _RECEIPT)) or name == JOB or name.endswith(f"/{JOB}")


def _corpus_of(name: str) -> str:
    """The place of the corpus that a name belongs to, "" for the destination itself."""
    return name.removesuffix(JOB).rstrip("/") if name.endswith(JOB) else name.rpartition("/")[0]


def _corpus(
    root: Folder, place: str, listing: list[str], clean: Folder | None, open_folder: OpenFolder, *, ages: bool
) -> CorpusStatus:
    folder = root.below(place) if place else root
    start = f"{place}/" if place else ""
    own = {name.removeprefix(start) for name in listing if name.startswith(start)}
    top = {name for name in own if "/" not in name}
    receipts, tars = set(_stems(top, _RECEIPT)), set(_stems(top, _TAR))
    noted, rounds = _job(folder) if JOB in own else (None, 0)
    failures = read_failures(folder)
    if clean is None and (address := noted or failures.clean):
        clean = open_folder(address)
    source = clean if clean is not None and clean.uri != folder.uri else None
    expected = set(_stems(source.top(), _TAR)) if source is not None else set()
    foreign = bool(tars) and not receipts and not expected  # shards that another tool made are complete as they are
    sizes = folder.top()
    found = [one for one in receipts_of(folder, sorted(receipts)) if not missing_output(one, sizes.get)]
    whole = {receipt.shard for receipt in found}
    counts, reasons = Counter[str](), Counter[str]()
    for receipt in found:
        counts.update(receipt.counts)
    stats = _statistics(folder, top)
    for one in stats:
        reasons.update(one.status_dict)
    pending = set() if foreign else (expected | tars | receipts) - whole - set(failures.shards)
    return CorpusStatus(
        place=place or ".",
        method=MADE_ELSEWHERE if foreign else ", ".join(sorted({receipt.method for receipt in found})),
        finished=foreign or MANIFEST_NAME in top,
        done=len(tars if foreign else whole),
        pending=len(pending),
        counts={status: count for status, count in sorted(counts.items()) if count},
        reasons=dict(reasons.most_common()),
        failed=failures.shards,
        fitting=_fitting(own, rounds),
        backed_off=sum(one.backed_off for one in stats),
        source=source.uri if source is not None else "",
        longest_waiting=longest_waiting(pending, source, folder) if ages else None,
        has_protector="protector/protector.json" in own,
    )


def count_backed_off(folder: Folder) -> int:
    """Samples of a corpus whose noise was scaled back for the quality budget: one small file a shard is read."""
    return sum(one.backed_off for one in _statistics(folder, folder.top()))


def backed_off_line(count: int) -> str:
    """For people."""
    return f"the noise of {counted(count, 'image')} was scaled back to keep protect.quality"


def _job(folder: Folder) -> tuple[str | None, int]:
    """Source and rounds of a run that is not over; None and 0 if its note is damaged: then they are not known."""
    try:
        noted = json.loads(read_bytes(folder, JOB))
        return str(noted["clean"]), ProtectConfig.model_validate(noted["config"]).fit_rounds
    except (ValueError, KeyError, TypeError):
        return None, 0


def _fitting(own: set[str], rounds: int) -> tuple[int, int] | None:
    """(round, of how many) while a fit is on its way."""
    surrogates = sum(name.startswith("protector/surrogate-") for name in own)
    if not rounds or "_state/fit.txt" not in own or "protector/protector.json" in own:
        return None
    return max(1, surrogates), rounds


def _stems(names: Iterable[str], suffix: str) -> Iterator[str]:
    return (name.removesuffix(suffix) for name in names if name.endswith(suffix) and "/" not in name)


class _Statistics(BaseModel):
    """What is read of a shard's statistics, ours and img2dataset's."""

    status_dict: dict[str, int] = {}
    backed_off: int = 0


def _statistics(folder: Folder, top: Iterable[str]) -> list[_Statistics]:
    """Of every shard that has some; top: the names right in the folder."""
    names = sorted(name for name in top if name.endswith(_STATS))
    return [parse_record(read_bytes(folder, name), _Statistics, "statistics", f"{folder.uri}/{name}") for name in names]
