"""Proves that a protected corpus is what it claims to be."""

from typing import Annotated

from flows.local_server.server import keys
from flows.parameters import Clean, Protected, TwinsKey, said
from flows.recorded import recorded
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.formatting import counted
from tasks.verifying import verify_handed_out, verify_protected


def _told(found: VerifyReport) -> str:
    return f"{counted(len(found.problems), 'problem')} in {counted(found.shards, 'shard')}"


@recorded("verify", run_name="verify {protected}", told=_told)
def verify(
    clean: Clean,
    protected: Protected,
    record: Annotated[str | None, said("Folder in which success is noted; what is noted is not proven twice.")] = None,
    twins_key: TwinsKey = None,
) -> VerifyReport:
    """Re-reads every byte of both."""
    return verify_protected(clean, protected, record, keys(twins_key))


@recorded("verify-published", run_name="verify published {published}", told=_told)
def verify_published(
    published: Annotated[str, said("The folder that is about to be handed out.")],
    private: Annotated[str | None, said("The protected corpus that its tars were taken from.")] = None,
) -> VerifyReport:
    """Checks a folder that is about to be handed out."""
    return verify_handed_out(published, private)
