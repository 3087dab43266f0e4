"""Verification, certificates, previews, commitments and evidence: open the folders, call mem_core, write the result."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mem_core.audit.certificate.certificate import Certificate, read_certificate
from mem_core.audit.certificate.evidence import make_certificate
from mem_core.audit.certificate.page import CERTIFICATE_PAGE, certificate_headline, write_certificate
from mem_core.audit.evidence.blocks import blocks_of
from mem_core.audit.evidence.commitment import (
    COMMITMENT_NAME,
    committed_to,
    make_commitment,
    read_commitment,
    write_commitment,
)
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
from mem_core.audit.preview import Preview, write_preview
from mem_core.audit.verify.problems import VerifyReport
from mem_core.audit.verify.published import verify_published
from mem_core.audit.verify.record import verify, verify_once
from mem_core.common.errors import SourceError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import Frozen, RuntimeConfig
from mem_core.models import start_model
from mem_core.protect.coins import TwinKey, load_key
from mem_core.protect.destination import TWINS
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.twins import key_of, require_twins_record
from mem_core.victim.record import load_victim
from tasks.artifacts import show_problems
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import address_below, open_folder


class CertificatePlace(Frozen):
    """A certificate: its page by address, its claim in one sentence, and all of it."""

    page: str
    headline: str
    certificate: Certificate


@step("verify corpus", run_name="verify {protected}")
def verify_protected(
    clean: str, protected: str, record: str | None = None, keys: KeyPlace | None = None
) -> VerifyReport:
    """Re-reads both corpora. With `record`, a folder to note success in, the same corpora are not compared twice.

    keys: where the secret key of twins lies, to throw their coins again.
    """
    before, after = open_folder(clean), open_folder(protected)
    with watched("verify") as progress:
        if record is None:
            report = verify(before, after, progress, keys)
        else:
            report, repeated = verify_once(before, after, open_folder(record), progress)
            if repeated:
                say(f"verified before: {protected}")
                return report
    show_problems(protected, report)
    found = counted(len(report.problems), "problem")
    say(f"verified {counted(report.shards, 'shard')} of {protected}: {found}")
    return report


@step("verify published", run_name="verify published {published}")
def verify_handed_out(published: str, private: str | None = None) -> VerifyReport:
    """Checks a folder that is about to be handed out; private: the protected corpus that its tars were taken from."""
    with watched("verify published") as progress:
        known = open_folder(private) if private is not None else None
        report = verify_published(open_folder(published), known, progress=progress)
    show_problems(published, report)
    say(f"verified {counted(report.shards, 'shard')} of {published}: {counted(len(report.problems), 'problem')}")
    return report


@step("certify", run_name="certify {protected}")
def certify_corpus(
    protected: str,
    out: str,
    clean: str | None = None,
    stress: str | None = None,
    victims: tuple[str, ...] = (),
    controls: tuple[str, ...] = (),
    commitment: str | None = None,
) -> CertificatePlace:
    """Audits the corpus if the clean one is at hand, gathers what was measured, writes certificate.json and .html."""
    corpus = open_folder(protected)
    certificate = make_certificate(
        corpus,
        open_folder(clean) if clean is not None else None,
        partial(verify_protected.fn, clean, protected) if clean is not None else None,
        stress=open_folder(stress) if stress is not None else None,
        victims=map(open_folder, victims),
        controls=map(open_folder, controls),
        committed=committed_to(read_commitment(*_file(commitment)), corpus) if commitment is not None else None,
    )
    write_certificate(open_folder(out), certificate)
    page, headline = address_below(out, CERTIFICATE_PAGE), certificate_headline(certificate)
    say(f"certificate: {page}")
    return CertificatePlace(page=page, headline=headline, certificate=certificate)


def check_certificate(path: str, protected: str) -> Certificate:
    """The certificate at a path or address, if it is as it was written and speaks of this corpus."""
    return read_certificate(*_file(path), open_folder(protected))


@step("preview", run_name="preview {protected}")
def preview_corpus(protected: str, clean: str, out: str, samples: int = 24) -> Preview:
    """Writes a sheet and a page of the samples whose noise shows most."""
    with watched("preview"):
        found = write_preview(open_folder(clean), open_folder(protected), open_folder(out), samples)
    say(f"preview: {address_below(out, found.page)}")
    return found


class CommitmentPlace(Frozen):
    """A commitment by its address, its own hash, and how many twin pairs it speaks of."""

    address: str
    sha256: str
    pairs: int


@step("commit", run_name="commit {protected}")
def commit_corpus(protected: str, out: str, plan: EvidencePlan, key: KeyPlace, stamp: bool = False) -> CommitmentPlace:
    """Writes what is settled before publishing. stamp: with the question to a time-stamping service beside it."""
    dest, folder = open_folder(protected), open_folder(out)
    commitment = make_commitment(dest, plan, key_of(require_twins_record(dest), key), datetime.now(UTC))
    write_commitment(folder, commitment, stamp=stamp)
    place = address_below(out, COMMITMENT_NAME)
    say(f"commitment: {place}, sha256 {commitment.sha256}")
    return CommitmentPlace(address=place, sha256=commitment.sha256, pairs=commitment.pairs)


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
    committed, (dest, secret) = read_commitment(*_file(commitment)), _twins(twins, key)
    recorded = read_vectors(*_file(embeddings), secret) if embeddings is not None else None
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
    committed, (dest, secret) = read_commitment(*_file(commitment)), _twins(twins, key)
    blocks = blocks_of(committed_pairs(dest, committed, secret), committed.pairs)
    return write_queries(open_folder(out), blocks, secret, committed.test.scores)


def check_result(commitment: str, result: str, key_file: str) -> DetectionPlace:
    """Computes a result again, for its verdict. key_file: the key where the result was not opened, "" if it was."""
    found = read_detection(*_file(result))
    key = load_key(Path(key_file)) if key_file else None
    outcome, name = check_detection(read_commitment(*_file(commitment)), found, key), found.model.name
    return DetectionPlace(page="", model=name, headline=detection_headline(name, outcome), outcome=outcome)


def _file(path: str) -> tuple[Folder, str]:
    """A file at a path or address: its folder, and its name there."""
    place, _, name = path.rpartition("/")
    return open_folder(place or "."), name


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
