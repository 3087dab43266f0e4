"""Paths as users write them."""

import os
from pathlib import Path

from mem_core.common.errors import ConfigError


def whole_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path, with `~` expanded. Raises `ConfigError` if that home folder is unknown."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"expected a path, but the home folder that {path} begins with is not known") from error
