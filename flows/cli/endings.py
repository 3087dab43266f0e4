"""How commands end: what came out, where it lies, and the command to type next. Lines to be copied are not wrapped."""

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import typer

from mem_core.common.formatting import counted, printable
from mem_core.config import CorpusConfig
from mem_core.data.failed_samples import FailedSample
from mem_core.data.sharding.held_out import empty_lines
from mem_core.data.sharding.split_writer import ShardingSummary
from mem_core.protect.export.caption_files import TABLES, CaptionForm
from mem_core.protect.export.summary import ExportSummary, Missing
from mem_core.protect.night import NightSummary
from mem_core.victim.record import VictimRecord
from tasks.failing import failed_in

if TYPE_CHECKING:  # what they bring along, torch too, is not needed to print them
    from tasks.protecting import ProtectSummary

_NAMED = 20  # failed samples that are printed


def next_command(*words: str) -> None:
    """The command to type next; places that the user is to choose are in capitals."""
    typer.echo(f"next: {shlex.join(('memshield', *words))}")


def chosen_preset(preset: str, usual: str = "cpu") -> tuple[str, ...]:
    """The option that names the same preset again, where it is not the usual one."""
    return () if preset == usual else ("--preset", preset)


def print_failed(address: str) -> None:
    """The samples of a corpus that failed, each by the name of its file with the reason."""
    found = failed_in(address, _NAMED)
    for sample in found.first:
        typer.echo(f"failed: {_why(sample)}")
    if found.count > len(found.first):
        more = found.count - len(found.first)
        typer.echo(f"failed: ... and {more:,} more, in the tables of {address} ({address}/*.parquet, column name)")


def print_sharded(splits: Mapping[str, ShardingSummary], preset: str, config: CorpusConfig) -> None:
    """Where the shards lie, which pictures failed, which splits are empty, and the command that comes next."""
    for summary in splits.values():
        if summary.failed:
            print_failed(summary.uri)
    for line in empty_lines(splits, config):
        typer.echo(line)
    typer.echo(f"wrote {', '.join(summary.uri for summary in splits.values())}")
    first = splits.get("train") or next(iter(splits.values()))
    next_command("protect", first.uri, "PROTECTED", *chosen_preset(preset))


def print_protected(done: "ProtectSummary", clean: str, *, twins: bool = False) -> None:
    """What was protected, which samples failed, how loaders read it, and how it is checked.

    twins: that a commitment has to come before publication cannot be made up for later, so it is said here.
    """
    if done.counts.get("failed"):
        print_failed(done.uri)
    if done.open_clip:  # a line to be copied
        typer.echo(f"to train open_clip on it: python -m open_clip_train.main {done.open_clip}")
        typer.echo(f"for other loaders: memshield index {shlex.quote(done.uri)}")
    typer.echo(f"pictures as files: memshield export {shlex.quote(done.uri)} FOLDER --clean {shlex.quote(clean)}")
    published = sum(count for status, count in done.counts.items() if status != "failed")
    typer.echo(f"{counted(published, 'sample')} in {counted(done.shards, 'shard')}: {done.uri}")
    if twins:
        typer.echo(f"before you publish, or nothing can be shown later: memshield commit {shlex.quote(done.uri)}")
    next_command("verify", clean, done.uri)


def print_trained(victim: VictimRecord, out: str, test: str | None, preset: str) -> None:
    """How far a victim came, where it lies, and how it is measured."""
    epochs = counted(len(victim.history), "epoch")
    best = f", the best of them {victim.best_epoch}" if victim.best_epoch else ""
    typer.echo(f"victim after {epochs}{best}: {out}")
    next_command("evaluate", out, test or "TEST", *chosen_preset(preset))


def print_night(night: NightSummary, clean: str | None) -> None:
    """What was protected, where it lies, and how it is looked at."""
    if night.counts.get("failed"):
        print_failed(night.uri)
    shards = f"{counted(night.protected, 'new shard')}, {counted(night.shards, 'shard')} in all"
    typer.echo(f"{shards}: {night.uri}")
    next_command("status", night.uri, *(("--clean", clean) if clean else ()))


def print_export(found: ExportSummary, protected: str, form: CaptionForm, clean: str | None) -> None:
    """How many pictures are in the folder, and each that is not, with the reason."""
    before = f", {found.before:,} of them from before" if found.before else ""
    beside = f"in {TABLES[form]}" if form in TABLES else f"in .{form} beside them"
    pictures = counted(found.pictures, f".{found.extension} picture" if found.extension else "picture")
    typer.echo(f"{pictures}{before}, {counted(found.captions, 'caption')} {beside}: {found.uri}")
    if found.below:
        typer.echo(f"absolute names are kept from {found.below} on")
    _print_names("published UNPROTECTED, as protect.on_error=passthrough asked", found.unprotected)
    if found.missing:
        typer.echo(f"not there: {len(found.missing):,}")
    for one in found.missing:
        typer.echo(f"  {_why(one)}")
    if found.other_splits:
        typer.echo(f"not protected, so not there: the pictures of {', '.join(found.other_splits)}")
    typer.echo(f"The names are those of your files: look through {found.uri} before you publish it.")
    if clean is None:  # then nobody knows what `shard` could not take
        next_command(
            "export", protected, found.uri, *(("--captions", form) if form != "txt" else ()), "--clean", "CLEAN"
        )


def _why(one: FailedSample | Missing) -> str:
    """`trip/a.jpg: damaged-image: ...`; the name is a stranger's, and a reason may begin with it."""
    code = f"{one.code}: " if one.code else ""
    return printable(f"{one.name}: {code}{one.reason.removeprefix(f'{one.name}: ')}")


def _print_names(what: str, names: Iterable[str]) -> None:
    if listed := list(names):
        typer.echo(f"{what}: {len(listed):,}")
        for name in listed:
            typer.echo(printable(f"  {name}"))
