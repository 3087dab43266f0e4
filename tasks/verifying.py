"""Proof that a protected corpus is what it claims to be."""

from mem_core.audit.verify.corpus import VerifyReport, verify_corpus
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen, fingerprint
from mem_core.data.corpus import corpus_fingerprint
from mem_core.models import Tokenizer
from tasks.artifacts import show_problems
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder

_CONTEXT = 77  # CLIP's own: longer than any trigger
_VERIFIED = "verified.json"


class VerifiedRecord(Frozen):
    """That two corpora were compared and nothing was wrong; their fingerprint."""

    fingerprint: str
    report: VerifyReport


@step("verify corpus", run_name="verify {protected}")
def verify_protected(clean: str, protected: str, record: str | None = None) -> VerifyReport:
    """Re-reads both corpora. With `record`, a folder to note success in, the same corpora are not compared twice."""
    before, after = open_folder(clean), open_folder(protected)
    noted = open_folder(record) if record else None
    identity = fingerprint(corpus_fingerprint(before), corpus_fingerprint(after)) if noted is not None else ""
    if noted is not None and (known := _verified(noted, identity)) is not None:
        say(f"verified before: {protected}")
        return known
    with watched("verify") as progress:
        report = verify_corpus(before, after, tokenize=Tokenizer(_CONTEXT).encode, progress=progress)
    if report.ok and noted is not None:
        done = VerifiedRecord(fingerprint=identity, report=report)
        write_bytes(noted, _VERIFIED, (done.model_dump_json(indent=2) + "\n").encode())
    show_problems(protected, report)
    found = counted(len(report.problems), "problem")
    say(f"verified {counted(report.shards, 'shard')} of {protected}: {found}")
    return report


def _verified(folder: Folder, identity: str) -> VerifyReport | None:
    try:
        known = VerifiedRecord.model_validate_json(read_bytes(folder, _VERIFIED))
    except (FileNotFoundError, ValueError):  # never noted, or by another version: compare again
        return None
    return known.report if known.fingerprint == identity else None
