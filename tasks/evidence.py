"""Commitments, and evidence that a model was trained on a corpus: open the folders, call mem_core, write the result."""

from datetime import UTC, datetime
from functools import partial

from mem_core.audit.evidence.blocks import blocks_of
from mem_core.audit.evidence.commitment import COMMITMENT_NAME, make_commitment, read_commitment, write_commitment
from mem_core.audit.evidence.detection import (
    AskedModel,
    asked_model,
    asked_recorded,
    check_detection,
    detect,
    read_detection,
)
from mem_core.audit.evidence.encoding import ModelEncoder
from mem_core.audit.evidence.outcome import EvidenceOutcome, EvidencePlan
from mem_core.audit.evidence.page import DETECTION_PAGE, detection_headline, write_detection
from mem_core.audit.evidence.pairs import committed_pairs
from mem_core.audit.evidence.recorded import read_vectors, write_queries
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import Frozen, RuntimeConfig
from mem_core.models import start_model
from mem_core.protect.coins import TwinKey, load_key
from mem_core.protect.destination import TWINS
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.twins import key_of, require_twins_record
from mem_core.victim.weights import load_victim
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import address_below, file_at, open_folder


class CommitmentPlace(Frozen):
    """A commitment by its address, its own hash, how many twin pairs it speaks of, and how many samples have none that
    the key had chosen."""

    address: str
    sha256: str
    pairs: int
    without: int


@step("commit", run_name="commit {protected}")
def commit_corpus(protected: str, out: str, plan: EvidencePlan, key: KeyPlace, stamp: bool = False) -> CommitmentPlace:
    """Writes what is settled before publishing. stamp: with the question to a time-stamping service beside it."""
    dest, folder = open_folder(protected), open_folder(out)
    commitment = make_commitment(dest, plan, key_of(require_twins_record(dest), key), datetime.now(UTC))
    write_commitment(folder, commitment, stamp=stamp)
    place = address_below(out, COMMITMENT_NAME)
    say(f"commitment: {place}, sha256 {commitment.sha256}")
    return CommitmentPlace(address=place, sha256=commitment.sha256, pairs=commitment.pairs, without=commitment.without)


class DetectionPlace(Frozen):
    """The page of a detection by its address ("" where none was written), its verdict in one sentence and in numbers.
    model: as it was named."""

    page: str
    model: str
    headline: str
    outcome: EvidenceOutcome


@step("detect", run_name="detect {model}", tags=("memshield-device",))
def detect_in_model(
    model: str,
    twins: str,
    commitment: str,
    key: KeyPlace,
    out: str,
    architecture: str = "",
    embeddings: str | None = None,
    open_key: bool = False,
    runtime: RuntimeConfig = RuntimeConfig(),
) -> DetectionPlace:
    """Tests a victim's folder, at its best epoch if that is known, a checkpoint with an architecture, or recorded
    vectors; writes the result and its page."""
    committed, (dest, secret) = read_commitment(*file_at(commitment)), _twins(twins, key)
    recorded = read_vectors(*file_at(embeddings), secret) if embeddings is not None else None
    encoder, asked = (recorded, asked_recorded(model, recorded)) if recorded else _asked(model, architecture, runtime)
    with watched(f"detect in {model}") as progress:
        found = detect(
            committed,
            committed_pairs(dest, committed, secret),
            encoder,
            secret,
            asked,
            answered=partial(recorded.has, scores=committed.test.scores) if recorded is not None else None,
            progress=progress,
        )
    write_detection(open_folder(out), committed, found, secret, open_key=open_key)
    page, headline = address_below(out, DETECTION_PAGE), detection_headline(asked.name, found.outcome)
    say(headline)
    return DetectionPlace(page=page, model=asked.name, headline=headline, outcome=found.outcome)


@step("detection queries", run_name="detection queries of {twins}")
def write_detection_queries(twins: str, commitment: str, key: KeyPlace, out: str) -> int:
    """Writes what to ask a model behind an endpoint; returns how many queries there are."""
    committed, (dest, secret) = read_commitment(*file_at(commitment)), _twins(twins, key)
    blocks = blocks_of(committed_pairs(dest, committed, secret), committed.pairs)
    return write_queries(open_folder(out), blocks, secret, committed.test.scores)


def check_result(commitment: str, result: str, place: KeyPlace) -> DetectionPlace:
    """Computes a result again, for its verdict. place: of the key, where the result was not opened."""
    found, committed = read_detection(*file_at(result)), read_commitment(*file_at(commitment))
    path = place.path_of(committed.corpus)
    key = load_key(path) if place.file or (path.exists() and not found.key) else None
    outcome, name = check_detection(committed, found, key), found.model.name
    return DetectionPlace(page="", model=name, headline=detection_headline(name, outcome), outcome=outcome)


def _twins(twins: str, key: KeyPlace) -> tuple[Folder, TwinKey]:
    """The corpus above a folder of twins, and its key."""
    dest = open_folder(twins.rstrip("/").removesuffix(f"/{TWINS}"))
    return dest, key_of(require_twins_record(dest), key)


def _asked(model: str, architecture: str, runtime: RuntimeConfig) -> tuple[ModelEncoder, AskedModel]:
    if architecture:
        encoder = start_model(architecture, 0, model).freeze()
    else:
        folder = open_folder(model)
        if isinstance(folder, LocalFolder) and not folder.path.is_dir():
            raise SourceError(f"expected a victim's folder at {model}; for a checkpoint file name its --architecture")
        encoder, _ = load_victim(folder, "best")  # what a trainer keeps, and would give out
    return ModelEncoder(encoder, runtime), asked_model(model, encoder)
