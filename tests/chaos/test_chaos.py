"""Whatever fails, a re-run ends in the bytes of an undisturbed run. Seeded; short here, long in `make chaos`."""

import random
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.harness import TWINS, Chaos, Place, rounds
from tests.s3.fault_proxy import Fault, FaultProxy, Kind, Request
from tests.s3.swift_server import STRANGER, STRANGER_SECRET, SwiftServer, client, environment
from tests.support.waiting import wait_until

FAULTS: list[tuple[Kind, float]] = [
    ("500", 0),
    ("503", 0),
    ("reset before", 0),
    ("reset after", 0),
    ("cut upload", 0),
    ("cut body", 100),
    ("reset body", 1000),
    ("hang", 3),
]
SHARE = 0.12  # of the requests go wrong


@pytest.fixture
def local(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "dest"))


@pytest.fixture
def stored(swift: SwiftServer) -> Place:
    bucket = f"chaos-{secrets.token_hex(4)}"
    client(swift.endpoint).create_bucket(Bucket=bucket)
    return Place(f"s3://{bucket}/night/protected", swift)


def seeded(name: str, seed: int) -> random.Random:
    return random.Random(f"{name} {seed}")


@pytest.mark.parametrize("seed", rounds(3, 30))
def test_kills_on_disk(chaos: Chaos, local: Place, seed: int) -> None:
    rng = seeded("disk", seed)
    for _ in range(rng.randint(1, 3)):
        chaos.killed(local, rng)
    chaos.ends_well(local)


@pytest.mark.parametrize("seed", rounds(2, 20))
def test_kills_while_twins_are_made(chaos: Chaos, local: Place, seed: int) -> None:
    """What is published and what stays at home: every byte of both."""
    rng, method = seeded("twins", seed), f"mem{TWINS}"
    chaos.undisturbed(method)
    chaos.begin_twins(local, method)
    for _ in range(rng.randint(1, 3)):
        chaos.start(local, method, kill_at=rng.randint(8, 40)).wait()
    chaos.ends_well(local, method)


@pytest.mark.parametrize("seed", rounds(0, 8))
def test_kills_while_twins_are_made_in_the_object_store(chaos: Chaos, stored: Place, seed: int) -> None:
    rng, method = seeded("twins", seed), f"random-trigger{TWINS}"
    chaos.undisturbed(method)
    chaos.begin_twins(stored, method)
    for _ in range(rng.randint(1, 3)):
        chaos.killed(stored, rng, method)
    chaos.ends_well(stored, method)


@pytest.mark.parametrize("seed", rounds(1, 30))
def test_kills_with_the_object_store(chaos: Chaos, stored: Place, seed: int) -> None:
    rng = seeded("store", seed)
    for _ in range(rng.randint(1, 3)):
        chaos.killed(stored, rng)
    chaos.ends_well(stored)


@pytest.mark.parametrize("seed", rounds(1, 12))
def test_a_store_where_much_goes_wrong(chaos: Chaos, stored: Place, swift: SwiftServer, seed: int) -> None:
    def choose(request: Request) -> Fault:
        rng = seeded("faults", seed * 100_000 + request.number)
        return Fault(*rng.choice(FAULTS)) if rng.random() < SHARE else Fault()

    with FaultProxy(swift.port, choose) as proxy:
        stored.endpoint = proxy.endpoint
        result = chaos.start(stored).wait()
        assert result is not None
        assert "made" in result or result["error"] == "RetryShard", result
        assert any(request.fault.kind != "none" for request in proxy.requests)
    stored.endpoint = ""
    if "made" in result:
        chaos.is_whole(stored)
    chaos.ends_well(stored)


@pytest.mark.parametrize("seed", rounds(0, 8))
def test_faults_and_kills_together(chaos: Chaos, stored: Place, swift: SwiftServer, seed: int) -> None:
    rng = seeded("both", seed)

    def choose(request: Request) -> Fault:
        draw = seeded("both", seed * 100_000 + request.number)
        return Fault(*draw.choice(FAULTS[:5])) if draw.random() < SHARE else Fault()

    with FaultProxy(swift.port, choose) as proxy:
        stored.endpoint = proxy.endpoint
        for _ in range(2):
            chaos.killed(stored, rng)
    stored.endpoint = ""
    chaos.ends_well(stored)


@pytest.mark.parametrize("seed", rounds(1, 8))
def test_the_store_is_killed_and_comes_back(chaos: Chaos, stored: Place, swift: SwiftServer, seed: int) -> None:
    rng = seeded("server", seed)
    run = chaos.start(stored)
    chaos.wait_for_progress(run, stored, rng)
    swift.kill()
    run.process.join(rng.uniform(0, 2))  # how long the store is away: that is the trouble, not a wait for something
    swift.start()
    result = run.wait()
    assert result is not None
    assert "made" in result, result
    chaos.is_whole(stored)


@pytest.mark.parametrize("seed", rounds(1, 6))
@pytest.mark.parametrize("where", ["disk", pytest.param("store", marks=pytest.mark.slow)])
def test_two_runs_at_once(chaos: Chaos, local: Place, stored: Place, where: str, seed: int) -> None:
    """Both end well; or one is killed, and the other does."""
    rng = seeded("two", seed)
    place = local if where == "disk" else stored
    one, other = chaos.start(place), chaos.start(place)
    if seed % 2:
        chaos.wait_for_progress(one, place, rng)
        one.kill()
    results = [run.wait() for run in ((other,) if seed % 2 else (one, other))]
    assert all(result is not None and "made" in result for result in results), results
    chaos.ends_well(place)


REFUSED: dict[str, Callable[[SwiftServer], dict[str, str]]] = {
    "wrong secret": lambda swift: environment(swift.endpoint, secret="wrong"),
    "no rights": lambda swift: environment(swift.endpoint, STRANGER, STRANGER_SECRET),
}
SLOWER = ("no rights", "no bucket")


@pytest.mark.parametrize("refusal", ["wrong secret", *(pytest.param(r, marks=pytest.mark.slow) for r in SLOWER)])
def test_what_no_retry_mends_stops_at_once(chaos: Chaos, stored: Place, swift: SwiftServer, refusal: str) -> None:
    extra: dict[str, Any] = {"environment": REFUSED[refusal](swift)} if refusal in REFUSED else {}
    place = stored if extra else Place("s3://no-such-bucket/night", swift)
    started = time.monotonic()
    result = chaos.start(place, **extra).wait()
    assert time.monotonic() - started < 20
    assert result is not None
    assert result["error"] == "StorageRefused"
    assert "\n" not in result["said"]
    assert place.uri in result["said"]
    if extra:
        chaos.ends_well(stored)


@pytest.mark.parametrize("seed", rounds(0, 6))
def test_rights_that_are_withdrawn(chaos: Chaos, stored: Place, swift: SwiftServer, seed: int) -> None:
    last = seeded("denied", seed).randint(1, 80)
    with FaultProxy(swift.port, lambda r: Fault("denied") if r.number > last else Fault()) as proxy:
        stored.endpoint = proxy.endpoint
        result = chaos.start(stored).wait()
    stored.endpoint = ""
    assert result is not None
    assert "made" in result or (result["error"] == "StorageRefused" and "the store refused" in result["said"]), result
    chaos.ends_well(stored)


@pytest.mark.parametrize("seed", rounds(0, 6))
def test_a_bucket_that_vanishes(chaos: Chaos, stored: Place, swift: SwiftServer, seed: int) -> None:
    run = chaos.start(stored)
    chaos.wait_for_progress(run, stored, seeded("vanish", seed))
    admin, bucket = client(swift.endpoint), stored.uri.split("/")[2]
    remove(admin, bucket)
    result = run.wait()
    assert result is not None
    # A bucket is empty before it is gone, so a run may miss a file of its own first: either way it says where.
    assert "made" in result or bucket in result["said"], result
    admin.create_bucket(Bucket=bucket)
    chaos.ends_well(stored)


def remove(admin: Any, bucket: str) -> None:
    """Deletes a bucket that somebody still writes to."""
    from botocore.exceptions import ClientError

    while True:
        try:
            for found in admin.list_objects_v2(Bucket=bucket).get("Contents", []):
                admin.delete_object(Bucket=bucket, Key=found["Key"])
            for upload in admin.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                admin.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            admin.delete_bucket(Bucket=bucket)
        except ClientError:  # an upload that has just ended, or an object that has just come
            continue
        return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of its own, where that may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "memshield-tests", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("seed", rounds(1, 6))
def test_a_full_disk(chaos: Chaos, small_disk: Path, seed: int) -> None:
    place = Place(str(small_disk / "dest"))
    whole = sum(len(data) for data in chaos.undisturbed("mem").values())
    kilobytes = int(seeded("full", seed).uniform(0.05, 0.9) * whole / 1024)
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(small_disk)], check=True)
    result = chaos.start(place).wait()
    assert result is not None
    assert result["error"] == "StorageRefused"
    assert "No space left on device" in result["said"]
    assert place.uri in result["said"]
    subprocess.run(["mount", "-o", f"remount,size={4 * whole // 1024 + 4096}k", str(small_disk)], check=True)
    chaos.ends_well(place)


@pytest.mark.parametrize("seed", rounds(1, 4))
def test_a_limit_on_the_size_of_files(chaos: Chaos, local: Place, seed: int) -> None:
    """What a quota does, where no tmpfs may be mounted."""
    largest = max(len(data) for data in chaos.undisturbed("mem").values())
    limit = int(seeded("limit", seed).uniform(0.05, 0.95) * largest)
    result = chaos.start(local, file_limit=limit).wait()
    assert result is not None
    assert result["error"] == "StorageRefused"
    assert "File too large" in result["said"]
    chaos.ends_well(local)


@pytest.mark.parametrize("seed", rounds(1, 6))
def test_a_shard_that_is_redone_under_kills(chaos: Chaos, local: Place, seed: int) -> None:
    """Outputs are damaged, a run with `redo` is killed, then one with `redo` ends well."""
    rng = seeded("redo", seed)
    first = chaos.start(local).wait()
    assert first is not None
    path = Path(local.uri) / rng.choice(["00001.tar", "00001.parquet", "00002_stats.json", "00000.receipt.json"])
    path.write_bytes(path.read_bytes()[: rng.randint(0, 50)])
    refused = chaos.start(local).wait()
    assert refused is not None
    assert refused["error"] == "MismatchError"  # a receipt that is damaged, files that are
    chaos.start(local, on_mismatch="redo", kill_at=rng.randint(1, 5)).wait()
    result = chaos.start(local, on_mismatch="redo").wait()
    assert result is not None
    assert len(result["made"]) <= 1
    chaos.is_whole(local)


def test_the_threads_of_the_tests_are_gone() -> None:
    """The proxies leave nothing that accepts connections."""
    wait_until(lambda: not [thread for thread in threading.enumerate() if "_accept" in thread.name])
