"""Three nights of crawls, one of them killed in the middle: nothing is lost, repeated or half written.

    python -m tests.flows.three_nights [FOLDER] [--s3]        or `make nightly`

Draws a small corpus, lets its shards arrive in three nights under a prefix, and protects each night's with the real
commands through a real Prefect server of its own. The second night is killed with SIGKILL while it publishes, and run
again. Then everything is compared, byte for byte, with a corpus that was protected without a disturbance. With `--s3`
the crawl and both corpora lie in a real S3 server (OpenStack Swift, started for this).
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from tasks.storage import open_folder
from tests.support.waiting import wait_until

NIGHTS = (("00000", "00001"), ("00002", "00003", "00004"), ("00005", "00006", "00007"))
SETTINGS = ("--preset", "smoke", "--set", "corpus.samples_per_shard=10")
PATIENCE = 300.0  # seconds for one command on a busy machine


def main() -> None:
    """The whole story; exit code 1 as soon as something is not as it must be."""
    parser = argparse.ArgumentParser(description="Three nights of crawls, one killed in the middle.")
    parser.add_argument("folder", nargs="?", type=Path, help="where to work; a temporary folder if not named")
    parser.add_argument("--s3", action="store_true", help="keep the crawl and the corpora in a real S3 server")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memshield-nights-") as temporary:
        place = (chosen.folder or Path(temporary)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        os.environ |= {"MEMSHIELD_HOME": str(place / "home")}
        os.environ.pop("PREFECT_API_URL", None)
        try:
            if chosen.s3:
                with _s3(place) as store:
                    three_nights(place, store)
            else:
                three_nights(place, str(place))
        finally:
            _memshield("server", "stop")


def three_nights(place: Path, store: str) -> None:
    """place: a local folder for the source. store: address below which everything else lies."""
    arrived, crawl, dest, reference = _arrived(place), f"{store}/crawl", f"{store}/protected", f"{store}/undisturbed"

    _say("Night 1: the first shards arrive; a protector is fitted on them and they are protected.")
    _arrive(arrived, crawl, NIGHTS[0])
    _memshield("protect", crawl, dest, *SETTINGS)
    first = _files(dest)

    _say("Night 2: three more arrive. SIGKILL as soon as one of them is finished.")
    _arrive(arrived, crawl, NIGHTS[1])
    finished = _killed_after_a_shard(crawl, dest, NIGHTS[1])
    _memshield("status", dest, "--clean", crawl)
    before = _moments(dest)
    _say("Night 2 again: only what is missing.")
    _memshield("nightly", crawl, dest, "--preset", "smoke")
    again = {name for name, moment in before.items() if _moments(dest).get(name) != moment and _is_shard(name)}
    _check(not again, f"the {finished} shards that were finished before the kill and the first night's are untouched")
    second = _files(dest)

    _say("Night 3: the last ones arrive.")
    _arrive(arrived, crawl, NIGHTS[2])
    _memshield("nightly", crawl, dest, "--preset", "smoke")
    _memshield("nightly", crawl, dest, "--preset", "smoke")
    third = _files(dest)
    for night, files in (("first", first), ("second", second)):
        kept = all(third[name] == digest for name, digest in files.items() if _is_shard(name))
        _check(kept, f"what the {night} night protected is as that night left it")

    _say("The same crawl, protected in one undisturbed run with the same protector.")
    _memshield("protect", crawl, reference, "--protector", f"{dest}/protector", *SETTINGS)
    corpus = {name: digest for name, digest in third.items() if "/" not in name}
    undisturbed = {name: digest for name, digest in _files(reference).items() if "/" not in name}
    differing = sorted(name for name in corpus.keys() | undisturbed if corpus.get(name) != undisturbed.get(name))
    _check(not differing, f"all {len(corpus)} files, manifest included, are equal byte for byte {differing or ''}")
    _memshield("verify", crawl, dest)
    _memshield("status", dest, "--clean", crawl)
    _say("Three nights, one kill: nothing lost, nothing repeated, nothing half written.")


def _arrived(place: Path) -> Folder:
    """All clean shards there will ever be, drawn and sharded."""
    from mem_core.data.synthetic.shapes_corpus import draw_corpus

    samples = 10 * sum(len(night) for night in NIGHTS)
    source = draw_corpus(place / "drawn", samples, 0, size=32, seed=3)
    _memshield("shard", source, place / "all", *SETTINGS)
    return open_folder(str(place / "all/train"))


def _arrive(arrived: Folder, crawl: str, shards: tuple[str, ...]) -> None:
    target = open_folder(crawl)
    for name in arrived.names():
        if name.partition(".")[0].removesuffix("_stats") in shards:
            write_bytes(target, name, read_bytes(arrived, name))
    _say(f"  arrived in {crawl}: {', '.join(shards)}")


def _killed_after_a_shard(crawl: str, dest: str, shards: tuple[str, ...]) -> int:
    """Kills a nightly run once the first of its shards has its receipt; returns how many have one."""
    folder = open_folder(dest)
    process = subprocess.Popen(_command("nightly", crawl, dest, "--preset", "smoke"))

    def begun() -> bool:
        return process.poll() is not None or any(folder.exists(f"{shard}.receipt.json") for shard in shards)

    wait_until(begun, PATIENCE)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sum(folder.exists(f"{shard}.receipt.json") for shard in shards)
    _say(f"  killed with {done} of {len(shards)} shards finished")
    _check(0 < done < len(shards), "the kill came in the middle of the night")
    return done


def _files(address: str) -> dict[str, str]:
    folder = open_folder(address)
    return {name: hashlib.sha256(read_bytes(folder, name)).hexdigest() for name in folder.names()}


def _moments(address: str) -> dict[str, object]:
    """When each file was written last."""
    if "://" not in address:
        root = Path(address)
        found = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in found}
    from tasks.storage import _client

    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    objects = _client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return {found["Key"].removeprefix(f"{prefix}/"): found["LastModified"] for found in objects}


def _is_shard(name: str) -> bool:
    """A file of a shard, receipts among them; not the manifest, nor what a run keeps for itself."""
    return "/" not in name and name != "manifest.json" and not name.startswith(".partial-")


@contextmanager
def _s3(place: Path) -> Iterator[str]:
    from tests.s3.swift_server import SwiftServer, client, credentials

    (place / "swift").mkdir(exist_ok=True)
    server = SwiftServer(place / "swift")
    server.start()
    try:
        with credentials(server.endpoint):
            client(server.endpoint).create_bucket(Bucket="nights")
            yield "s3://nights"
    finally:
        server.kill()


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "flows.cli.app", *map(str, arguments)]


def _memshield(*arguments: object) -> None:
    _say(f"$ memshield {' '.join(map(str, arguments))}")
    done = subprocess.run(_command(*arguments), timeout=PATIENCE, check=False)
    _check(done.returncode == 0, f"exit code 0 (got {done.returncode})", quiet=done.returncode == 0)


def _check(holds: bool, what: str, *, quiet: bool = False) -> None:
    if not quiet:
        _say(f"  {'yes' if holds else 'NO'}: {what}".rstrip())
    if not holds:
        sys.exit(f"three nights: expected that {what}")


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    main()
