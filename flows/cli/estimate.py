"""The command that says what a run will take."""

from typing import Annotated

import typer

from flows.cli.running import absolute, config_of, running

app = typer.Typer()


@app.command()
def estimate(
    source: Annotated[str, typer.Argument(help="Folder or caption file of a corpus, or clean shards.")],
    preset: Annotated[str, typer.Option("--preset", "-p", help="A preset's name, or a YAML file.")] = "cpu",
    set: Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE")] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the preset's seed.")] = None,
    format: Annotated[str, typer.Option(help="How the source is laid out; `auto` finds out.")] = "auto",
    pipeline: Annotated[bool, typer.Option("--pipeline", help="All rows and victims, not only `protect`.")] = False,
    protector: Annotated[str | None, typer.Option(help="Folder of a finished protector; implies replay.")] = None,
    scratch: Annotated[str | None, typer.Option(help="An empty folder to calibrate in, as s3://bucket/try.")] = None,
    no_server: Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")] = False,
) -> None:
    """Says what a run will take: time, GPU memory, storage, requests; and how near past estimates were."""
    config = config_of(preset, [*(set or []), *(["protect.strategy=replay"] if protector else [])], seed)
    with running(no_server):
        from flows.cli.printing import print_estimate
        from flows.estimate import estimate
        from flows.local_server.server import estimates
        from tasks.estimating import EstimateJob

        job = EstimateJob(
            source=absolute(source),
            config=config,
            format=format,
            pipeline=pipeline,
            protector=absolute(protector) if protector else None,
            scratch=absolute(scratch) if scratch else None,
            history=estimates(),
        )
        found = estimate(job)
    print_estimate(found)
