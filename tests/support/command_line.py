"""The type of the `command` fixture."""

from collections.abc import Callable

from click.testing import Result

Command = Callable[..., Result]
