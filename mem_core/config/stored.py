"""Records: frozen models, each kept as one JSON file. The one place that reads such a file or says what is wrong."""

from pydantic import BaseModel, ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config.base import Model, first_mistake


def parse_record(data: bytes, model: type[Model], what: str, place: str) -> Model:
    """The record in the bytes of a file. what: "a victim's record"; place: the file, for sentences.

    Raises `MismatchError` for anything else.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise MismatchError(f"expected {what} in {place}, got: {first_mistake(error)}") from error


def read_record(folder: Folder, name: str, model: type[Model], what: str) -> Model | None:
    """The record of a name, None if there is none. Raises `MismatchError` if it cannot be read."""
    try:
        data = read_bytes(folder, name)
    except FileNotFoundError:
        return None
    return parse_record(data, model, what, f"{folder.uri}/{name}")


def write_record(folder: Folder, name: str, record: BaseModel, *, indent: int = 2) -> None:
    """Keeps a record, whole or not at all."""
    write_bytes(folder, name, (record.model_dump_json(indent=indent) + "\n").encode())
