"""The command that trains a language model on a corpus's own captions."""

from typing import Annotated

import typer

from flows.cli.options import Dest, NoServer, Overrides, Preset, Seed, address_argument
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command("train-lm")
def train_lm(
    corpus: Annotated[str, address_argument("Clean shards to take captions from: 3,000 or more.")],
    out: Dest,
    epochs: Annotated[int, typer.Option(help="Passes over the captions.")] = 20,
    width: Annotated[int, typer.Option(help="Width of the model.")] = 192,
    layers: Annotated[int, typer.Option(help="Layers of the model.")] = 4,
    vocabulary: Annotated[int, typer.Option(help="Size of the vocabulary, at most.")] = 8000,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Trains the masked language model that `protect.trigger.proposals=masked-lm` takes its words from.

    A killed training goes on after its last epoch. Afterwards: protect CORPUS DEST
    -s protect.trigger.proposals=masked-lm -s protect.trigger.language_model=OUT
    """
    settings = config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.train_lm import train_lm
        from mem_core.config import parse_config
        from mem_core.perturb.language import LanguageModelConfig

        wanted = {
            "epochs": epochs,
            "width": width,
            "layers": layers,
            "vocabulary": vocabulary,
            "learning_rate": learning_rate,
        }
        config = parse_config(LanguageModelConfig, wanted, "train-lm")
        record = train_lm(corpus, out, config, settings.runtime, settings.seed)
    typer.echo(f"language model of {record.captions:,} captions: {out}")
    proposals = ("protect.trigger.proposals=masked-lm", f"protect.trigger.language_model={out}")
    next_command("protect", corpus, "PROTECTED", *(word for one in proposals for word in ("--set", one)))
