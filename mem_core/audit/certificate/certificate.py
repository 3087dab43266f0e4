"""The certificate of a protected corpus: canonical JSON that carries the hash of its own content.

The hash shows an edit by hand; it is no signature, as whoever makes another certificate can hash that one too. Keep the
hash where readers can trust it, and check a certificate against the corpus that it speaks of.
"""

import json
from typing import Literal

from pydantic import Field

from mem_core import __version__
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import Frozen, Placement, fingerprint
from mem_core.config.stored import parse_record
from mem_core.data.finished_shard import current_manifest, receipts_of, size_difference
from mem_core.data.image_quality import QualitySummary
from mem_core.data.manifest import build_manifest, manifest_or_none
from mem_core.data.receipt import changed_output
from mem_core.report.intervals import Estimate

_OLDER = "it was measured by a version that kept neither the best epoch nor an interval"


class Made(Frozen):
    """What was protected, and with what. manifest: its fingerprint, by which a corpus is recognised. placements: where
    triggers stand in captions."""

    manifest: str
    shards: int
    counts: dict[str, int]
    methods: tuple[str, ...]
    epsilon_levels: int
    trigger_length: int
    placements: tuple[Placement, ...] = ("front",)
    versions: tuple[str, ...]
    protectors: tuple[str, ...]
    config: dict[str, object]
    psnr: QualitySummary | None
    ssim: QualitySummary | None
    backed_off: int
    reasons: dict[str, int]


class Audit(Frozen):
    """What `verify` found when the certificate was made. compared: whether the clean corpus was at hand."""

    compared: bool
    clean: str = Field("", description="fingerprint of the clean corpus's tars")
    problems: int = 0
    first_problem: str = ""


class Trial(Frozen):
    """Victims of one attack, one for each seed. shares: median rank as a share of chance at the last epoch, the lowest
    of bare and prefixed queries in both directions, by seed; clean_shares: of victims trained on only clean pairs
    likewise, under the same attack or, where that needs none of its own, without any.

    last, best: of all seeds, with their 95 % intervals; clean: of the clean victims, at the epoch that counts (the
    best, or the last where no best is known); left: of the protection. missing: what a claim about the trial lacks.
    Those five are not in certificates of format 1.
    """

    attack: str
    label: str
    architecture: str
    epochs: int
    samples: int
    seeds: tuple[int, ...]
    shares: tuple[float, ...]
    clean_shares: tuple[float, ...] = ()
    last: Estimate | None = None
    best: Estimate | None = None
    clean: Estimate | None = None
    left: Estimate | None = None
    missing: tuple[str, ...] = (_OLDER,)
    test: str
    images: int

    @property
    def tells(self) -> bool:
        """Whether something may be claimed about it, by the rule of all pages."""
        return not self.missing

    @property
    def counting(self) -> Estimate:
        """What a trainer gets: at the best epoch, or the last where no best is known."""
        return self.best or self.last or Estimate(value=min(self.shares))


class Committed(Frozen):
    """A commitment to the corpus and its twins: its hash, its date by its writer's clock, its test, its pairs."""

    sha256: str
    written: str
    statistic: str
    alpha: float
    pairs: int


class Certificate(Frozen):
    """Everything that is claimed. committed: by which training on the corpus may be shown, None for nothing. sha256: of
    all the rest."""

    format: Literal[1, 2] = 2
    made_with: str = __version__
    made: Made
    audit: Audit
    trials: tuple[Trial, ...]
    worst: str = Field("", description="the attack that leaves the least protection; empty if none tells anything")
    not_tested: tuple[str, ...]
    committed: Committed | None = None
    sha256: str = ""

    def sealed(self) -> "Certificate":
        """The same with the hash of everything else in it."""
        return self.model_copy(update={"sha256": fingerprint(self.model_dump(mode="json", exclude={"sha256"}))})


def certificate_bytes(certificate: Certificate) -> bytes:
    """Canonical JSON: sorted, without needless space, one line."""
    values = certificate.model_dump(mode="json")
    return (json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def parse_certificate(data: bytes, name: str) -> Certificate:
    """Raises `MismatchError` for anything but a certificate with the hash of its content."""
    certificate = parse_record(data, Certificate, "a certificate", name)
    written = json.loads(data)  # hashed as it stands: a version with further fields reads it, too
    if certificate.sha256 != fingerprint({name: value for name, value in written.items() if name != "sha256"}):
        raise MismatchError(
            f"expected the certificate {name} as memshield wrote it, but its hash does not match: it was edited"
        )
    return certificate


def read_certificate(folder: Folder, name: str, protected: Folder) -> Certificate:
    """The certificate of that name, if it is as it was written and speaks of this corpus. Raises `MismatchError`, and
    `SourceError` where there is none."""
    try:
        data = read_bytes(folder, name)
    except FileNotFoundError as error:
        raise SourceError(f"expected a certificate at {folder.uri}/{name}, but there is no such file") from error
    certificate = parse_certificate(data, f"{folder.uri}/{name}")
    require_same_corpus(certificate, protected)
    return certificate


def manifest_fingerprint(protected: Folder) -> str:
    """By which a corpus is recognised: of its receipts as they are now, whatever its manifest says."""
    known = manifest_or_none(protected)
    config = known.config if known is not None else {}
    return build_manifest(protected, kind="protected", config=config).fingerprint


def require_same_corpus(certificate: Certificate, protected: Folder) -> None:
    """Raises `MismatchError` if the certificate speaks of another corpus, or of this one before it was changed.

    Every file is read and hashed.
    """
    found = manifest_fingerprint(protected)
    if found != certificate.made.manifest:
        raise MismatchError(
            f"expected a certificate of {protected.uri}, whose manifest has fingerprint {found[:12]}, but it speaks of "
            f"{certificate.made.manifest[:12]}: of another corpus, or of this one before it was changed"
        )
    for receipt in receipts_of(protected, [entry.name for entry in current_manifest(protected).shards]):
        if changed := changed_output(protected, receipt):
            raise MismatchError(f"{changed}: the certificate speaks of {protected.uri} before it was changed")


def require_all_files(protected: Folder) -> None:
    """Raises `MismatchError` if a file that a receipt lists is missing or has another size, from the listing alone."""
    sizes = protected.top()
    for entry in current_manifest(protected).shards:
        if changed := size_difference(entry.sizes, sizes.get):
            raise MismatchError(f"expected {protected.uri} as its receipts list it, but {changed}")
