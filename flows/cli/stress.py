"""The command that attacks a protected corpus."""

from typing import Annotated

import typer

from flows.cli.running import absolute, config_of, running

app = typer.Typer()

Protected = Annotated[str, typer.Argument(help="Folder of protected shards, or s3://bucket/prefix.")]
Out = Annotated[str, typer.Argument(help="Local folder to write into.")]
Preset = Annotated[str, typer.Option("--preset", "-p", help="Where victim, evaluate and runtime come from.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="As victim.epochs=5.")]


@app.command()
def stress(
    protected: Protected,
    out: Out,
    clean: Annotated[str, typer.Option(help="The clean shards it was made from, for the controls.")],
    test: Annotated[str, typer.Option(help="Clean test shards to query victims on.")],
    suite: Annotated[str, typer.Option(help="default: a dozen attacks; full: all of them.")] = "default",
    samples: Annotated[int, typer.Option(min=2, help="Pairs that each victim trains on at most.")] = 2000,
    pretrained: Annotated[str, typer.Option(help="Weights for the row whose victim is fine-tuned.")] = "",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="One seed in place of the preset's victim_seeds.")] = None,
    no_server: Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")] = False,
) -> None:
    """Trains victims under every countermeasure, and shows what protection is left, worst case first."""
    if suite not in ("default", "full"):
        raise typer.BadParameter(f"expected default or full, got {suite}", param_hint="--suite")
    config = config_of(preset, set, None)
    with running(no_server):
        from flows.cli.printing import print_stress
        from flows.stress import stress

        place = stress(
            absolute(protected),
            absolute(clean),
            absolute(test),
            absolute(out),
            "full" if suite == "full" else "default",
            config.victim,
            config.evaluate,
            config.runtime,
            config.victim_seeds if seed is None else (seed,),
            samples,
            pretrained,
        )
    print_stress(place.report)
    typer.echo(f"report:     file://{place.page}")
