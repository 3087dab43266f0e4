"""`memshield`: the flows as commands. Nothing heavy is imported before a command runs."""

import errno
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
import typer.core

from flows.cli import handing_out, language, operations, reproduce, speed, steps, trust, victims, whole_runs
from flows.cli.grammar import UsageError, in_order, polish, usage_sentence
from flows.cli.nearest_path import forget_paths, path_meant
from flows.cli.options import Overrides
from flows.cli.quiet import be_quiet
from flows.cli.remedies import with_remedy
from flows.cli.running import config_of
from mem_core.common.errors import MemshieldError, SourceError

_INTERRUPTED = "memshield: interrupted; run the same command again to go on"


class _Sentences(typer.core.TyperGroup):
    """Errors that a user can cause end as one sentence, not as a stack of calls."""

    def list_commands(self, ctx: Any) -> list[str]:
        return in_order(super().list_commands(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            polish(cmd_name, command, ctx)
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`--quiet` may stand anywhere, as `--help` may."""
        typed = args[: args.index("--")] if "--" in args else args
        quiet = [place for place, word in enumerate(typed) if word in ("--quiet", "-q")]
        rest = [word for place, word in enumerate(args) if place not in quiet]
        be_quiet(on=bool(quiet))
        forget_paths()
        polish("", self, ctx)
        try:
            return super().parse_args(ctx, rest)
        except UsageError as error:
            raise _wrong_usage(error) from error

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _wrong_usage(error) from error
        except MemshieldError as error:
            said = with_remedy(error, ctx.invoked_subcommand)
            typer.echo(f"memshield: {said}{path_meant(said) if isinstance(error, SourceError) else ''}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:  # here, as typer would end without a word
            _say_interrupted()
            raise typer.Exit(130) from error
        except OSError as error:
            if error.filename is not None:
                said = f"{error.filename} cannot be used: {error.strerror}"
            elif error.errno in (errno.ENOSPC, errno.EDQUOT):  # a write does not tell where
                said = f"{error.strerror} where output is written to: make room and run the same command again"
            else:  # not about a place that the user named
                raise
            typer.echo(f"memshield: {said}", err=True)
            _drop_what_cannot_be_written()
            raise typer.Exit(1) from error


def _drop_what_cannot_be_written() -> None:
    """It is still in the buffer: Python would try again as it ends, complain once more and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):  # a stream without a file has nothing to drop
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wrong_usage(error: Exception) -> typer.Exit:
    """The exit of a command that was typed wrongly, once its sentence is printed. Help that was asked for is help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        raise error
    typer.echo(f"memshield: {usage_sentence(error)}", err=True)
    return typer.Exit(2)


app = typer.Typer(
    cls=_Sentences,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    help="Protects image-caption corpora before they are published, and measures what protection is worth.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from mem_core import __version__

        typer.echo(f"memshield {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print results and errors, no progress; may stand anywhere.")
    ] = False,
) -> None:
    """Protects image-caption corpora before they are published, and measures what protection is worth."""


presets_app = typer.Typer(invoke_without_command=True)
app.add_typer(presets_app, name="presets")
for group in (steps, handing_out, victims, whole_runs, operations, speed, trust, language, reproduce):
    app.add_typer(group.app)


@presets_app.callback()
def presets(context: typer.Context) -> None:
    """Settings that come with memshield."""
    if context.invoked_subcommand is None:
        presets_list()


@presets_app.command("list")
def presets_list() -> None:
    """Names all presets, with the first line of what they say about themselves."""
    from flows.cli.presets import preset_names, preset_text

    for name in preset_names():
        typer.echo(f"{name:15} {preset_text(name).splitlines()[0].removeprefix('#').strip()}")


@presets_app.command("show")
def presets_show(name: Annotated[str, typer.Argument()], set: Overrides = None) -> None:
    """Prints every setting of a preset, those it leaves at their defaults too."""
    import yaml

    typer.echo(yaml.safe_dump(config_of(name, set).model_dump(mode="json"), sort_keys=False).rstrip())


@app.command()
def settings(
    filter: Annotated[
        str, typer.Argument(metavar="FILTER", help="Only settings with this text in their name or meaning.")
    ] = "",
) -> None:
    """Every setting that a preset or `--set` may have: meaning, unit, default, range."""
    from flows.cli.printing import print_settings
    from mem_core.config.settings_list import matching, setting_rows
    from mem_core.experiments.config import RunConfig

    rows = setting_rows(RunConfig)
    print_settings(matching(rows, filter), filter, [row.name.split(".")[-1] for row in rows])


def main() -> None:
    """The console script."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not where nohup has it ignored
        signal.signal(signal.SIGHUP, _hung_up)
    try:
        app(prog_name="memshield")
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(130)


def _hung_up(_: int, __: object) -> None:
    """The terminal was closed: stop as for Ctrl-C, so that what is half done is cleaned up."""
    raise KeyboardInterrupt


def _say_interrupted() -> None:
    with suppress(OSError):  # nobody may be there to read it
        typer.echo(_INTERRUPTED, err=True)


if __name__ == "__main__":
    main()
