"""The tables that the steps of a run show in Prefect's UI. (What came of a whole run: `tasks.result_pages`.)

Outside of a run nothing is made. Keys are stable, and each corpus or run has its own, so that the UI shows each of them
as a history over runs.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.formatting import corpus_name, counted, markdown_table
from mem_core.data.readers import LeftOut
from mem_core.data.sharding.left_out import counted_codes
from mem_core.data.sharding.sharder import ShardingSummary
from mem_core.protect.shard_summary import ShardSummary
from mem_core.report.claims import missing_for, no_verdict, victims_of
from mem_core.report.findings import Findings, RowFinding
from mem_core.report.intervals import QUERIES, with_interval
from mem_core.report.verdict import Verdict
from mem_core.victim.metrics import DirectionResult, RetrievalResult
from mem_core.victim.result import Evaluation
from tasks.this_run import in_run

ROWS = 500  # of a table; the rest is in storage
_KEY_LETTERS, _KEY_DIGEST = 100, 8  # a folder's name alone may have 255


def show_sharding(uri: str, splits: Mapping[str, ShardingSummary], left_out: Sequence[LeftOut]) -> None:
    """A table of what became of a source: how many samples of each split, failed ones and what was left out by code."""
    rows: list[dict[str, object]] = []
    for split, summary in splits.items():
        rows.append({"split": split, "what": "samples", "code": "", "count": summary.samples})
        rows += [{"split": split, "what": "failed", "code": code, "count": n} for code, n in summary.codes.items()]
    for what in ("picture", "caption", "shard"):
        codes = counted_codes(left_out, what)
        rows += [{"split": "", "what": f"{what} left out", "code": code, "count": n} for code, n in codes.items()]
    if in_run():
        about = f"what became of the source of {uri}"
        create_table_artifact(rows, key=artifact_key("sharding", uri), description=about)


def show_shards(method: str, uri: str, shards: Sequence[ShardSummary]) -> None:
    """A table of what became of each shard."""
    rows: list[dict[str, object]] = [
        {"shard": s.shard, **s.counts, "largest difference": "finished before" if s.repeated else s.max_abs_difference}
        for s in sorted(shards, key=lambda s: s.shard)[:ROWS]
    ]
    if in_run():
        about = f"{counted(len(shards), 'shard')} in {uri}"
        create_table_artifact(rows, key=artifact_key("shards", uri, method), description=about)


def show_retrieval(victim: str, label: str, found: Evaluation) -> None:
    """Both directions of one victim, bare and prefixed, at last and best epoch, beside chance; victim: its address."""
    rows = [
        {"epoch": epoch, "query": query, "direction": direction, **_metrics(result)}
        for epoch, query, results in retrieval_lines(found)
        for direction, result in (("image to text", results.image_to_text), ("text to image", results.text_to_image))
    ]
    if in_run():
        queried = f"{counted(found.images, 'image')}, {counted(found.captions, 'caption')}"
        about = f"{label}: {queried} in {found.test}, prefix “{found.prefix}”. {retrieval_note(found)}"
        create_table_artifact(rows, key=retrieval_key(victim), description=about)


def retrieval_lines(found: Evaluation) -> list[tuple[str, str, RetrievalResult]]:
    """(epoch, query, results) of everything that was measured, and of chance."""
    lines = [("last", "bare", found.bare), ("last", "prefixed", found.prefixed)]
    if found.best:
        best = f"best ({found.best.epoch})"
        lines += [(best, "bare", found.best.bare), (best, "prefixed", found.best.prefixed)]
    return [*lines, ("by chance", "", found.chance)]


def retrieval_note(found: Evaluation) -> str:
    """The share of chance at the last and at the best epoch, and why one victim by itself is no verdict."""
    victims = victims_of([found])
    shares = [("last", victims.last.share(found.chance))]
    shares += [("best", victims.best.share(found.chance))] if victims.best else []
    said = " and ".join(f"{with_interval(share.estimate())} at the {epoch} epoch" for epoch, share in shares if share)
    return f"Median rank in % of chance, worst direction and query: {said}. {no_verdict(missing_for(victims, None))}"


def show_problems(uri: str, report: VerifyReport) -> None:
    """What verification found."""
    if not in_run():
        return
    key = artifact_key("verification", uri)
    if report.ok:
        said = f"Nothing wrong in {counted(report.shards, 'shard')} of `{uri}`."
        create_markdown_artifact(said, key=key, description=uri)
        return
    rows = [{"shard": p.shard, "sample": p.key, "file": p.name, "what": p.what} for p in report.problems[:ROWS]]
    create_table_artifact(rows, key=key, description=f"{counted(len(report.problems), 'problem')} in {uri}")


REPORT_HEADER = (
    "training set",
    "median rank, bare, last",
    "prefixed, last",
    "bare, best",
    "prefixed, best",
    "of chance",
)


def report_markdown(findings: Findings, verdict: Verdict) -> str:
    """The verdict and one line a training set."""
    table = markdown_table(REPORT_HEADER, map(table_cells, findings.rows))
    remarks = "\n".join(f"- {point}" for point in (*verdict.points, *verdict.cautions))
    return f"**{verdict.headline}**\n\n{REPORT_ABOUT}.\n\n{table}\n\n{remarks}\n"


REPORT_ABOUT = (
    "image to text / text to image, at the last epoch and at the best one on held-out pairs; of chance: at the best "
    "one, with its 95 % interval"
)


def table_cells(row: RowFinding) -> list[str]:
    """Label; the median ranks of bare and of prefixed queries, in both directions, at the last and the best epoch; the
    share of chance that counts."""
    cells = [row.label]
    for epoch in (row.last, row.best):
        for query in QUERIES:
            found = epoch.cells(query) if epoch else [None]
            cells.append(" / ".join("-" if cell is None else f"{cell.median_rank.mean:g}" for cell in found))
    return [*cells, with_interval(row.share) if row.measured else "-"]


def _metrics(result: DirectionResult) -> dict[str, object]:
    hits = {f"Hit@{k}": f"{100 * getattr(result, f'hit_at_{k}'):.1f} %" for k in (1, 5, 10)}
    return {**hits, "median rank": result.median_rank, "mean rank": round(result.mean_rank, 1)}


def retrieval_key(victim: str) -> str:
    """The key of a victim's results: after its folder and the one above, or in a pipeline after run, row and folder."""
    parts = [part for part in victim.split("/") if part]
    names = (*parts[-4:-3], *parts[-2:]) if parts[-3:-2] == ["rows"] else parts[-2:]
    return _key("-".join(("retrieval", *names)), victim)


def artifact_key(kind: str, address: str, *words: str) -> str:
    """The key of what is shown about an address: KIND-NAME-DIGEST, or KIND-NAME-WORDS-DIGEST."""
    return _key("-".join((kind, corpus_name(address), *words)), address)


def _key(said: str, address: str) -> str:
    """Lower case, digits and dashes: all that Prefect allows in a key.

    The digest tells addresses with the same last part from each other, and names whose letters a key cannot have.
    """
    digest = hashlib.sha256(f"{said} {address.rstrip('/')}".encode()).hexdigest()[:_KEY_DIGEST]
    name = re.sub(r"[^a-z0-9]+", "-", said.lower())[: _KEY_LETTERS - _KEY_DIGEST - 1].strip("-")
    return f"{name}-{digest}"
