"""Whose a study's folder is: the settings of the scale that everything in it was made with.

A folder holds corpora, protected rows and victims by name alone: a study of another scale would take them for its own.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from mem_core.common.errors import DestinationError, MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen, first_mistake
from mem_core.study.scale import Scale

RECORD = "scale.json"
_REPORT = "report/report.json"
_MAY_CHANGE = {"name", "about", "seeds", "datasets", "leave_out", "runtime"}
_NAMED = 3


class Record(Frozen):
    """settings: those of the scale that are not at their defaults, so that one that is new changes no folder."""

    format: int = 1
    name: str
    settings: dict[str, Any]


def require_own(folder: Folder, scale: Scale) -> None:
    """Raises `DestinationError` if the folder was made at another scale, before anything in it is touched.

    How much is measured (seeds, datasets, rows left out) and where it runs may change from call to call.
    """
    found, ours = _found(folder), _record(scale)
    if found is None or found == ours:
        return
    whose = f"belongs to scale {found.name}"
    if found.name == ours.name:
        whose += f" with other settings ({_differing(found.settings, ours.settings)})"
    raise DestinationError(
        f"expected an empty folder or one of scale {ours.name}, but {folder.uri} {whose}: choose another folder"
    )


def claim_folder(folder: Folder, scale: Scale) -> None:
    """Leaves the record, unless it is there. Raises as `require_own`."""
    require_own(folder, scale)
    if not folder.exists(RECORD):
        write_bytes(folder, RECORD, (_record(scale).model_dump_json(indent=1) + "\n").encode())


def _record(scale: Scale) -> Record:
    settings = scale.model_dump(mode="json", exclude=_MAY_CHANGE, exclude_defaults=True)
    return Record(name=scale.name, settings=settings)


def _found(folder: Folder) -> Record | None:
    """The record, or what the report of a folder made before there were records says; None where neither is."""
    try:
        return Record.model_validate_json(read_bytes(folder, RECORD))
    except FileNotFoundError:
        return _reported(folder)
    except ValidationError as error:
        raise MismatchError(
            f"expected {RECORD} in {folder.uri} as memshield wrote it, got: {first_mistake(error)}"
        ) from error


def _reported(folder: Folder) -> Record | None:
    try:
        return _record(Scale.model_validate(json.loads(read_bytes(folder, _REPORT))["scale"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise MismatchError(
            f"expected an empty folder or a study's, but {folder.uri} has the {_REPORT} of something else, or of "
            "another version: choose another folder"
        ) from error


def _differing(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The names of settings that differ, as protect.noise.epsilon."""
    theirs, here = dict(_flat(found)), dict(_flat(ours))
    names = sorted(name for name in theirs.keys() | here.keys() if theirs.get(name) != here.get(name))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
