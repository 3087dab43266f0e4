"""Certificates and previews: open the folders, call mem_core, write the result."""

from functools import partial

from mem_core.audit.certificate.certificate import Certificate, read_certificate
from mem_core.audit.certificate.evidence import make_certificate
from mem_core.audit.certificate.page import CERTIFICATE_PAGE, certificate_headline, write_certificate
from mem_core.audit.evidence.commitment import committed_to, read_commitment
from mem_core.audit.preview import Preview, write_preview
from mem_core.config import Frozen
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import address_below, file_at, open_folder
from tasks.verifying import verify_protected


class CertificatePlace(Frozen):
    """A certificate: its page by address, its claim in one sentence, and all of it."""

    page: str
    headline: str
    certificate: Certificate


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
        committed=committed_to(read_commitment(*file_at(commitment)), corpus) if commitment is not None else None,
    )
    write_certificate(open_folder(out), certificate)
    page, headline = address_below(out, CERTIFICATE_PAGE), certificate_headline(certificate)
    say(f"certificate: {page}")
    return CertificatePlace(page=page, headline=headline, certificate=certificate)


def check_certificate(path: str, protected: str) -> Certificate:
    """The certificate at a path or address, if it is as it was written and speaks of this corpus."""
    return read_certificate(*file_at(path), open_folder(protected))


@step("preview", run_name="preview {protected}")
def preview_corpus(protected: str, clean: str, out: str, samples: int = 24) -> Preview:
    """Writes a sheet and a page of the samples whose noise shows most."""
    with watched("preview"):
        found = write_preview(open_folder(clean), open_folder(protected), open_folder(out), samples)
    say(f"preview: {address_below(out, found.page)}")
    return found
