"""The commands of victims: train one, and measure what it retrieves."""

from typing import Annotated

import typer

from flows.cli.options import AsJson, Dest, NoServer, Overrides, Preset, Seed, address_argument, address_option
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command()
def train(
    corpus: Annotated[str, address_argument("Shards to train on, clean or protected.")],
    out: Dest,
    test: Annotated[str | None, address_option("Clean shards to watch the median ranks on.")] = None,
    validation: Annotated[
        str | None, address_option("Other clean shards, by which the best epoch is chosen and kept.")
    ] = None,
    clean: Annotated[str | None, address_option("The originals, for countermeasures that mix them in.")] = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Trains a victim as an unauthorised trainer would; a killed training goes on after its last epoch.

    With --validation the weights of the best epoch are kept beside those of the last, and `evaluate` measures both.
    """
    config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.endings import print_trained
        from flows.train import train

        record = train(corpus, out, test, validation, clean, preset, tuple(set or ()), seed)
    print_trained(record, out, test, preset)


@app.command()
def evaluate(
    victim: Annotated[str, address_argument("What `train` wrote.")],
    test: Annotated[str, address_argument("Clean test shards.")],
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Measures what a victim retrieves on clean test pairs at its last and best epoch, bare and prefixed."""
    config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.cli.printing import print_evaluation, print_json
        from flows.evaluate import evaluate
        from tasks.as_json import evaluate_values
        from tasks.order import require_victim_first

        require_victim_first(victim, test)
        found = evaluate(victim, test, preset, tuple(set or ()))
    if as_json:
        print_json(evaluate_values(victim, found))
    else:
        print_evaluation(found)
        next_command("certify", "PROTECTED", "--victim", victim, "--control", "CLEAN_VICTIM")
