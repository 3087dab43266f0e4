"""Presets: YAML files that are checked as `RunConfig`, with overrides from the command line laid on top."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from mem_core.common.errors import ConfigError
from mem_core.common.nearest import meant
from mem_core.common.paths import whole_path
from mem_core.config import merge, parse_config
from mem_core.config.base import parse_yaml, settings_text
from mem_core.config.settings_list import setting_rows
from mem_core.experiments.config import RunConfig

_SHIPPED = files("deployments.presets")


def preset_names() -> list[str]:
    """The presets that come with memshield."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml"))


def preset_text(name_or_path: str) -> str:
    """The YAML of a shipped preset or of a file. Raises `ConfigError` where there is neither."""
    if name_or_path in preset_names():
        return _SHIPPED.joinpath(f"{name_or_path}.yaml").read_text(encoding="utf-8")
    path = whole_path(name_or_path)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return settings_text(path, "preset")
    what = f"expected a preset out of {', '.join(preset_names())}, or a path to a .yaml file, got {name_or_path!r}"
    raise ConfigError(what + meant(name_or_path, preset_names()))


def load_preset(name_or_path: str, overrides: Sequence[str] = (), seed: int | None = None) -> RunConfig:
    """A preset with `a.b.c=value` laid on it. Raises `ConfigError`, a sentence for every mistake."""
    origin = f"preset {name_or_path}"
    values = parse_yaml(preset_text(name_or_path), f"YAML in {origin}")
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"expected settings by name in {origin}, got {type(values).__name__}")
    laid = values
    for override in overrides:
        laid = merge(laid, _parsed_override(override))
    if seed is not None:
        laid = merge(laid, {"seed": seed})
    try:
        return _checked(laid)
    except ConfigError as error:
        if _mistakes(values) == str(error):  # those of the preset alone: nothing that was typed
            raise ConfigError(f"{origin}: {error}") from error
        raise


def _checked(values: Mapping[str, Any]) -> RunConfig:
    """The settings; raises `ConfigError` for those that are unknown or wrong."""
    if unknown := list(_unknown_keys(RunConfig, values)):
        raise ConfigError("; ".join(unknown))
    return parse_config(RunConfig, values, "")


def _mistakes(values: Mapping[str, Any]) -> str:
    try:
        _checked(values)
    except ConfigError as error:
        return str(error)
    return ""


def _parsed_override(override: str) -> dict[str, Any]:
    """`protect.noise.epsilon=4/255` as nested mappings; the value is YAML."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"expected --set name.of.setting=value, got {override!r}")
    value = parse_yaml(text, f"a YAML value in --set {override!r}")
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _unknown_keys(model: type[BaseModel], values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """A sentence for each key that is no setting, with the one that was probably meant."""
    for key, value in values.items():
        name = f"{above}{key}"
        if key not in model.model_fields:
            known = [f"{above}{field}" for field in model.model_fields]
            yield f"{name} is not a setting; {_meant(name, value, known)}"
            continue
        kind = model.model_fields[key].annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
            yield from _unknown_keys(kind, value, f"{name}.")


def _meant(name: str, value: Any, known: Sequence[str]) -> str:
    """What to type instead: a setting that ends with this name, wherever it stands, or one spelt like it."""
    given = name
    while isinstance(value, Mapping) and len(value) == 1:
        (part, value), *_ = value.items()
        given = f"{given}.{part}"
    rows = [row.name for row in setting_rows(RunConfig) if "[" not in row.name]
    same = [row for row in rows if row.split(".")[-1] == given.split(".")[-1]]
    ends = [row for row in same if row.endswith(f".{given}")] or [
        row for row in same if row.split(".")[0] == given.split(".")[0]
    ]
    if close := ends or get_close_matches(name, known, n=1) or get_close_matches(given, rows, n=1):
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(known)}; `memshield settings` lists all"
