"""Many nights in a row with kills, bad shards and a server that dies: nothing is lost, and somebody is told.

Ten nights in `make chaos`; `MEMSHIELD_NIGHTS=60 python -m pytest -m slow tests/chaos/test_nights.py` plays sixty.
"""

import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.data.receipt import has_receipt
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.experiments.config import RunConfig
from tasks.storage import open_folder
from tests.chaos.installation import PATIENCE, Installation, installed
from tests.chaos.nights import Nights, faster_code, moments, receiver, tell_at, told_of
from tests.s3.swift_server import SwiftServer, client, credentials, environment
from tests.support.corpora import contents
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]
COUNT = int(os.environ.get("MEMSHIELD_NIGHTS", "10"))
A_NIGHT, SAMPLES = 2, 6  # shards of a night, samples of a shard
PROTECT = ("--preset", "smoke", "--set", f"corpus.samples_per_shard={SAMPLES}")


@pytest.fixture
def alerts() -> Iterator[tuple[str, list[str]]]:
    with receiver() as hook:
        yield hook


@pytest.fixture
def installation(tmp_path: Path, swift: SwiftServer) -> Iterator[Installation]:
    """Its clocks run faster, and its runs reach the store."""
    code = faster_code(tmp_path / "code")
    with installed(tmp_path / "home", code, PREFECT_WORKER_QUERY_SECONDS="1", **environment(swift.endpoint)) as made:
        yield made


def drawn(installation: Installation, folder: Path, shards: int) -> LocalFolder:
    """All clean shards that there will ever be."""
    source = draw_corpus(folder / "drawn", SAMPLES * shards, 0, size=32, seed=3)
    installation.memshield("shard", str(source), str(folder / "all"), *PROTECT)
    return LocalFolder(folder / "all/train")


def test_nights_go_on(
    installation: Installation, alerts: tuple[str, list[str]], swift: SwiftServer, smoke: RunConfig, tmp_path: Path
) -> None:
    address, heard = alerts
    tell_at(installation, address)
    store, killed_at = f"s3://nights-{secrets.token_hex(4)}", moments(random.Random(COUNT))
    client(swift.endpoint).create_bucket(Bucket=store.removeprefix("s3://"))
    arrived = drawn(installation, tmp_path, 1 + A_NIGHT * COUNT)
    with credentials(swift.endpoint):
        nights = Nights(
            installation,
            arrived,
            open_folder(f"{store}/crawl"),
            open_folder(f"{store}/published"),
            smoke.runtime.model_dump(mode="json"),
        )
        nights.arrive("00000")
        installation.memshield("protect", nights.crawl.uri, nights.dest.uri, *PROTECT)
        nights.settle()
        mending: tuple[str, ...] = ()
        for night in range(1, COUNT + 1):
            new = tuple(f"{A_NIGHT * (night - 1) + n:05d}" for n in range(1, A_NIGHT + 1))
            nights.arrive(*new, *mending)
            due, mending = (*new, *mending), ()
            if night % 5 == 0:
                mending, due = new[-1:], tuple(shard for shard in due if shard != new[-1])
                nights.spoil(mending[0])
            run = nights.begin()
            moment = next(killed_at) if night % 2 == 1 else None
            if moment is not None:
                nights.wait_for(run, moment, due)
                nights.kill(server=night % 10 == 1)
                installation.up()
            wait_until(lambda: all(has_receipt(nights.dest, shard) for shard in due), PATIENCE)  # noqa: B023
            ended = nights.settle()
            if mending:  # told by this night's run, or where that was killed by the one that makes up for it
                ended = wait_until(nights.settled_with("Failed", ended), PATIENCE)
            print(f"night {night}: {moment or 'left alone'}: {sorted(ended.values())}", flush=True)
            assert set(ended.values()) <= {"Completed", "Crashed", "Failed", "Cancelled"}
            assert mending or "Failed" not in ended.values()

        nights.arrive(*mending)
        nights.begin()
        nights.settle()
        other = f"{store}/undisturbed"
        installation.memshield(
            "protect", nights.crawl.uri, other, "--protector", f"{nights.dest.uri}/protector", *PROTECT
        )
        assert of_shards(nights.dest.uri) == of_shards(other)
        installation.memshield("verify", nights.crawl.uri, nights.dest.uri)

    lost = {str(run) for run, state in nights.ended.items() if state in ("Crashed", "Failed")}
    wait_until(lambda: lost <= set(told_of(heard)), 60)
    told = told_of(heard)
    print(f"{COUNT} nights, {len(nights.ended)} runs, {len(lost)} of them failed or crashed: {dict(told)}")
    assert {run: told[run] for run in lost} == dict.fromkeys(lost, 1)
    assert not {str(run) for run, state in nights.ended.items() if state == "Completed"} & set(told)


def of_shards(address: str) -> dict[str, bytes]:
    """What lies at the top of a corpus: tars, tables, receipts, the manifest."""
    return {name: data for name, data in contents(open_folder(address)).items() if "/" not in name}
