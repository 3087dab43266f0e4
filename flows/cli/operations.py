"""The commands of operation: nights, retries, the server, and the installation itself."""

from typing import Annotated, Literal

import typer

from flows.cli.options import Clean, NoServer, Overrides, Preset, TwinsKey, address_argument, address_option
from flows.cli.running import config_of, running, tell

app = typer.Typer()
server_app = typer.Typer(no_args_is_help=True, help="The Prefect server that keeps the records of all runs.")
app.add_typer(server_app, name="server")

Dest = Annotated[str, address_argument("Folder of the protected corpus, or s3://bucket/prefix.", "PROTECTED")]
Protector = Annotated[str | None, address_option("Folder of a finished protector; PROTECTED/protector if not named.")]
DevicePool = Annotated[str, typer.Option(help="Work pool of the deployments that benefit from a GPU.")]
Notify = Annotated[
    str | None,
    typer.Option(
        help="Notification block of Prefect's that alerts are sent to, such as slack-webhook/ops; `off` for none. "
        "Not given: as it was.",
        metavar="BLOCK",
    ),
]


@app.command()
def nightly(
    clean: Clean,
    dest: Dest,
    protector: Protector = None,
    ready: Annotated[
        Literal["tar", "stats"], typer.Option(help="stats: leave shards alone until their _stats.json is there.")
    ] = "tar",
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    no_server: NoServer = False,
) -> None:
    """Protects exactly the shards that are new, with the stored protector; finished ones are not touched.

    Of preset and settings only `runtime` is used: the protector has all others.
    """
    config_of(preset, set)  # a mistake is said before anything is started
    with running(no_server):
        from flows.cli.endings import print_night
        from flows.nightly import nightly
        from tasks.order import require_clean_first

        require_clean_first(clean, dest)
        night = nightly(clean, dest, protector, ready, twins_key, preset, tuple(set or ()))
    print_night(night, clean)


@app.command()
def retry(
    dest: Dest,
    clean: Annotated[str | None, address_option("The clean corpus, if no failed run has noted it.")] = None,
    protector: Protector = None,
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    no_server: NoServer = False,
) -> None:
    """Tries again only what failed: shards, and shards with failed samples whose clean tar was replaced.

    Of preset and settings only `runtime` is used: the protector has all others.
    """
    config_of(preset, set)
    with running(no_server):
        from flows.cli.endings import print_night
        from flows.retry import retry

        night = retry(dest, clean, protector, twins_key, preset, tuple(set or ()))
    print_night(night, clean)


@app.command()
def up(device_pool: DevicePool = "memshield-cpu", notify: Notify = None) -> None:
    """One machine, ready to work: server on loopback, work pools, deployments, triggers, automations, a worker."""
    from flows.local_server import installation, server

    ui = server.use_server(tell)
    installation.deploy(device_pool, notify, tell)
    installation.start_worker("memshield-cpu", tell)
    typer.echo(f"Prefect UI: {ui}")
    typer.echo(f"for the command `prefect`: export PREFECT_API_URL={ui}/api")


@app.command()
def deploy(device_pool: DevicePool = "memshield-cpu", notify: Notify = None) -> None:
    """Work pools, deployments, triggers and automations on the server that PREFECT_API_URL names, or on ours."""
    from flows.local_server import installation, server

    server.use_server(tell)
    installation.deploy(device_pool, notify, tell)


@app.command()
def down() -> None:
    """Stops the worker and the server that `up` started; records, deployments and corpora stay."""
    from flows.local_server import installation

    for pid in installation.stop_workers():
        typer.echo(f"stopped worker {pid}")
    server_stop()


@server_app.command("start")
def server_start() -> None:
    """Starts the server on loopback, or finds it running."""
    from flows.local_server import server

    typer.echo(f"Prefect UI: {server.start().ui}")


@server_app.command("stop")
def server_stop() -> None:
    """Stops the server that memshield started."""
    from flows.local_server import server

    stopped = server.stop()
    typer.echo(f"stopped {stopped.ui}" if stopped else "no server of memshield is running")


@server_app.command("status")
def server_status() -> None:
    """Says whether the server is running; exit code 1 if not."""
    from flows.local_server import server

    found = server.running()
    typer.echo(f"running at {found.ui} (process {found.pid})" if found else "not running")
    if found is None:
        raise typer.Exit(1)
