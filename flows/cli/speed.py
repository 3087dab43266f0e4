"""How long things take: `memshield bench`, of the source tree alone, measures it, `memshield estimate` foretells it."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import (
    AsJson,
    Format,
    NoServer,
    Overrides,
    Preset,
    Protector,
    Seed,
    address_argument,
    address_option,
)
from flows.cli.running import config_of, running
from mem_core.common.errors import ConfigError
from mem_core.common.paths import whole_path

app = typer.Typer()

_TREE = Path(__file__).parents[2]


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Small models and corpora, few repeats.")] = False,
    only: Annotated[str | None, typer.Option(help="One benchmark by its name, such as 'PGD step'.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for speed-cpu.json and speed-cpu.png.")] = None,
) -> None:
    """Measures speed and memory against floors from the same run; exit code 1 if a bound is missed."""
    if not (_TREE / "benchmarks" / "__main__.py").is_file():
        raise ConfigError(
            "expected the source tree, as the benchmarks are not part of the installed package: "
            "clone the repository and run `make bench`"
        )
    named = {"--only": only, "--out": None if out is None else str(whole_path(out))}
    options = [part for name, value in named.items() if value is not None for part in (name, value)]
    command = [sys.executable, "-m", "benchmarks", *(["--quick"] if quick else []), *options]
    raise typer.Exit(subprocess.run(command, cwd=_TREE, check=False).returncode)


@app.command()
def estimate(
    source: Annotated[str, address_argument("Folder or caption file of a corpus, or clean shards.")],
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    format: Format = "auto",
    pipeline: Annotated[bool, typer.Option("--pipeline", help="All rows and victims, not only `protect`.")] = False,
    protector: Protector = None,
    scratch: Annotated[str | None, address_option("An empty folder to calibrate in, as s3://bucket/try.")] = None,
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Says what a run will take: time, GPU memory, storage, requests; and how near past estimates were."""
    config = config_of(preset, [*(set or []), *(["protect.strategy=replay"] if protector else [])], seed)
    with running(no_server):
        from flows.cli.endings import chosen_preset, next_command
        from flows.cli.printing import print_estimate, print_json
        from flows.estimate import estimate
        from flows.local_server.server import estimates
        from tasks.as_json import estimate_values
        from tasks.estimating import EstimateJob

        job = EstimateJob(
            source=source,
            config=config,
            format=format,
            pipeline=pipeline,
            protector=protector,
            scratch=scratch,
            history=estimates(),
        )
        found = estimate(job)
    if as_json:
        print_json(estimate_values(found))
    else:
        print_estimate(found)
        steps = {stage.name for stage in found.stages}
        step = "pipeline" if pipeline else "shard" if "shard" in steps else "protect"
        next_command(step, source, "PROTECTED" if step == "protect" else "DEST", *chosen_preset(preset))
