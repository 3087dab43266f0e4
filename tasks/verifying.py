"""Verification as tasks: of a protected corpus against the clean one, and of a folder to hand out."""

from mem_core.audit.verify.problems import VerifyReport
from mem_core.audit.verify.published import verify_published
from mem_core.audit.verify.record import verify, verify_once
from mem_core.common.formatting import counted
from mem_core.protect.key_place import KeyPlace
from tasks.artifacts import show_problems
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


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
