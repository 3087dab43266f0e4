"""Several shards in one task run: the same bytes as one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.protect import protect
from tests.support.task_runs import task_names
from tests.support.waiting import wait_until


@pytest.mark.usefixtures("prefect_api")
def test_bundles_make_the_same_bytes(
    clean_corpus: Path, tmp_path: Path, read_tree: Callable[[Path], dict[str, bytes]]
) -> None:
    clean, settings = str(clean_corpus / "train"), ("protect.method=random-noise",)
    one, two = tmp_path / "one", tmp_path / "two"
    alone = protect(clean, str(one), "smoke", settings)
    bundled = protect(clean, str(two), "smoke", (*settings, "runtime.shards_per_task=2"))
    assert (bundled.shards, bundled.counts) == (alone.shards, alone.counts)
    assert read_tree(two) == read_tree(one)

    wait_until(lambda: {"publish shards 00000 to 00001", "publish shards 00002"} <= task_names("publish shards"))
