"""Past estimates beside what the runs then took: one small JSON file an estimate, in a folder of this installation.

An estimate and a run belong together when kind, settings and device are the same, and the number of samples nearly:
what cannot be used shows only in the run.
"""

from collections.abc import Callable, Iterable, Iterator
from statistics import median

from pydantic import BaseModel, ValidationError

from mem_core import __version__
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import fingerprint, first_mistake
from mem_core.config.base import Frozen

_MOST = 100  # runs kept of one estimate
_NEAR = 0.1  # how much the numbers of samples may differ


class RunCost(Frozen):
    """What a run took. kept: bytes that it left, None where nobody counted them."""

    seconds: float
    kept: float | None = None
    version: str = __version__


class EstimateRecord(Frozen):
    """An estimate, and the runs that it was about. about: for people."""

    kind: str
    identity: str
    about: str
    samples: int
    seconds: float
    kept: float
    took: tuple[RunCost, ...] = ()


class PastErrors(Frozen):
    """How runs of one kind compared with their estimates: took over estimated. bytes: of storage, where counted."""

    kind: str
    runs: int
    lowest: float
    middle: float
    highest: float
    storage: float | None = None


def identity_of(kind: str, settings: BaseModel, device: str) -> str:
    """By which an estimate recognises its runs."""
    return fingerprint(kind, settings, device)


def keep_estimate(folder: Folder, kept: EstimateRecord) -> None:
    """Writes or renews an estimate; runs that it was compared with before are dropped with the old one."""
    name = f"{_start(kept.kind, kept.identity)}{kept.samples}.json"
    write_bytes(folder, name, (kept.model_dump_json(indent=2) + "\n").encode())


Warn = Callable[[str], None]
"""Told of a file that is no estimate: it is left out, for no result may be lost over a note of an older one."""


def add_run(folder: Folder, kind: str, identity: str, samples: int, took: RunCost, warn: Warn) -> EstimateRecord | None:
    """Notes what a run of so many samples took beside its estimate; None if there was none."""
    names = [name for name in folder.names() if name.startswith(_start(kind, identity))]
    near = [kept for kept in _readable(folder, names, warn) if abs(kept.samples - samples) <= _NEAR * samples]
    if not near:
        return None
    known = min(near, key=lambda kept: abs(kept.samples - samples))
    found = known.model_copy(update={"took": (*known.took, took)[-_MOST:]})
    keep_estimate(folder, found)
    return found


def past_errors(folder: Folder, warn: Warn) -> tuple[PastErrors, ...]:
    """What is known of each kind of run, by name."""
    ratios: dict[str, list[float]] = {}
    left: dict[str, list[float]] = {}
    for kept in _readable(folder, (name for name in folder.names() if name.endswith(".json")), warn):
        for run in kept.took:
            ratios.setdefault(kept.kind, []).append(run.seconds / max(kept.seconds, 1e-9))
            if run.kept is not None:
                left.setdefault(kept.kind, []).append(run.kept / max(kept.kept, 1e-9))
    return tuple(
        PastErrors(
            kind=kind,
            runs=len(found),
            lowest=min(found),
            middle=median(found),
            highest=max(found),
            storage=median(left[kind]) if kind in left else None,
        )
        for kind, found in sorted(ratios.items())
    )


def _start(kind: str, identity: str) -> str:
    return f"{kind}-{identity[:16]}-"


def _readable(folder: Folder, names: Iterable[str], warn: Warn) -> Iterator[EstimateRecord]:
    for name in names:
        try:
            yield _read(folder, name)
        except MismatchError as error:
            warn(str(error))


def _read(folder: Folder, name: str) -> EstimateRecord:
    try:
        return EstimateRecord.model_validate_json(read_bytes(folder, name))
    except ValidationError as error:
        raise MismatchError(f"expected an estimate in {folder.uri}/{name}, got: {first_mistake(error)}") from error
