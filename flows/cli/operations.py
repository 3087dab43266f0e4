"""The commands of operation: nights, retries, and the installation itself."""

from typing import Annotated

import typer

from flows.cli.running import absolute, config_of, running, tell

app = typer.Typer()

Clean = Annotated[str, typer.Argument(help="Folder that new clean shards arrive in, or s3://bucket/prefix.")]
Dest = Annotated[str, typer.Argument(help="Folder of the protected corpus, or s3://bucket/prefix.")]
Preset = Annotated[str, typer.Option("--preset", "-p", help="Where `runtime` (device, workers) is taken from.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="As runtime.workers=4.")]
NoServer = Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")]
Protector = Annotated[str | None, typer.Option(help="Folder of a finished protector; DEST/protector if not named.")]
DevicePool = Annotated[str, typer.Option(help="Work pool of the deployments that benefit from a GPU.")]


@app.command()
def nightly(
    clean: Clean,
    dest: Dest,
    protector: Protector = None,
    ready: Annotated[str, typer.Option(help="stats: leave shards alone until their _stats.json is there.")] = "tar",
    preset: Preset = "cpu",
    set: Overrides = None,
    no_server: NoServer = False,
) -> None:
    """Protects exactly the shards that are new, with the stored protector; finished ones are not touched."""
    if ready not in ("tar", "stats"):
        raise typer.BadParameter(f"expected tar or stats, got {ready}", param_hint="--ready")
    config = config_of(preset, set, None)
    with running(no_server):
        from flows.nightly import nightly

        nightly(
            absolute(clean),
            absolute(dest),
            absolute(protector) if protector else None,
            config.runtime,
            "stats" if ready == "stats" else "tar",
        )


@app.command()
def retry(
    dest: Dest,
    clean: Annotated[str | None, typer.Option(help="The clean corpus, if no failed run has noted it.")] = None,
    protector: Protector = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    no_server: NoServer = False,
) -> None:
    """Tries again only what failed: shards, and shards with failed samples whose clean tar was replaced."""
    config = config_of(preset, set, None)
    with running(no_server):
        from flows.retry import retry

        retry(
            absolute(dest),
            absolute(clean) if clean else None,
            absolute(protector) if protector else None,
            config.runtime,
        )


@app.command()
def up(device_pool: DevicePool = "memshield-cpu") -> None:
    """One machine, ready to work: server on loopback, work pools, deployments, triggers, automations, a worker."""
    from flows.local_server import installation, server

    ui = server.use_server(tell)
    installation.deploy(device_pool, tell)
    installation.start_worker("memshield-cpu", tell)
    typer.echo(f"Prefect UI: {ui}")


@app.command()
def deploy(device_pool: DevicePool = "memshield-cpu") -> None:
    """Work pools, deployments, triggers and automations on the server that PREFECT_API_URL names, or on ours."""
    from flows.local_server import installation, server

    server.use_server(tell)
    installation.deploy(device_pool, tell)


@app.command()
def down() -> None:
    """Stops the worker and the server that `up` started; records, deployments and corpora stay."""
    from flows.local_server import installation, server

    for pid in installation.stop_workers():
        typer.echo(f"stopped worker {pid}")
    stopped = server.stop()
    typer.echo(f"stopped {stopped.ui}" if stopped else "no server of memshield is running")
