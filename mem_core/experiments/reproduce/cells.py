"""One measurement of the study: a victim trained on one row of one dataset, and what it retrieves."""

from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen
from mem_core.config.stored import read_record, write_record
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
    found = read_record(folder, result_name(cell), CellResult, "a result")
    return found if found is not None and identity in ("", found.identity) else None


def write_result(folder: Folder, result: CellResult) -> None:
    """Keeps the result of a cell."""
    write_record(folder, result_name(result.cell), result, indent=1)
