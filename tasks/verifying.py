"""Checks that a protected corpus is what it claims to be."""

from mem_core.audit.verify.corpus import VerifyReport
from mem_core.audit.verify.record import verify, verify_once
from mem_core.common.formatting import counted
from tasks.artifacts import show_problems
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


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
