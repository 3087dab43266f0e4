"""What an owner asks before and after publishing: a preview, a certificate, whether a model learned the shortcut."""

from prefect import flow

from mem_core.audit.ownership import Ownership
from mem_core.audit.preview import Preview
from mem_core.config import RuntimeConfig
from tasks.trust import CertificatePlace, certify_corpus, detect_in_model, preview_corpus


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
) -> CertificatePlace:
    """What was protected, how it was audited, against whom it was tested, and what was not tested."""
    return certify_corpus(protected, out, clean, stress, victims, controls)


@flow(name="detect", flow_run_name="detect {model}")
def detect(
    model: str,
    protected: str,
    clean: str,
    architecture: str = "",
    seed: int = 0,
    permutations: int = 9999,
    runtime: RuntimeConfig = RuntimeConfig(),
) -> Ownership:
    """Whether a model pairs the noise of held-out pairs with their triggers; a permutation test."""
    return detect_in_model(model, protected, clean, architecture, seed, permutations, runtime)
