"""What is tried again and what is not."""

import pytest
from prefect import flow

from mem_core.common.errors import ConfigError, MemshieldError, RetryShard, StorageRefused
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
