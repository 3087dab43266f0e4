"""What is tried again and what is not, and what a failure looks like in a run's log."""

import io
import logging

import pytest
from prefect import flow

from mem_core.common.errors import ConfigError, MemshieldError, MismatchError, RetryShard, StorageRefused
from tasks.options import may_pass, step


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize("error", [RetryShard("slow"), MemoryError(), OutOfMemoryError()])
def test_what_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize("error", [ConfigError("bad"), StorageRefused("no"), ValueError("bug"), KeyboardInterrupt()])
def test_what_will_not_pass(error: BaseException) -> None:
    assert not may_pass(error)


@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize(("error", "tries"), [(RetryShard("the store is slow"), 4), (ConfigError("bad"), 1)])
def test_only_what_may_pass_is_tried_again(error: MemshieldError, tries: int) -> None:
    begun = []

    @step("fragile", run_name="fragile {shard}")
    def fragile(shard: str) -> None:
        begun.append(shard)
        raise error

    @flow
    def once() -> None:
        fragile.with_options(retry_delay_seconds=0)("00000")

    with pytest.raises(type(error), match=str(error)):
        once()
    assert len(begun) == tries


@pytest.mark.usefixtures("prefect_api")
def test_a_second_try_may_succeed() -> None:
    begun = []

    @step("fragile", run_name="fragile {shard}")
    def fragile(shard: str) -> str:
        begun.append(shard)
        if len(begun) == 1:
            raise RetryShard("the connection broke off")
        return shard

    @flow
    def once() -> str:
        return fragile.with_options(retry_delay_seconds=0)("00000")

    assert once() == "00000"
    assert begun == ["00000", "00000"]


@pytest.mark.parametrize(("error", "has_stack"), [(MismatchError("expected A, got B"), False), (KeyError("A"), True)])
def test_our_errors_are_logged_as_sentences(error: Exception, has_stack: bool) -> None:
    logger, stream = logging.getLogger("prefect.flow_runs"), io.StringIO()
    assert len([known for known in logger.filters if getattr(known, "__module__", "") == "tasks.options"]) == 1
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
