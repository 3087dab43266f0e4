"""Settings in YAML, as people write them into files: every way in which that fails is one sentence."""

from pathlib import Path
from typing import Any

import yaml

from mem_core.common.errors import ConfigError

_MAX_BYTES = 1 << 20


def settings_text(path: Path, what: str) -> str:
    """The text of a file of settings; what: the word for it in sentences. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"expected a {what} of at most {_MAX_BYTES} bytes, but {path} has {path.stat().st_size}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected UTF-8 in the {what} {path}, got other bytes at {error.start}") from error
    except OSError as error:
        raise ConfigError(f"the {what} {path} cannot be read: {error.strerror}") from error


def parse_yaml(text: str, expected: str) -> Any:
    """What the YAML says; expected: what it should be, for sentences. Raises `ConfigError`."""
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ConfigError(f"expected {expected}, but it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise ConfigError(f"expected {expected}, got: {' '.join(str(error).split())}") from error
