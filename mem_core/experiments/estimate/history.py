"""Past estimates beside what the runs then took: one small JSON file an estimate, in a folder of this installation.

An estimate and a run belong together when their settings and the kind of device are the same, and the number of
samples nearly: what cannot be used shows only in the run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from mem_core import __version__
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import Frozen, ProtectConfig, RunnerConfig, fingerprint
from mem_core.config.stored import parse_record, write_record
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.hand_out import HandOut
from mem_core.models.device import resolve_device

_MOST = 100  # runs kept of one estimate
_NEAR = 0.1  # how much the numbers of samples may differ


class RunCost(Frozen):
    """What a run took. kept: bytes that it left, None where nobody counted them."""

    seconds: float
    kept: float | None = None
    version: str = __version__


class EstimateRecord(Frozen):
    """An estimate, and the runs that it was about. kind: the command. identity: by which it recognises its runs.
    about: for people."""

    kind: str
    identity: str
    about: str
    samples: int
    seconds: float
    kept: float
    hand_out: HandOut | None = None
    took: tuple[RunCost, ...] = ()


class PastErrors(Frozen):
    """How runs of one kind compared with their estimates, took over estimated. seconds: of each run, the lowest first.
    storage: median over runs whose bytes were counted."""

    kind: str
    seconds: tuple[float, ...]
    storage: float | None


def about_run(settings: ProtectConfig | RunConfig, runtime: RunnerConfig) -> tuple[str, str]:
    """Kind and identity of the estimates and runs with these settings: of `protect`, or of a whole `pipeline`."""
    kind, device = "protect", "ray" if runtime.runner == "ray" else resolve_device(runtime).type
    if isinstance(settings, RunConfig):  # what it costs does not depend on its name and seed
        kind, settings = "pipeline", settings.model_copy(update={"name": "default", "seed": 0})
    return kind, fingerprint(kind, settings, device)


@dataclass(frozen=True)
class History:
    """The estimates in a folder. warn: told of a file that is no estimate, which is then left out: no result may be
    lost over a note of an older one."""

    folder: Folder
    warn: Callable[[str], None]

    def keep(self, said: EstimateRecord) -> None:
        """Writes or renews an estimate; runs that it was compared with before are dropped with the old one."""
        write_record(self.folder, f"{_start(said.kind, said.identity)}{said.samples}.json", said)

    def add_run(self, kind: str, identity: str, samples: int, took: RunCost) -> EstimateRecord | None:
        """Notes what a run of so many samples took beside its estimate; None if there was none."""
        known = self._records(_start(kind, identity))
        said = min(known, key=lambda said: abs(said.samples - samples), default=None)
        if said is None or abs(said.samples - samples) > _NEAR * samples:
            return None
        said = said.model_copy(update={"took": (*said.took, took)[-_MOST:]})
        self.keep(said)
        return said

    def past_errors(self) -> tuple[PastErrors, ...]:
        """What is known of each kind of run, by name."""
        runs = [(said, run) for said in self._records() for run in said.took]
        found = []
        for kind in sorted({said.kind for said, _ in runs}):
            own = [(said, run) for said, run in runs if said.kind == kind]
            seconds = sorted(run.seconds / max(said.seconds, 1e-9) for said, run in own)
            stored = [run.kept / max(said.kept, 1e-9) for said, run in own if run.kept is not None]
            found.append(PastErrors(kind=kind, seconds=tuple(seconds), storage=median(stored) if stored else None))
        return tuple(found)

    def _records(self, start: str = "") -> Iterator[EstimateRecord]:
        for name in list(self.folder.names()):
            if name.startswith(start) and name.endswith(".json"):
                try:
                    data, place = read_bytes(self.folder, name), f"{self.folder.uri}/{name}"
                    yield parse_record(data, EstimateRecord, "an estimate", place)
                except MismatchError as error:
                    self.warn(str(error))


def _start(kind: str, identity: str) -> str:
    return f"{kind}-{identity[:16]}-"
