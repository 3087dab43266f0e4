"""Proves that a protected corpus is what it claims to be."""

from prefect import flow

from flows.local_server.server import keys
from mem_core.audit.verify.corpus import VerifyReport
from tasks.trust import verify_handed_out, verify_protected


@flow(name="verify", flow_run_name="verify {protected}")
def verify(clean: str, protected: str, record: str | None = None, twins_key: str | None = None) -> VerifyReport:
    """Re-reads every byte of both. With `record`, a folder, success is noted there and not proven twice.

    twins_key: the path of the secret key of the twins, if it is not among the keys of this installation.
    """
    return verify_protected(clean, protected, record, keys(twins_key))


@flow(name="verify-published", flow_run_name="verify published {published}")
def verify_published(published: str, private: str | None = None) -> VerifyReport:
    """Checks a folder that is about to be handed out. private: the protected corpus that its tars were taken from."""
    return verify_handed_out(published, private)
