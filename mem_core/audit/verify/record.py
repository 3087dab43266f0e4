"""A note that two corpora were compared and nothing was wrong, so that the same ones are not compared twice."""

from functools import partial

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, fingerprint
from mem_core.config.stored import read_record, write_record
from mem_core.data.corpus import corpus_fingerprint
from mem_core.models.byte_pairs import BytePairs
from mem_core.protect.key_place import KeyPlace

_CONTEXT = 77  # CLIP's own: longer than any trigger
_NAME = "verified.json"


class VerifiedRecord(Frozen):
    """The fingerprint of both corpora, and what the comparison found."""

    fingerprint: str
    report: VerifyReport


def verify_once(
    clean: Folder, protected: Folder, record: Folder, progress: Progress = silent
) -> tuple[VerifyReport, bool]:
    """As `verify`, unless the note in `record` says that these very corpora were found right before: then True."""
    identity = fingerprint(corpus_fingerprint(clean), corpus_fingerprint(protected))
    if (known := _verified(record, identity)) is not None:
        return known, True
    report = verify(clean, protected, progress)
    if report.ok:
        write_record(record, _NAME, VerifiedRecord(fingerprint=identity, report=report))
    return report, False


def verify(clean: Folder, protected: Folder, progress: Progress = silent, keys: KeyPlace | None = None) -> VerifyReport:
    """Re-reads both corpora with CLIP's own tokenizer; see `verify_corpus`."""
    return verify_corpus(
        clean, protected, tokenize=partial(BytePairs().rows, length=_CONTEXT), progress=progress, keys=keys
    )


def _verified(folder: Folder, identity: str) -> VerifyReport | None:
    try:
        known = read_record(folder, _NAME, VerifiedRecord, "the note of a verified corpus")
    except MismatchError:  # by another version: compare again
        return None
    return known.report if known is not None and known.fingerprint == identity else None
