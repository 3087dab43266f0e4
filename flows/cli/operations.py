"""The commands of operation: what is done, nights, retries, the server, and the installation itself."""

from typing import Annotated, Literal

import typer

from flows.cli.options import AsJson, Clean, NoServer, Overrides, Preset, TwinsKey, address_argument, address_option
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
def status(
    dest: Annotated[str, address_argument("A corpus or a pipeline's destination.")],
    clean: Annotated[str | None, address_option("The clean corpus, to count what is still to come.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if shards failed, or wait for longer than --max-age.")
    ] = False,
    max_age: Annotated[
        str,
        typer.Option(metavar="TIME", help="With --check: as 90m or 2d; counted from when a clean tar was written."),
    ] = "26h",
    as_json: AsJson = False,
) -> None:
    """Shows what is done, pending and failed, and why; reads the storage, asks no server."""
    from flows.cli.printing import print_json
    from flows.cli.status_table import print_status
    from mem_core.common.formatting import read_duration
    from tasks.as_json import status_values
    from tasks.status import read_status

    found = read_status(dest, clean, ages=as_json, max_age=read_duration(max_age) if check else None)
    if as_json:
        print_json(status_values(found))
    else:
        print_status(found)
    if found.problems:
        raise typer.Exit(1)


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
    """Makes one machine ready: server on loopback, work pools, deployments, triggers, automations, a worker."""
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
