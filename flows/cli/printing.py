"""What commands print when they are done: tables on standard output, for people."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from mem_core.audit.stress.page import STRESS_HEADER, StressReport, detected, reasons, stress_cells, stress_headline
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import ConfigError
from mem_core.common.formatting import counted
from mem_core.common.nearest import meant
from mem_core.config.settings_list import SettingRow
from mem_core.experiments.estimate.hand_out import HandOut
from mem_core.experiments.estimate.stage import fullest
from mem_core.report.intervals import percent
from mem_core.victim.result import Evaluation
from tasks.artifacts import REPORT_ABOUT, REPORT_HEADER, retrieval_lines, retrieval_note, table_cells

if TYPE_CHECKING:  # what they bring along, torch too, is not needed to print them
    from mem_core.data.loaders.index import IndexSummary
    from mem_core.report import ReportSummary
    from tasks.estimating import RunEstimate

NAMED = 20  # problems and reasons that are printed


def print_json(values: Mapping[str, Any]) -> None:
    """One object on one line: all that stands on standard output."""
    typer.echo(json.dumps(values))


def print_report(summary: "ReportSummary") -> None:
    """The verdict, one line a training set, and what limits it."""
    table = _table(REPORT_ABOUT, REPORT_HEADER, words=1)
    for row in summary.findings.rows:
        table.add_row(*(escape(cell) for cell in table_cells(row)))
    table.add_row("by chance", *[summary.findings.chance.median_ranks] * 4, percent(1.0), style="dim")
    console = Console()
    console.print(table)
    console.print(f"[bold]{escape(summary.verdict.headline)}[/bold]", highlight=False)
    for point in (*summary.verdict.points, *summary.verdict.cautions):
        console.print(f"- {escape(point)}", highlight=False)


def print_stress(report: StressReport) -> None:
    """The table of a stress test, worst case first, and how easily protection is found."""
    title = (
        "median rank in % of chance (95 % interval), worse direction, lower of bare and prefixed; the best epoch counts"
    )
    table = _table(title, STRESS_HEADER, words=1)
    for row in report.findings.rows:
        table.add_row(escape(row.label), *stress_cells(row))
    console = Console()
    console.print(table)
    console.print(f"[bold]{escape(stress_headline(report.findings))}[/bold]", highlight=False)
    for label, why in reasons(report.findings).items():
        console.print(f"- cannot be judged: {escape(label)}: {escape(why)}", highlight=False)
    for name, text in (detected(report.detectability) if report.detectability else {}).items():
        console.print(f"- {name}: {text}", highlight=False)


def print_evaluation(found: Evaluation) -> None:
    """Both directions, bare and prefixed, at the last and the best epoch, beside chance."""
    heads = ("epoch", "query", "direction", "Hit@1, %", "Hit@5, %", "Hit@10, %", "median rank", "mean rank")
    queried = f"{counted(found.images, 'image')}, {counted(found.captions, 'caption')}; prefix: {escape(found.prefix)}"
    table = _table(queried, heads, words=3)
    table.columns[0].no_wrap = True
    for epoch, query, results in retrieval_lines(found):
        pairs = (("image to text", results.image_to_text), ("text to image", results.text_to_image))
        for direction, result in pairs:
            hits = (f"{100 * hit:.1f}" for hit in (result.hit_at_1, result.hit_at_5, result.hit_at_10))
            table.add_row(epoch, query, direction, *hits, f"{result.median_rank:g}", f"{result.mean_rank:.1f}")
    console = Console()
    console.print(table)
    console.print(escape(retrieval_note(found)), highlight=False)


def print_settings(rows: Sequence[SettingRow], filter: str, known: Sequence[str]) -> None:
    """A block a setting: a table of five columns fits no terminal. Raises `ConfigError` if there are none.

    known: the last words of all names, of which one may be meant.
    """
    if not rows:
        what = f"no setting has {filter!r} in its name or meaning: `memshield settings` lists all"
        raise ConfigError(what + meant(filter, known))
    console = Console(highlight=False)
    for row in rows:
        facts = [row.unit and f"in {row.unit}", row.default and f"default {row.default}", row.range]
        console.print(f"[bold]{escape(row.name)}[/bold]  {escape('; '.join(fact for fact in facts if fact))}")
        console.print(Padding(escape(row.meaning), (0, 0, 0, 4), expand=False))


def _table(title: str | None, heads: Sequence[str], *, words: int) -> Table:
    """An empty table: so many columns of words, then numbers."""
    table = Table(title=title, title_style="dim")
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < words else "right")
    return table


def print_problems(found: VerifyReport) -> None:
    """What is wrong, and what is merely to be known."""
    console = Console()
    for word, style, entries in (("problem", "red", found.problems), ("warning", "yellow", found.warnings)):
        for entry in entries[:NAMED]:
            where = " ".join(part for part in (entry.shard, entry.key, entry.name and f"({entry.name})") if part)
            console.print(f"[{style}]{word}[/{style}] {escape(where)}: {escape(entry.what)}", highlight=False)
        if len(entries) > NAMED:
            console.print(f"... and {len(entries) - NAMED} more", highlight=False)
    checked = f"{counted(found.shards, 'shard')}, {counts_text(found.counts)}"
    console.print(f"{checked}: {counted(len(found.problems), 'problem')}", highlight=False)


def print_index(found: "IndexSummary") -> None:
    """What was indexed, what to hand out with it, and what not."""
    indexed = f"{counted(found.samples, 'sample')} in {counted(found.tars, 'tar')}"
    typer.echo(f"{indexed}: wids.json, .nv-meta, README.md in {found.uri}, to be copied with its tars")
    if found.card_kept:
        typer.echo("README.md was there and is not memshield's: it stays as it is")
    if found.empty:
        typer.echo(f"hold no sample, leave them out: {', '.join(found.empty[:NAMED])}")


def print_handing_out(folder: str, found: VerifyReport) -> None:
    """How to copy the tars alone, where other files lie beside them: as a line to be copied, so nothing wraps it."""
    if any(problem.key and not problem.shard for problem in found.problems):
        here = shlex.quote(folder)
        copy = (
            f"aws s3 cp --recursive --exclude '*' --include '*.tar' --exclude '*/*' {here} DEST"
            if folder.startswith("s3://")
            else f"mkdir -p DEST && cp {here}/*.tar DEST/"
        )
        typer.echo(f"to hand out its tars alone: {copy}")


def print_estimate(found: "RunEstimate") -> None:
    """What each step will take, what it rests on, and how near past estimates were."""
    console, stages, full = Console(), found.stages, fullest(found.stages)
    table = _table(None, ("step", "time", "storage", "at its fullest", "PUT, LIST", "GET"), words=1)
    seconds, kept, put, get = (sum(getattr(stage, of) for stage in stages) for of in ("seconds", "kept", "put", "get"))
    for stage, most in zip(stages, full, strict=True):
        sizes = (_bytes(stage.kept), _bytes(most))
        table.add_row(escape(stage.name), _time(stage.seconds), *sizes, f"{stage.put:,.0f}", f"{stage.get:,.0f}")
    table.add_row("all", _time(seconds), _bytes(kept), _bytes(max(full)), f"{put:,.0f}", f"{get:,.0f}", style="bold")
    console.print(table)
    samples = ", ".join(_samples(found, split) for split in sorted(found.samples))
    memory = max((stage.memory for stage in stages if stage.memory is not None), default=None)
    needs = "no GPU" if memory is None else f"{_bytes(memory)} of GPU memory"
    console.print(f"{samples} samples in {escape(found.source)}; {needs}", highlight=False)
    if found.hand_out is not None:
        console.print(_hand_out(found.hand_out), highlight=False, soft_wrap=True)
    console.print(f"measured on {found.measured} of them, on this machine as it is now", highlight=False)
    for past in found.past:
        spread = " to ".join(f"{ratio:.2f}" for ratio in dict.fromkeys((past.seconds[0], past.seconds[-1])))
        space = "" if past.storage is None else f", {past.storage:.2f} times the storage"
        runs = "one past run" if len(past.seconds) == 1 else f"{len(past.seconds)} past runs"
        console.print(f"{runs} of {past.kind} took {spread} times the estimated time{space}", highlight=False)


def _hand_out(found: HandOut) -> str:
    """`tars to hand out: 4.3 MB as png (5.6 times the clean 0.76 MB), ...`, the format that is set first."""
    chosen, size = found.chosen, found.sizes[found.chosen]
    grown = f"{size / found.clean:.2g} times the clean {_bytes(found.clean)}"
    said = f"tars to hand out: {_bytes(size)} as {chosen} ({grown})"
    for other in (other for other in found.sizes if other != chosen):
        smaller = f"smaller: protect.image_format={other}" if found.smallest == other else "not smaller"
        said += f", {_bytes(found.sizes[other])} as {other} ({smaller})"
    return said


def _samples(found: "RunEstimate", split: str) -> str:
    """`6,000 train`, and of how many images where a sample is a pair."""
    samples, images = found.samples[split], found.images.get(split, found.samples[split])
    return f"{samples:,} {split}" + (f" ({images:,} images)" if images != samples else "")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.2f} TB"


def counts_text(counts: Mapping[str, int]) -> str:
    """`60 protected, 4 failed`."""
    return ", ".join(f"{count:,} {status}" for status, count in counts.items()) or "-"
