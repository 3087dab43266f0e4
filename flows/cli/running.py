"""What all commands share: their settings, and Prefect pointed to its server before anything imports it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from flows.cli.quiet import is_quiet
from mem_core.common.errors import StopRun

if TYPE_CHECKING:  # all settings, with what they import, are not needed to ask for help
    from mem_core.experiments.config import RunConfig


def config_of(preset: str, overrides: Sequence[str] | None = None, seed: int | None = None) -> "RunConfig":
    """A preset with what the command line lays on it."""
    from flows.cli.presets import load_preset

    return load_preset(preset, overrides or (), seed)


@contextmanager
def running(no_server: bool) -> Iterator[str]:
    """Prefect pointed to its server, before anything imports it, and the live display; yields the UI's address."""
    from flows.local_server import no_server as without
    from flows.local_server import server

    ui = ""
    if no_server:
        without.use_no_server()
    else:
        ui = server.use_server(tell)
        tell(f"Prefect UI: {ui}")
    tell("loading ...")
    import httpx  # Prefect's way to its server
    from prefect import tags

    from tasks.terminal import shown_on_terminal

    if no_server:
        without.drop_events()
    with shown_on_terminal(quiet=is_quiet()), tags("memshield"):
        try:
            yield ui
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise StopRun(
                f"expected the Prefect server to stay, but it does not answer any more ({why}): start it and run the "
                "same command again to go on"
            ) from error


def tell(message: str) -> None:
    """Progress before there is a display: what is imported for it takes seconds itself."""
    if not is_quiet():
        with suppress(OSError):  # whoever read it is gone: no reason to stop
            typer.echo(message, err=True)
