"""Starting, killing and judging protecting processes."""

import json
import multiprocessing
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.data.receipt import receipt_name
from mem_core.models import Tokenizer
from mem_core.protect.destination import mark
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.twins import begin_twins
from tasks.storage import open_folder
from tests.chaos.protecting import work
from tests.s3.swift_server import SwiftServer, client, credentials, environment
from tests.support.corpora import contents
from tests.support.waiting import wait_until

PATIENCE = 180
"""Seconds for a run of a second: the machine may be busy."""

TWINS = ", with twins"
"""Behind the name of a method."""

_FORKING = multiprocessing.get_context("forkserver")


def start_forking() -> None:
    """Starts the server that forks protecting processes. It finds modules only through PYTHONPATH, not sys.path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        _FORKING.set_forkserver_preload(["tests.chaos.warmed"])
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@dataclass
class Run:
    """One process. `result` is what it left when it ended by itself, None when it was killed."""

    job: dict[str, Any]
    out: Path
    process: Any

    def wait(self) -> dict[str, Any] | None:
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, f"expected a run to end within {PATIENCE} s: {self.job}"
        return json.loads(self.out.read_text()) if self.out.exists() else None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@dataclass
class Place:
    """A destination, on disk or in the object store. endpoint: the way to the store that processes take."""

    uri: str
    swift: SwiftServer | None = None
    endpoint: str = ""

    @contextmanager
    def folder(self) -> Iterator[Folder]:
        """The destination as this process sees it, past all faults."""
        if self.swift is None:
            yield LocalFolder(self.uri)
        else:
            with credentials(self.swift.endpoint):
                yield open_folder(self.uri)

    def names(self) -> set[str]:
        """All files that are there."""
        with self.folder() as folder:
            return set(folder.names())

    def receipts(self) -> set[str]:
        """The shards that have one."""
        suffix = receipt_name("")
        return {name.removesuffix(suffix) for name in self.names() if name.endswith(suffix)}

    def leftovers(self) -> list[str]:
        """Temporary objects: partial files, unfinished uploads, what only the rounds needed."""
        with self.folder() as folder:
            found = [name for name in folder.names() if name.startswith("_state/")]
        if self.swift is None:
            return found + [path.name for path in Path(self.uri).rglob(".*")]
        bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        uploads = client(self.swift.endpoint).list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
        return found + [upload["Key"] for upload in uploads]


@dataclass
class Chaos:
    """The clean corpus and what an undisturbed run makes of it, by method."""

    clean: LocalFolder
    work_folder: Path
    expected: dict[str, dict[str, bytes]] = field(default_factory=dict)
    runs: int = 0
    twins: dict[str, bytes] = field(default_factory=dict)

    @property
    def keys(self) -> KeyPlace:
        """Where the keys of twins lie."""
        return KeyPlace(folder=str(self.work_folder / "keys"))

    def start(self, place: Place, method: str = "mem", **extra: Any) -> Run:
        self.runs += 1
        method, twins, _ = method.partition(TWINS)
        job = {"clean": self.clean.uri, "dest": place.uri, "method": method, **extra}
        if twins:
            job["keys"] = self.keys.folder
        if place.swift is not None:
            job["environment"] = environment(place.endpoint or place.swift.endpoint) | extra.get("environment", {})
        out = self.work_folder / f"run-{self.runs}.json"
        process = _FORKING.Process(target=work, args=(job, out), daemon=True)
        process.start()
        return Run(job, out, process)

    def undisturbed(self, method: str) -> dict[str, bytes]:
        """All files of a protected corpus that nothing happened to."""
        if method not in self.expected:
            place = Place(str(self.work_folder / f"undisturbed-{method}"))
            if TWINS in method:
                self.begin_twins(place, method)
            result = self.start(place, method).wait()
            assert result is not None
            assert "made" in result, result
            self.expected[method] = contents(LocalFolder(place.uri))
        return self.expected[method]

    def begin_twins(self, place: Place, method: str) -> None:
        """Leaves the same coins in every destination: those of a run are drawn when it begins."""
        with place.folder() as folder:
            mark(folder)
            if method not in self.twins:
                begin_twins(folder, 0.7, method.partition(TWINS)[0], self.keys)
                self.twins[method] = read_bytes(folder.below("twins"), "twins.json")
            write_bytes(folder.below("twins"), "twins.json", self.twins[method])

    def killed(self, place: Place, rng: random.Random, method: str = "mem") -> None:
        """A run that is killed: in the middle of a write, or whenever it happens to be."""
        if rng.random() < 0.5:
            self.start(place, method, kill_at=rng.randint(1, 26)).wait()
        else:
            run = self.start(place, method)
            self.wait_for_progress(run, place, rng)
            run.kill()

    def wait_for_progress(self, run: Run, place: Place, rng: random.Random) -> None:
        """Until a drawn number of files has come to the destination, or the run has ended."""
        before, wanted = place.names(), rng.randint(0, len(self.undisturbed("mem")))
        wait_until(lambda: run.process.exitcode is not None or len(place.names() - before) >= wanted, PATIENCE)

    def ends_well(self, place: Place, method: str = "mem") -> None:
        """Once more, undisturbed: all that was promised holds."""
        before = place.receipts()
        result = self.start(place, method).wait()
        assert result is not None, "expected the run to end by itself"
        assert "made" in result, result
        assert not before & set(result["made"]), "expected nothing to be repeated that had a receipt"
        self.is_whole(place, method)

    def is_whole(self, place: Place, method: str = "mem") -> None:
        expected = self.undisturbed(method)
        with place.folder() as folder:
            found = contents(folder)
            assert sorted(found) == sorted(expected)
            assert [name for name in expected if found[name] != expected[name]] == []
            report = verify_corpus(self.clean, folder, tokenize=Tokenizer(24).encode, keys=self.keys)
        assert report.problems == ()
        assert report.warnings == ()
        assert place.leftovers() == []


def rounds(short: int, long: int) -> list[Any]:
    """The seeds of a test: `short` of them inside `make test`, all in `make chaos`."""
    return [pytest.param(seed, marks=[pytest.mark.slow] if seed >= short else []) for seed in range(long)]
