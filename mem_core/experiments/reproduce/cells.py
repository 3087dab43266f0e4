"""One measurement of the study: a victim trained on one row of one dataset, and what it retrieves."""

from pydantic import ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen, first_mistake
from mem_core.victim.evaluation import Evaluation
from mem_core.victim.record import Epoch


class Cell(Frozen):
    """What is measured; the names are those of the study's datasets, rows and victims."""

    dataset: str
    row: str
    victim: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.row}/{self.victim}-{self.seed}"


class CellResult(Frozen):
    """What came out, with what it took. identity: hash of everything the result depends on."""

    format: int = 1
    cell: Cell
    identity: str
    evaluation: Evaluation
    history: tuple[Epoch, ...]
    steps: int
    samples: int
    seconds: float = 0.0
    device: str = ""


def result_name(cell: Cell) -> str:
    """Where the result of a cell lies below the study's folder."""
    return f"cells/{cell.name}.json"


def read_result(folder: Folder, cell: Cell, identity: str = "") -> CellResult | None:
    """The result of a cell, None if there is none or, with an identity, if it was measured under other settings.

    Raises `MismatchError` if the file cannot be read.
    """
    name = result_name(cell)
    try:
        found = CellResult.model_validate_json(read_bytes(folder, name))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise MismatchError(f"expected a result in {folder.uri}/{name}, got: {first_mistake(error)}") from error
    return found if identity in ("", found.identity) else None


def write_result(folder: Folder, result: CellResult) -> None:
    """Keeps the result of a cell."""
    write_bytes(folder, result_name(result.cell), (result.model_dump_json(indent=1) + "\n").encode())
