"""How commands end: what came out, where it lies, and the command to type next. Lines to be copied are not wrapped."""

import shlex
from collections.abc import Iterable

import typer

from mem_core.common.formatting import counted
from mem_core.protect.export.caption_files import TABLES, CaptionForm
from mem_core.protect.export.summary import ExportSummary


def next_command(*words: str) -> None:
    """The command to type next; places that the user is to choose are in capitals."""
    typer.echo(f"next: {shlex.join(('memshield', *words))}")


def print_export(found: ExportSummary, protected: str, form: CaptionForm, clean: str | None) -> None:
    """How many pictures are in the folder, and each that is not, with the reason."""
    before = f", {found.before:,} of them from before" if found.before else ""
    beside = f"in {TABLES[form]}" if form in TABLES else f"in .{form} beside them"
    pictures = counted(found.pictures, f".{found.extension} picture" if found.extension else "picture")
    typer.echo(f"{pictures}{before}, {counted(found.captions, 'caption')} {beside}: {found.uri}")
    _print_names("published UNPROTECTED, as protect.on_error=passthrough asked", found.unprotected)
    if found.missing:
        typer.echo(f"not there: {len(found.missing):,}")
    for one in found.missing:
        code = f"{one.code}: " if one.code else ""
        typer.echo(f"  {one.name}: {code}{one.reason.removeprefix(f'{one.name}: ')}")
    if found.other_splits:
        typer.echo(f"not protected, so not there: the pictures of {', '.join(found.other_splits)}")
    typer.echo("The names are those of your files; all else in PROTECTED stays private.")
    if clean is None:
        typer.echo("to name also what `shard` could not take: add --clean CLEAN, the corpus that was protected")


def _print_names(what: str, names: Iterable[str]) -> None:
    if listed := list(names):
        typer.echo(f"{what}: {len(listed):,}")
        for name in listed:
            typer.echo(f"  {name}")
