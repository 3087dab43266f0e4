"""What all commands share: their settings, and Prefect pointed to its server before anything imports it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:  # all settings, with what they import, are not needed to ask for help
    from mem_core.experiments.config import RunConfig


def config_of(preset: str, overrides: Sequence[str] | None = None, seed: int | None = None) -> "RunConfig":
    """A preset with what the command line lays on it."""
    from flows.cli.presets import load_preset

    return load_preset(preset, overrides or (), seed)


@contextmanager
def running(no_server: bool) -> Iterator[str]:
    """Prefect pointed to its server, before anything imports it, and the live display; yields the UI's address."""
    from flows.local_server import server

    ui = ""
    if no_server:
        server.use_no_server()
    else:
        ui = server.use_server(tell)
        tell(f"Prefect UI: {ui}")
    tell("loading ...")
    from tasks.terminal import shown_on_terminal

    with shown_on_terminal():
        yield ui


def tell(message: str) -> None:
    """Progress before there is a display: what is imported for it takes seconds itself."""
    typer.echo(message, err=True)
