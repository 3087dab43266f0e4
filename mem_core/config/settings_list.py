"""Every setting of a model as a row: name, meaning, unit, default, range. The settings page and the command read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import BaseModel

_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
)
_KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}


@dataclass(frozen=True)
class SettingRow:
    """One setting, as readers see it. name: dotted, as `--set` takes it, `rows[]` for an entry of a list."""

    name: str
    meaning: str
    unit: str
    default: str
    range: str


def matching(rows: Sequence[SettingRow], filter: str) -> list[SettingRow]:
    """Those whose name or meaning has the text in it, whatever its case; all for an empty one."""
    wanted = filter.casefold()
    return [row for row in rows if wanted in row.name.casefold() or wanted in row.meaning.casefold()]


def setting_rows(model: type[BaseModel]) -> list[SettingRow]:
    """The settings of a model and of those in it, in the order in which they are written."""
    schema = model.model_json_schema()
    return list(_rows(schema, schema.get("$defs", {}), "", {}))


def _rows(
    model: Mapping[str, Any], parts: Mapping[str, Any], above: str, given: Mapping[str, Any]
) -> Iterator[SettingRow]:
    for key, field in model["properties"].items():
        name = f"{above}{key}"
        default = given.get(key, field.get("default"))
        if "$ref" in field:  # a group of settings
            yield from _rows(_part(field, parts), parts, f"{name}.", default or {})
            continue
        yield SettingRow(
            name=name,
            meaning=field.get("description", ""),
            unit=field.get("unit", ""),
            default=_shown(default) if key in given or "default" in field else "must be given",
            range=_range(field, parts),
        )
        for kind, below in _groups(field, parts):
            if kind.strip("[]"):
                yield SettingRow(f"{name}{kind}", _first_sentence(below), "", "", "")
            yield from _rows(below, parts, f"{name}{kind}.", {})


def _groups(field: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The settings inside a value that may be a group, or a list of groups."""
    for option in _options(field):
        if "$ref" in option:
            yield "", _part(option, parts)
    items = field.get("items", {})
    for option in _options(items):
        if "$ref" in option:
            part = _part(option, parts)
            kind = part["properties"].get("kind", {}).get("const")
            yield f"[{kind or ''}]", _without_kind(part) if kind else part


def _first_sentence(part: Mapping[str, Any]) -> str:
    said = " ".join(part.get("description", "").split("\n\n")[0].split())
    return said.partition(". ")[0].rstrip(".")


def _without_kind(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of a list whose name says its kind already."""
    return {**part, "properties": {key: field for key, field in part["properties"].items() if key != "kind"}}


def _range(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if "range" in field:
        return str(field["range"])
    if options := _options(field):
        said = (_range(option, parts) for option in options)
        return " or ".join(dict.fromkeys(one for one in said if one))
    if "$ref" in field:
        return "a group of settings"
    if "enum" in field:
        return ", ".join(_shown(value) for value in field["enum"])
    if "const" in field:
        return _shown(field["const"])
    if field.get("type") == "null":
        return "null"
    if field.get("type") == "array":
        return _list(field, parts)
    if field.get("type") == "object":
        return "settings by name"
    kind = _KINDS[field["type"]]
    if {"minimum", "maximum"} <= field.keys():
        return f"{kind}, {_number(field['minimum'])} to {_number(field['maximum'])}"
    bounds = [text.format(_number(field[key])) for key, text in _BOUNDS if key in field]
    return f"{kind}, {' and '.join(bounds)}" if bounds else kind


def _list(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if pair := field.get("prefixItems"):
        return f"{len(pair)} values, each a {_range(pair[0], parts)}"
    items = field["items"]
    if kinds := items.get("discriminator", {}).get("mapping"):
        return f"a list of {{kind: ...}}; kinds: {', '.join(kinds)}"
    return f"a list of: {_range(items, parts)}"


def _options(field: Mapping[str, Any]) -> list[Any]:
    return [*field.get("anyOf", []), *field.get("oneOf", [])]


def _part(field: Mapping[str, Any], parts: Mapping[str, Any]) -> Any:
    return parts[field["$ref"].rsplit("/", 1)[-1]]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: Any) -> str:
    """As it is typed: 8/255 for whole levels, YAML's null, true and lists."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case "":
            return "empty"
        case list():
            return f"[{', '.join(_shown(one) for one in value)}]"
        case float():
            level = Fraction(value).limit_denominator(255)
            is_levels = level.denominator not in (1, 2, 4, 5, 10, 20, 100) and abs(float(level) - value) < 1e-12
            return f"{round(value * 255)}/255" if is_levels and 255 % level.denominator == 0 else f"{value:g}"
        case _:
            return str(value)
