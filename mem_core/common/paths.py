"""Paths as users write them."""

import os
import re
from pathlib import Path

from mem_core.common.errors import ConfigError

_NEARLY_S3 = re.compile(r"s3:/*(?=[^/]|$)", re.IGNORECASE)


def require_spelled(address: str) -> None:
    """Raises `ConfigError` for what is nearly an s3:// address, as `s3:/bucket` is: as a path it would be a folder."""
    if (found := _NEARLY_S3.match(address)) and found[0] != "s3://":
        raise ConfigError(
            f"expected s3://bucket/prefix, got {address!r}: did you mean s3://{address[found.end() :]}? (a folder of "
            f"this name is ./{address})"
        )


def whole_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path, with `~` expanded. Raises `ConfigError` if that home folder is unknown."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"expected a path, but the home folder that {path} begins with is not known") from error
