"""What an owner asks before and after publishing: a preview, a certificate, a commitment, whether a model learned."""

from prefect import flow

from mem_core.audit.evidence.outcome import EvidencePlan
from mem_core.audit.preview import Preview
from mem_core.config import RuntimeConfig
from mem_core.protect.key_place import KeyPlace
from tasks.trust import (
    CertificatePlace,
    CommitmentPlace,
    DetectionPlace,
    certify_corpus,
    commit_corpus,
    detect_in_model,
    preview_corpus,
    write_detection_queries,
)


@flow(name="preview", flow_run_name="preview {protected}")
def preview(protected: str, clean: str, out: str, samples: int = 24) -> Preview:
    """The samples whose noise shows most, before anything is uploaded."""
    return preview_corpus(protected, clean, out, samples)


@flow(name="certify", flow_run_name="certify {protected}")
def certify(
    protected: str,
    out: str,
    clean: str | None = None,
    stress: str | None = None,
    victims: tuple[str, ...] = (),
    controls: tuple[str, ...] = (),
    commitment: str | None = None,
) -> CertificatePlace:
    """What was protected, how it was audited, against whom it was tested, and what was not tested."""
    return certify_corpus(protected, out, clean, stress, victims, controls, commitment)


@flow(name="commit", flow_run_name="commit {protected}")
def commit(protected: str, out: str, plan: EvidencePlan, key: KeyPlace, stamp: bool = False) -> CommitmentPlace:
    """What is settled before publishing: the corpus, its coins, the one test that counts."""
    return commit_corpus(protected, out, plan, key, stamp)


@flow(name="detect", flow_run_name="detect {model}")
def detect(
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
    """Whether a model learned from what was published: the committed test of its preferences against the coins."""
    return detect_in_model(model, twins, commitment, key, out, architecture, embeddings, open_key, runtime)


@flow(name="detection queries", flow_run_name="detection queries of {twins}")
def queries(twins: str, commitment: str, key: KeyPlace, out: str) -> int:
    """What to ask a model behind an endpoint."""
    return write_detection_queries(twins, commitment, key, out)
