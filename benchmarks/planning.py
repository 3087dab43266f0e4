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
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

from benchmarks.harness import Figure, print_figures
from mem_core.config import ProtectConfig
from mem_core.data.folder import LocalFolder
from mem_core.data.hashing import sha256_bytes
from mem_core.data.manifest import MANIFEST_NAME, Manifest, ShardEntry, write_manifest
from mem_core.data.receipt import Receipt, receipt_bytes, receipt_name
from mem_core.planning import plan_shards
from mem_core.protector import publishing_fingerprint

_PAGE = 1000
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
        made = receipt(f"{number:07d}", kind)
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


class SimulatedFolder:
    """A store that answers from arithmetic. shards: how many it lists; manifest: a real one on disk."""

    def __init__(self, kind: Literal["clean", "protected"], shards: int, manifest: LocalFolder, pause: float) -> None:
        self.kind, self.shards, self.manifest, self.pause = kind, shards, manifest, pause
        self.requests = 0

    @property
    def uri(self) -> str:
        return f"simulated://{self.kind}"

    def sizes(self) -> Iterator[tuple[str, int]]:
        for place in range(4 * self.shards):
            if place % _PAGE == 0:
                self._request()
            name = f"{place // 4:07d}{_SUFFIXES[place % 4]}"
            yield name, receipt_size(self.kind) if place % 4 == 1 else 1_000_000
        yield MANIFEST_NAME, self.manifest.size(MANIFEST_NAME)

    def open(self, name: str) -> BinaryIO:
        self._request()
        if name == MANIFEST_NAME:
            return self.manifest.open(name)
        return io.BytesIO(receipt_bytes(receipt(name.removesuffix(receipt_name("")), self.kind)))

    def _request(self) -> None:
        self.requests += 1
        time.sleep(self.pause)


def plan_once(folder: Path, shards: int, new: int, pause: float) -> dict[str, float]:
    """One plan in this process. Returns seconds, processor seconds, megabytes above the start, requests."""
    clean: Any = SimulatedFolder("clean", shards + 2 * new, LocalFolder(folder / "clean"), pause)
    dest: Any = SimulatedFolder("protected", shards + new, LocalFolder(folder / "protected"), pause)
    start, cpu, before = time.monotonic(), time.process_time(), _peak()
    plan = plan_shards(clean, dest, expected)
    if (len(plan.waiting), plan.finished, plan.receipts_read) != (new, shards + new, new):
        raise AssertionError(f"expected {new} waiting and as many receipts read, got {plan.finished} finished")
    return {
        "seconds": time.monotonic() - start,
        "cpu": time.process_time() - cpu,
        "megabytes": _peak() - before,
        "requests": clean.requests + dest.requests,
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
