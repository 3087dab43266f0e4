"""What all commands share: addresses made whole, and Prefect pointed to its server before anything imports it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from mem_core.common.errors import ConfigError
from mem_core.common.paths import whole_path

if TYPE_CHECKING:  # all settings, with what they import, are not needed to ask for help
    from mem_core.experiments.config import RunConfig


def config_of(preset: str, overrides: list[str] | None, seed: int | None) -> "RunConfig":
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


def absolute(address: str) -> str:
    """Addresses as they are, paths made whole: a flow's parameters must mean the same on every machine's terms.

    Raises `ConfigError` for an empty one: a shell variable that is not set must not mean the current folder.
    """
    if not address.strip():
        raise ConfigError("expected a path or an s3:// address, got an empty one")
    return address if "://" in address else str(whole_path(address))
