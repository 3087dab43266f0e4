"""Settings from dictionaries: merged, validated with a sentence for each mistake, hashed."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.config import JsonDict

from mem_core.common.errors import ConfigError
from mem_core.common.nearest import meant

_OWN = "Value error, "  # what pydantic puts before a sentence of ours
_ALTERNATIVE = re.compile(r"[\w-]+\[|[A-Z]\w*Config$|int$")
Model = TypeVar("Model", bound=BaseModel)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated with `over`, nested dictionaries recursively."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, BaseModel):
            value = value.model_dump(exclude_unset=True)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_config(model: type[Model], values: Mapping[str, Any], origin: str) -> Model:
    """Validates settings; raises `ConfigError`, a line for each mistake, naming the key and, if given, the origin."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        said: dict[str, str] = {}
        for mistake in error.errors():
            said.setdefault(_place(mistake["loc"]), _sentence(mistake))
        # A value that may be of two kinds is judged as both: what is wrong further inside it is what was meant.
        inner = [place for place in said if not any(other.startswith(f"{place}.") for other in said)]
        lines = "; ".join(_at(place, said[place]) for place in inner)
        raise ConfigError(f"{origin}: {lines}" if origin else lines) from error


def first_mistake(error: ValidationError) -> str:
    """One line on what is wrong in a stored file: pydantic's own text takes many."""
    first = error.errors()[0]
    return f"{_place(first['loc']) or 'file'}: {first['msg'].removeprefix(_OWN)}"


def _place(loc: tuple[int | str, ...]) -> str:
    """The dotted name of a setting, without what pydantic calls the alternatives of a value."""
    return ".".join(str(part) for part in loc if not _ALTERNATIVE.match(str(part)))


def _at(place: str, sentence: str) -> str:
    """What is wrong, behind the name of the setting unless the sentence begins with it."""
    return sentence if place and sentence.startswith(f"{place}.") else f"{place or 'settings'}: {sentence}"


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a setting"
    message, given = str(error["msg"]).removeprefix(_OWN), error["input"]
    if error["type"] == "literal_error":
        message = f"expected {error['ctx']['expected']}, got {given!r}"
        return message + meant(given, re.findall(r"'([^']+)'", error["ctx"]["expected"]))
    # A validator of the whole model reports all settings as its input, which would bury the sentence.
    is_told = isinstance(given, Mapping | BaseModel) or f"got {given!r}" in message
    return message if is_told else f"{message} (got {given!r})"


def fingerprint(*parts: BaseModel | Mapping[str, Any] | str | int) -> str:
    """SHA-256 (hex) of the canonical JSON of all parts: equal fingerprint means equal bytes."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Frozen(BaseModel):
    """Base of all settings: immutable, unknown keys refused, no silent float for an int."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def unit(name: str) -> JsonDict:
    """Behind a setting's number in the list of settings: Field(..., json_schema_extra=unit("steps"))."""
    return {"unit": name}


_MAX_BYTES = 1 << 20


def settings_text(path: Path, what: str) -> str:
    """The text of a settings file; what: its name in messages. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"expected a {what} of at most {_MAX_BYTES} bytes, but {path} has {path.stat().st_size}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected UTF-8 in the {what} {path}, got other bytes at {error.start}") from error
    except OSError as error:
        raise ConfigError(f"the {what} {path} cannot be read: {error.strerror}") from error


def parse_yaml(text: str, expected: str) -> Any:
    """The parsed YAML; expected: what it should be, for messages. Raises `ConfigError`."""
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ConfigError(f"expected {expected}, but it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date
        raise ConfigError(f"expected {expected}, got: {' '.join(str(error).split())}") from error
