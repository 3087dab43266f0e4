"""The command that says what a run will take."""

from typing import Annotated

import typer

from flows.cli.options import Format, NoServer, Overrides, Preset, Protector, Seed, address_argument, address_option
from flows.cli.running import config_of, running

app = typer.Typer()


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
    no_server: NoServer = False,
) -> None:
    """Says what a run will take: time, GPU memory, storage, requests; and how near past estimates were."""
    config = config_of(preset, [*(set or []), *(["protect.strategy=replay"] if protector else [])], seed)
    with running(no_server):
        from flows.cli.printing import print_estimate
        from flows.estimate import estimate
        from flows.local_server.server import estimates
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
    print_estimate(found)
