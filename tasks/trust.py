"""Verification, certificates, previews and ownership tests: open the folders, call mem_core, write what it returns."""

from functools import partial

from mem_core.audit.certificate.certificate import Certificate, read_certificate
from mem_core.audit.certificate.evidence import make_certificate
from mem_core.audit.certificate.page import CERTIFICATE_PAGE, certificate_headline, write_certificate
from mem_core.audit.ownership import Ownership, detect_shortcut, detection_note
from mem_core.audit.preview import Preview, write_preview
from mem_core.audit.verify.corpus import VerifyReport
from mem_core.audit.verify.published import verify_published
from mem_core.audit.verify.record import verify, verify_once
from mem_core.common.errors import SourceError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import Frozen, RuntimeConfig
from mem_core.models import start_model
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
def verify_protected(clean: str, protected: str, record: str | None = None) -> VerifyReport:
    """Re-reads both corpora. With `record`, a folder to note success in, the same corpora are not compared twice."""
    before, after = open_folder(clean), open_folder(protected)
    with watched("verify") as progress:
        if record is None:
            report = verify(before, after, progress)
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
) -> CertificatePlace:
    """Audits the corpus if the clean one is at hand, gathers what was measured, writes certificate.json and .html."""
    certificate = make_certificate(
        open_folder(protected),
        open_folder(clean) if clean is not None else None,
        partial(verify_protected.fn, clean, protected) if clean is not None else None,
        stress=open_folder(stress) if stress is not None else None,
        victims=map(open_folder, victims),
        controls=map(open_folder, controls),
    )
    write_certificate(open_folder(out), certificate)
    page, headline = address_below(out, CERTIFICATE_PAGE), certificate_headline(certificate)
    say(f"certificate: {page}")
    return CertificatePlace(page=page, headline=headline, certificate=certificate)


def check_certificate(path: str, protected: str) -> Certificate:
    """The certificate at a path or address, if it is as it was written and speaks of this corpus."""
    place, _, name = path.rpartition("/")
    return read_certificate(open_folder(place or "."), name, open_folder(protected))


@step("preview", run_name="preview {protected}")
def preview_corpus(protected: str, clean: str, out: str, samples: int = 24) -> Preview:
    """Writes a sheet and a page of the samples whose noise shows most."""
    with watched("preview"):
        found = write_preview(open_folder(clean), open_folder(protected), open_folder(out), samples)
    say(f"preview: {address_below(out, found.page)}")
    return found


@step("detect shortcut", run_name="detect {model}", tags=("memshield-device",))
def detect_in_model(
    model: str,
    protected: str,
    clean: str,
    architecture: str = "",
    seed: int = 0,
    permutations: int = 9999,
    runtime: RuntimeConfig = RuntimeConfig(),
) -> Ownership:
    """Tests a victim's folder, at its best epoch if that is known, or with an architecture a checkpoint."""
    if architecture:
        encoder = start_model(architecture, 0, model).freeze()
    else:
        folder = open_folder(model)
        if isinstance(folder, LocalFolder) and not folder.path.is_dir():
            raise SourceError(f"expected a victim's folder at {model}; for a checkpoint file name its --architecture")
        encoder, _ = load_victim(folder, "best")  # what a trainer keeps, and would give out
    with watched(f"detect in {model}") as progress:
        found = detect_shortcut(
            encoder,
            open_folder(protected),
            open_folder(clean),
            runtime,
            seed=seed,
            permutations=permutations,
            progress=progress,
        )
    say(f"{model}: p = {found.p_value:.4g} over {found.pairs} pairs. {detection_note(found)}")
    return found
