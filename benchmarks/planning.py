"""What is left to do among many finished shards: time and memory of planning, over a simulated store.

python -m benchmarks.planning [--shards 100000] [--new 1000] [--page-seconds 0.1]

The store holds no shards: it makes up the listing, a thousand names a page and `page-seconds` for each, and the
receipts, one such pause each. The manifests are real. `new` shards were finished by a run that was killed before it
wrote its manifest, so their receipts have to be read; as many more are not done at all.
"""

import argparse
import io
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from benchmarks.harness import Figure, print_figures
from mem_core.common.storage.folder import LocalFolder
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import ProtectConfig
from mem_core.data.manifest import MANIFEST_NAME, Manifest, ShardEntry, write_manifest
from mem_core.data.receipt import Receipt, receipt_bytes, receipt_name
from mem_core.protect.protector import publishing_fingerprint
from mem_core.protect.remaining import plan_shards
from tasks import storage
from tasks.storage import S3Folder

_PAGE = 1000
_DIGITS = 7
_MOST_SECONDS = 60.0
_CONFIG = ProtectConfig(method="random-noise")
_SUFFIXES = (".parquet", receipt_name(""), ".tar", "_stats.json")


def expected(input_sha256: str) -> str:
    """What receipts have to say, as `Protection` computes it."""
    return publishing_fingerprint(_CONFIG, 0, "", input_sha256)


def receipt(shard: str, kind: Literal["clean", "protected"]) -> Receipt:
    """The receipt of a shard, of hashes that depend on its name."""
    names = {
        name: sha256_bytes(f"{kind} {name}".encode()) for name in files(shard) if not name.endswith("receipt.json")
    }
    clean = sha256_bytes(f"clean {shard}.tar".encode())
    return Receipt(
        shard=shard,
        input_sha256=clean,
        input_bytes=1_000_000 if kind == "protected" else None,
        config_fingerprint=expected(clean) if kind == "protected" else "f" * 64,
        outputs=names,
        sizes=dict.fromkeys(names, 1_000_000),
        counts={"protected" if kind == "protected" else "clean": 998, "failed": 2},
        code_version="0.1.0",
        method=_CONFIG.method if kind == "protected" else "clean",
    )


def files(shard: str) -> list[str]:
    return [shard + suffix for suffix in _SUFFIXES]


@lru_cache(maxsize=4)
def receipt_size(kind: Literal["clean", "protected"]) -> int:
    return len(receipt_bytes(receipt("0000000", kind)))


def manifest(count: int, kind: Literal["clean", "protected"]) -> Manifest:
    """The manifest of so many shards."""
    entries = []
    for number in range(count):
        made = receipt(f"{number:0{_DIGITS}d}", kind)
        entry = ShardEntry(
            name=made.shard,
            samples=998,
            sha256=made.outputs[f"{made.shard}.tar"],
            receipt_sha256="0" * 64,
            input_sha256=made.input_sha256,
            input_bytes=made.input_bytes,
            config_fingerprint=made.config_fingerprint,
            counts=made.counts,
            sizes={receipt_name(made.shard): receipt_size(kind), **made.sizes},
        )
        entries.append(entry)
    draft = Manifest(kind=kind, shards=tuple(entries), config=_CONFIG.model_dump(mode="json"), fingerprint="0" * 64)
    return draft.model_copy(update={"fingerprint": draft.contents_fingerprint()})


class SimulatedStore:
    """An S3 client that answers from arithmetic. shards: how many a bucket lists; manifests: real ones on disk."""

    def __init__(self, shards: Mapping[str, int], manifests: Path, pause: float) -> None:
        self.shards, self.manifests, self.pause = shards, manifests, pause
        self.requests = 0
        self._lock = Lock()

    def list_objects_v2(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> dict[str, Any]:
        self._request()
        count = 4 * self.shards[Bucket]
        first = 0 if not StartAfter else self._place_after(StartAfter, count)
        listed = range(first, min(first + _PAGE, count))
        contents = [{"Key": self._name(place), "Size": self._size(Bucket, place)} for place in listed]
        if first <= count < first + _PAGE:
            contents.append({"Key": MANIFEST_NAME, "Size": self._manifest(Bucket).stat().st_size})
        return {"Contents": contents, "IsTruncated": first + _PAGE <= count}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self._request()
        if Key == MANIFEST_NAME:
            return {"Body": self._manifest(Bucket).open("rb")}
        return {"Body": io.BytesIO(receipt_bytes(receipt(Key.removesuffix(receipt_name("")), _kind(Bucket))))}

    def _place_after(self, name: str, count: int) -> int:
        """How many names come up to and with this one; they are in the order of their places."""
        if name >= MANIFEST_NAME:
            return count + 1
        return bisect_right(range(count), name, key=self._name)

    def _name(self, place: int) -> str:
        return f"{place // 4:0{_DIGITS}d}{_SUFFIXES[place % 4]}"

    def _size(self, bucket: str, place: int) -> int:
        return receipt_size(_kind(bucket)) if place % 4 == 1 else 1_000_000

    def _manifest(self, bucket: str) -> Path:
        return self.manifests / bucket / MANIFEST_NAME

    def _request(self) -> None:
        with self._lock:
            self.requests += 1
        time.sleep(self.pause)


def _kind(bucket: str) -> Literal["clean", "protected"]:
    return "clean" if bucket == "clean" else "protected"


def plan_once(folder: Path, shards: int, new: int, pause: float) -> dict[str, float]:
    """One plan in this process. Returns seconds, processor seconds, megabytes above the start, requests."""
    store = SimulatedStore({"clean": shards + 2 * new, "protected": shards + new}, folder, pause)
    storage._client = lambda: store  # type: ignore[assignment]
    clean, dest = S3Folder("clean", ""), S3Folder("protected", "")
    start, cpu, before = time.monotonic(), time.process_time(), _peak()
    plan = plan_shards(clean, dest, expected)
    if (len(plan.waiting), plan.finished, plan.receipts_read) != (new, shards + new, new):
        raise AssertionError(f"expected {new} waiting and as many receipts read, got {plan.finished} finished")
    return {
        "seconds": time.monotonic() - start,
        "cpu": time.process_time() - cpu,
        "megabytes": _peak() - before,
        "requests": store.requests,
    }


def _peak() -> float:
    """The most memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(*, shards: int = 100_000, new: int = 1000, pause: float = 0.1) -> list[Figure]:
    """Plans in a process of its own, so that the memory is that of planning alone."""
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(LocalFolder(Path(folder) / "clean"), manifest(shards + 2 * new, "clean"))
        write_manifest(LocalFolder(Path(folder) / "protected"), manifest(shards, "protected"))
        megabytes = sum(path.stat().st_size for path in Path(folder).rglob(MANIFEST_NAME)) / 1e6
        command = [sys.executable, "-m", "benchmarks.planning", "--child", folder]
        numbers = [str(value) for value in (shards, new, pause)]
        done = subprocess.run([*command, *numbers], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    pages = math.ceil(4 * (shards + 2 * new) / _PAGE)
    group = f"planning, {shards:,} finished shards, {new:,} unlisted receipts"
    floor = (
        f"{pages} pages of each listing at {pause:g} s; {found['requests']:.0f} requests; manifests {megabytes:.0f} MB"
    )
    parts = {"wall time": ("seconds", "s", _MOST_SECONDS), "processor time": ("cpu", "s", None)}
    parts["memory"] = ("megabytes", "MB", None)
    return [
        Figure(
            group=group,
            name=name,
            value=found[key],
            unit=unit,
            low=found[key],
            high=found[key],
            bound=bound,
            floor=floor,
        )
        for name, (key, unit, bound) in parts.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=1000)
    parser.add_argument("--page-seconds", type=float, default=0.1)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        folder, shards, new, pause = given.child
        print(json.dumps(plan_once(Path(folder), int(shards), int(new), float(pause))))
    else:
        print_figures(run(shards=given.shards, new=given.new, pause=given.page_seconds))


if __name__ == "__main__":
    main()
