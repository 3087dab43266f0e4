"""The command that attacks a protected corpus."""

from typing import Annotated, Literal

import typer

from flows.cli.options import CleanOption, NoServer, Overrides, Preset, Protected, address_argument, address_option
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command()
def stress(
    protected: Protected,
    out: Annotated[str, address_argument("Local folder to write into.")],
    clean: CleanOption,
    test: Annotated[str, address_option("Clean test shards to query victims on.")],
    suite: Annotated[
        Literal["default", "full"], typer.Option(help="default: a dozen attacks; full: all of them.")
    ] = "default",
    samples: Annotated[int, typer.Option(min=2, help="Pairs that each victim trains on at most.")] = 2000,
    pretrained: Annotated[str, typer.Option(help="Weights for the row whose victim is fine-tuned.")] = "",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="One seed in place of the preset's victim_seeds.")] = None,
    no_server: NoServer = False,
) -> None:
    """Trains victims under every countermeasure, and shows what protection is left, worst case first."""
    config = config_of(preset, set)
    with running(no_server):
        from flows.cli.printing import print_stress
        from flows.stress import stress

        place = stress(
            protected,
            clean,
            test,
            out,
            suite,
            config.victim,
            config.evaluate,
            config.runtime,
            config.victim_seeds if seed is None else (seed,),
            samples,
            pretrained,
        )
    print_stress(place.report)
    typer.echo(f"report:     file://{place.page}")
