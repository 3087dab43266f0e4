"""`memshield`: the flows as commands. Nothing heavy is imported before a command runs."""

import sys
from typing import Annotated, Any

import typer

from flows.cli import handing_out, language, operations, reproduce, speed, steps, trust
from flows.cli.options import Overrides
from flows.cli.remedies import with_remedy
from flows.cli.running import config_of
from mem_core.common.errors import MemshieldError

_INTERRUPTED = "memshield: interrupted; run the same command again to go on"


class _Sentences(typer.core.TyperGroup):
    """Errors that a user can cause end as one sentence, not as a stack of calls."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MemshieldError as error:
            typer.echo(f"memshield: {with_remedy(error, ctx.invoked_subcommand)}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:  # here, as typer would end without a word
            typer.echo(_INTERRUPTED, err=True)
            raise typer.Exit(130) from error
        except OSError as error:
            if error.filename is None:  # not about a place that the user named
                raise
            typer.echo(f"memshield: {error.filename} cannot be used: {error.strerror}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Sentences,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Protects image-caption corpora before they are published, and measures what protection is worth.",
)
presets_app = typer.Typer(invoke_without_command=True)
app.add_typer(presets_app, name="presets")
for group in (steps, handing_out, operations, speed, trust, language, reproduce):
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

    print_settings(matching(setting_rows(RunConfig), filter), filter)


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo(_INTERRUPTED, err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
