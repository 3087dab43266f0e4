"""A real installation: server, pools, deployments, triggers, a worker, in a store whose keys only blocks know."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.experiments.config import RunConfig
from tasks.events import Measure
from tasks.status import read_status
from tasks.storage import open_folder
from tests.chaos.installation import PATIENCE, Installation, installed
from tests.s3.swift_server import KEY, SECRET, SwiftServer, client, credentials
from tests.support.corpora import contents
from tests.support.waiting import wait_until

WRONG = "no-longer-the-secret"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


def arrive(clean: Path, crawl: str, *shards: str) -> None:
    """The files of these shards, in the store."""
    for name, data in contents(LocalFolder(clean)).items():
        if name.partition(".")[0].removesuffix("_stats") in shards:
            write_bytes(open_folder(crawl), name, data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_night_and_what_it_triggers_on_a_worker_that_has_its_keys_from_blocks(
    installation: Installation, swift: SwiftServer, clean_corpus: Path, smoke: RunConfig
) -> None:
    client(swift.endpoint).create_bucket(Bucket="nights")
    crawl, test, dest, victims = (f"s3://nights/{name}" for name in ("crawl", "test", "published", "victims"))
    installation.keep("memshield-s3-key-id", KEY)
    installation.keep("memshield-s3-secret", SECRET)
    installation.prefect("variable", "set", "memshield_s3_endpoint", swift.endpoint)
    installation.prefect("variable", "set", "memshield_s3_region", "us-east-1")
    template = "deployments/work-pools/s3-blocks.json"
    installation.prefect("work-pool", "update", "memshield-cpu", "--base-job-template", template)

    with credentials(swift.endpoint):
        arrive(clean_corpus / "train", crawl, "00000")
        arrive(clean_corpus / "test", test, "00000")
    runtime = smoke.runtime.model_dump(mode="json")
    settings = {"config": smoke.protect.model_dump(mode="json"), "runtime": runtime, "seed": smoke.seed}
    first = installation.run("protect/protect", clean=crawl, dest=dest, **settings)
    assert first.is_completed(), first.message

    with credentials(swift.endpoint):
        arrive(clean_corpus / "train", crawl, "00001", "00002")
    then = Measure(test=test, out=victims, victim=smoke.victim, evaluate=smoke.evaluate, runtime=smoke.runtime)
    night = installation.run(
        "nightly/nightly", clean=crawl, dest=dest, runtime=runtime, then=then.model_dump(mode="json")
    )
    assert night.is_completed(), night.message
    with credentials(swift.endpoint):
        (corpus,) = read_status(dest, crawl).corpora
        assert (corpus.done, corpus.pending, corpus.finished) == (3, 0, True)
        found = open_folder(victims)
        wait_until(lambda: any(name.endswith("/evaluation.json") for name in found.names()), PATIENCE)
        assert len([name for name in found.names() if name.endswith("/victim.json")]) == 1

    installation.keep("memshield-s3-secret", WRONG)
    refused = installation.run("nightly/nightly", clean=crawl, dest=dest, runtime=runtime)
    assert refused.is_failed()
    assert "the store refused" in refused.message
    said = installation.records()
    assert dest in said
    assert SECRET not in said
    assert WRONG not in said
