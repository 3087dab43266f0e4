"""One measurement of the study: a victim trained on one row of one dataset, and what it retrieves."""

from mem_core.config import Frozen
from mem_core.victim.evaluation import Evaluation
from mem_core.victim.record import Epoch


class StudyCell(Frozen):
    """What is measured; the names are those of the study's datasets, rows and victims."""

    dataset: str
    row: str
    victim: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.row}/{self.victim}-{self.seed}"

    @property
    def file(self) -> str:
        """Where its result lies below the study's folder."""
        return f"cells/{self.name}.json"


class StudyResult(Frozen):
    """What came out, with what it took. identity: hash of everything the result depends on."""

    format: int = 1
    cell: StudyCell
    identity: str
    evaluation: Evaluation
    history: tuple[Epoch, ...]
    steps: int
    samples: int
    seconds: float = 0.0
    device: str = ""
