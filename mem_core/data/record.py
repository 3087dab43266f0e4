"""Small JSON files that say what was made and how: written whole, read or refused with a sentence."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import first_mistake

_Record = TypeVar("_Record", bound=BaseModel)


def read_record(folder: Folder, name: str, kind: type[_Record], what: str) -> _Record | None:
    """The record in a file, None if there is none. Raises `MismatchError` if it is not `what` it should be."""
    try:
        return kind.model_validate_json(read_bytes(folder, name))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise MismatchError(f"expected {what} in {folder.uri}/{name}, got: {first_mistake(error)}") from error


def write_record(folder: Folder, name: str, record: BaseModel) -> None:
    """Writes or replaces it."""
    write_bytes(folder, name, (record.model_dump_json(indent=2) + "\n").encode())
