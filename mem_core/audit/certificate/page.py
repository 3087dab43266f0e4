"""Writes a certificate into a folder: certificate.json, and certificate.html, one file that fetches nothing."""

from mem_core.audit.certificate.certificate import Certificate, certificate_bytes
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder, write_new
from mem_core.report.claims import can_be_judged, no_verdict
from mem_core.report.intervals import percent, with_interval
from mem_core.report.templates import filled_page

CERTIFICATE_PAGE, CERTIFICATE_NAME = "certificate.html", "certificate.json"


def write_certificate(folder: Folder, certificate: Certificate) -> None:
    """The page last: a folder that has one has both. Raises `DestinationError` for one that has another's."""
    write_new(
        folder, {CERTIFICATE_NAME: certificate_bytes(certificate), CERTIFICATE_PAGE: certificate_page(certificate)}
    )


def certificate_page(certificate: Certificate) -> bytes:
    """The HTML of the page."""
    return filled_page(
        "audit/certificate/certificate.html.j2", c=certificate, headline=certificate_headline(certificate)
    )


def certificate_headline(certificate: Certificate) -> str:
    """What is claimed, in one sentence."""
    samples = certificate.made.counts.get("protected", 0)
    start = f"{counted(samples, 'sample')} protected with {' and '.join(certificate.made.methods)}"
    audit = certificate.audit
    if audit.problems:
        return f"{start}, but the audit found {counted(audit.problems, 'problem')}."
    proof = "every pixel and caption audited" if audit.compared else "not compared with the clean corpus"
    if not certificate.trials:
        return f"{start}, {proof}; no victim was trained, so nothing is known about what it is worth."
    worst = certificate.trials[0]
    judged = can_be_judged(sum(trial.tells for trial in certificate.trials), len(certificate.trials))
    if not worst.tells or worst.clean is None:
        return f"{start}, {proof}. {no_verdict(worst.missing)} {judged}."
    last = f" at the best epoch and {percent(worst.last.value)} at the last" if worst.best and worst.last else ""
    reached = f"the median rank is at {with_interval(worst.counting)} of chance{last}"
    without = f"without protection at {with_interval(worst.clean)}"
    return f"{start}, {proof}; in the worst case tried ({worst.label}), {reached}, {without}. {judged}."
