"""What a victim retrieves, kept beside its weights as evaluation.json."""

from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen
from mem_core.config.stored import read_record
from mem_core.victim.metrics import RetrievalResult

EVALUATION_NAME = "evaluation.json"


class EpochResult(Frozen):
    """Retrieval of a victim with the weights of one epoch, counted from 1."""

    epoch: int
    bare: RetrievalResult
    prefixed: RetrievalResult


class Evaluation(Frozen):
    """Retrieval of one model on one clean test corpus.

    bare, prefixed: with the weights of the last epoch. best: with those of the epoch that a trainer would keep, chosen
    on clean validation pairs; None where there were none. tested_on: the fingerprint of the test corpus, "" where a
    caller does not keep the result, and in files of 0.3.0.
    """

    format: int = 1
    test: str
    images: int
    captions: int
    prefix: str
    bare: RetrievalResult
    prefixed: RetrievalResult
    chance: RetrievalResult
    best: EpochResult | None = None
    tested_on: str = ""
    fingerprint: str = ""  # of settings, victim and test corpus, where a caller keeps the result

    @property
    def median_ranks(self) -> str:
        """For people: those of bare queries, image to text / text to image, at the last and the best epoch."""
        best = f", at the best ({self.best.epoch}) {self.best.bare.median_ranks}" if self.best else ""
        return f"median rank at the last epoch {self.bare.median_ranks}{best}"


def read_evaluation(folder: Folder) -> Evaluation | None:
    """The stored result of a victim, None if there is none. Raises `MismatchError` if it cannot be read."""
    return read_record(folder, EVALUATION_NAME, Evaluation, "an evaluation")
