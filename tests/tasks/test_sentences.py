"""Failures in a run's log: ours without the stack, others with it."""

import io
import logging

import pytest

from mem_core.common.errors import MismatchError
from tasks import sentences


@pytest.mark.parametrize(("error", "has_stack"), [(MismatchError("expected A, got B"), False), (KeyError("A"), True)])
def test_our_errors_are_logged_as_sentences(error: Exception, has_stack: bool) -> None:
    sentences.install()
    sentences.install()
    logger, stream = logging.getLogger("prefect.flow_runs"), io.StringIO()
    assert len([known for known in logger.filters if type(known).__module__ == "tasks.sentences"]) == 1
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        raise error
    except (MismatchError, KeyError) as caught:
        logger.exception("Encountered exception during execution: %r", caught)
    finally:
        logger.removeHandler(handler)
    said = stream.getvalue()
    assert ("Traceback" in said) is has_stack
    assert has_stack or said == "MismatchError: expected A, got B\n"
