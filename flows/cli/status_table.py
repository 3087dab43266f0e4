"""What `memshield status` prints."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.advice import about_failed_shards
from flows.cli.endings import next_command, print_failed
from flows.cli.printing import NAMED, counts_text
from mem_core.common.formatting import corpus_name
from mem_core.experiments.status import CorpusStatus, DestinationStatus, backed_off_line
from tasks.storage import address_below


def print_status(found: DestinationStatus) -> None:
    """Corpora with totals, why samples failed, victims, report."""
    table = Table(title=escape(found.uri), title_style="bold")
    for head in ("corpus", "method", "done", "pending", "failed", "samples", "state"):
        table.add_column(head, justify="right" if head in ("done", "pending", "failed") else "left", overflow="fold")
    for corpus in found.corpora:
        numbers = map(str, (corpus.done, corpus.pending, len(corpus.failed)))
        name = escape(_shown(corpus, found))
        table.add_row(name, corpus.method, *numbers, counts_text(corpus.counts), _state(corpus))
    if len(found.corpora) > 1:
        done, pending = (sum(getattr(c, name) for c in found.corpora) for name in ("done", "pending"))
        failed = sum(len(corpus.failed) for corpus in found.corpora)
        table.add_row("total", "", str(done), str(pending), str(failed), "", "", style="bold")
    console = Console()
    console.print(table)
    for corpus in found.corpora:
        name = escape(_shown(corpus, found))
        if corpus.backed_off:
            console.print(f"{name}: {backed_off_line(corpus.backed_off)}", highlight=False)
        for shard, why in list(corpus.failed.items())[:NAMED]:
            console.print(f"{name}: shard {shard} failed: {escape(why)}", highlight=False)
        if corpus.failed:
            advice = about_failed_shards(_address(corpus, found))
            typer.echo(f"{_shown(corpus, found)}: {advice}")  # to be copied: nothing wraps it
        for reason, count in list(corpus.reasons.items())[:NAMED]:
            console.print(f"{name}: {count} x {escape(reason)}", highlight=False)
        if len(corpus.reasons) > NAMED:
            more = len(corpus.reasons) - NAMED
            console.print(f"{name}: ... and {more} more reasons", highlight=False)
        if corpus.counts.get("failed"):
            print_failed(_address(corpus, found))
    for place, codes in found.left_out.items():
        said = ", ".join(f"{count} {code}" for code, count in codes.items())
        console.print(f"{escape(place)}: left out of the source: {said or 'captions only'}", highlight=False)
    for victim in found.victims:
        state = "evaluated" if victim.evaluated else "trained" if victim.trained else "pending"
        console.print(f"{escape(victim.place)}: {state}", highlight=False)
    if found.report:
        console.print(f"report: {escape(found.report)}", highlight=False)
    for problem in found.problems or ():
        remedy = ": name the clean corpus with --clean" if problem.kind == "unknown" else ""
        where = corpus_name(found.uri) if problem.place == "." else problem.place
        told = f"[red]problem[/red] {escape(where)}: {escape(problem.what)}{remedy}"
        console.print(told, highlight=False, soft_wrap=True)
    if len(found.corpora) == 1 and not found.victims:
        _print_next(found.corpora[0], _address(found.corpora[0], found))


def _print_next(corpus: CorpusStatus, place: str) -> None:
    """What to do with a corpus that stands alone, by its address; for failed shards it has been said."""
    if not corpus.has_source:
        next_command("protect", place, "PROTECTED")
    elif not corpus.failed:
        begun = "nightly" if corpus.finished and corpus.has_protector else "protect"
        step = begun if corpus.pending or not corpus.finished else "verify"
        next_command(step, corpus.source or "CLEAN", place)


def _address(corpus: CorpusStatus, found: DestinationStatus) -> str:
    return found.uri if corpus.place == "." else address_below(found.uri, corpus.place)


def _shown(corpus: CorpusStatus, found: DestinationStatus) -> str:
    """A corpus by its place in the destination, or by the destination's name where it is all that is there."""
    return corpus_name(found.uri) if corpus.place == "." else corpus.place


def _state(corpus: CorpusStatus) -> str:
    if corpus.failed:
        return "failed shards"
    if corpus.finished and not corpus.pending:
        return "finished"
    if corpus.fitting:
        return f"fitting, round {corpus.fitting[0]} of {corpus.fitting[1]}"
    return "not begun" if not corpus.done else "unfinished"
