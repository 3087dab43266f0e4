"""Paths as users write them."""

import os
from pathlib import Path

from mem_core.common.errors import ConfigError


def whole_path(path: str | os.PathLike[str]) -> Path:
    """The path from the root on, `~` made the home folder. Raises `ConfigError` for the home of nobody."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"expected a path, but the home folder that {path} begins with is not known") from error
