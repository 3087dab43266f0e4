"""The study's results with mem_core alone, in several processes on one GPU or on a CPU; the same command goes on.

python -m benchmarks.gpu --data DIR --out OUT --minutes 9 --jobs 14 --parts flickr8k,cpu,stress,rn50
python -m benchmarks.gpu --out OUT --minutes 5 --jobs 2 --parts smoke                              drawn, on a CPU

Parts: `flickr8k` and `cpu` are the scales of that name, `rn50` is gpu.yaml beside this file, `stress` and `stress-cpu`
are the default stress suite on two rows of `flickr8k` and of `cpu`, `smoke` is the smallest scale with its stress test,
`evidence` is what twins show of a model, by share and attack, at 32 px, `evidence-64` less of it at 64 px, and
`evidence-smoke` is drawn and small.
Many small models train at the same time: none of them fills a GPU. Needs torch, open_clip, numpy, Pillow, pydantic and
the small packages of mem_core: neither Prefect nor boto3. Leaves a folder a part with its page, OUT/PART.tar.gz with
results and page, OUT/log.txt and OUT/machine.json: seconds, cells, the device, and the pairs a second that its victims
were trained with.
"""

import argparse
import json
import os
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.gpu.evidence import EvidencePart
from benchmarks.gpu.jobs import run_jobs
from benchmarks.gpu.parts import StressPart, StudyPart
from mem_core.common.errors import MemshieldError

_GPU = str(Path(__file__).with_name("gpu.yaml"))
_AT_64 = ("table1", "figure4", "crop", "codebook", "figure6")
_RN50 = 4  # that train at the same time: each takes about 15 GB
Part = StudyPart | StressPart | EvidencePart


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="folder with flickr8k/: photographs or tars, and captions with splits"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for what comes out; the same one goes on")
    parser.add_argument("--work", type=Path, help="folder for corpora and models (default: --out)")
    parser.add_argument("--minutes", type=float, default=9.0, help="begin nothing new after so many (default 9)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--parts", default="flickr8k", help=f"in this order, out of {', '.join(_PARTS)}")
    parser.add_argument("--only", help="experiments of the studies, by name, in this order (default: the part's own)")
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")
    arguments = parser.parse_args()
    wanted = arguments.parts.split(",")
    if unknown := [name for name in wanted if name not in _PARTS]:
        sys.exit(f"benchmarks.gpu: expected parts out of {', '.join(_PARTS)}, got {', '.join(unknown)}")
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    work = arguments.work or arguments.out
    try:
        parts = [part for name in wanted for part in _PARTS[name](work, arguments.data, device)]
        if arguments.only:
            only = tuple(arguments.only.split(","))
            parts = [replace(part, only=only) if isinstance(part, StudyPart) else part for part in parts]
        measure(parts, arguments.out, arguments.jobs, 60 * arguments.minutes)
    except MemshieldError as error:
        sys.exit(f"benchmarks.gpu: {error}")


def measure(parts: Sequence[Part], out: Path, workers: int, seconds: float) -> None:
    """One sitting: runs what is still to be done, writes the pages on what there is, adds a line to machine.json."""
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes: each has a core
    log = (out / "log.txt").open("a", encoding="utf-8")

    def say(text: str) -> None:
        line = f"{time.monotonic() - started:7.1f}  {text}"
        print(line, file=log, flush=True)
        print(line, flush=True)

    def tick() -> None:
        save(parts, out)

    jobs = [job for part in parts for job in part.jobs()]
    done = run_jobs(jobs, workers, seconds, say, tick)
    took = time.monotonic() - started
    reports = [job for part in parts for job in part.last_jobs()]
    run_jobs(reports, workers, 1e9, say, tick)
    save(parts, out)
    line = {
        "seconds": round(took, 1),
        "jobs": len(done),
        "left": len(jobs) - len(done),
        "processes": workers,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "victim_pairs_a_second": {part.name: part.rate() for part in parts if isinstance(part, StudyPart)},
        "torch": str(torch.__version__),
    }
    record = out / "machine.json"
    pieces = json.loads(record.read_text()) if record.exists() else []
    record.write_text(json.dumps([*pieces, line], indent=1) + "\n")
    say(json.dumps(line))
    log.close()


def save(parts: Sequence[Part], out: Path) -> None:
    """OUT/PART.tar.gz: results and page, without corpora and models."""
    for part in parts:
        found = [path for place in part.results for path in sorted(part.folder.glob(place)) if path.is_file()]
        if found:
            unfinished = out / f".{part.name}.tmp"
            with tarfile.open(unfinished, "w:gz") as tar:
                for path in found:
                    tar.add(path, str(path.relative_to(part.folder)))
            unfinished.replace(out / f"{part.name}.tar.gz")


def _flickr8k(work: Path, data: Path | None, device: str) -> list[Part]:
    return [StudyPart("flickr8k", "flickr8k", work / "flickr8k", data, _AT_64, device=device)]


def _cpu(work: Path, data: Path | None, device: str) -> list[Part]:
    return [StudyPart("cpu", "cpu", work / "cpu", data, device=device)]


def _rn50(work: Path, data: Path | None, device: str) -> list[Part]:
    return [StudyPart("rn50", _GPU, work / "rn50", data, ("table1", "figure4"), device=device, width=_RN50)]


def _stress(work: Path, data: Path | None, device: str) -> list[Part]:
    return _attacked(work, _flickr8k(work, data, device))


def _stress_cpu(work: Path, data: Path | None, device: str) -> list[Part]:
    return _attacked(work, _cpu(work, data, device), (0,))


def _attacked(work: Path, parts: list[Part], seeds: tuple[int, ...] = (0, 1)) -> list[Part]:
    (study,) = parts
    assert isinstance(study, StudyPart)
    return [
        StressPart(f"stress-{study.name}-{row}", study, row, work / f"stress-{study.name}-{row}", seeds)
        for row in ("mem-3", "codebook-replace")
    ]


def _smoke(work: Path, data: Path | None, device: str) -> list[Part]:
    study = StudyPart("smoke", "smoke", work / "smoke", data, ("table1",), device=device)
    return [study, StressPart("stress-smoke", study, "mem-3", work / "stress-smoke", seeds=(0,))]


def _evidence(work: Path, data: Path | None, device: str) -> list[Part]:
    return [EvidencePart("evidence", work / "evidence", data, device)]


def _evidence_64(work: Path, data: Path | None, device: str) -> list[Part]:
    return [EvidencePart("evidence-64", work / "evidence-64", data, device, side=64)]


def _evidence_smoke(work: Path, data: Path | None, device: str) -> list[Part]:
    return [EvidencePart("evidence-smoke", work / "evidence-smoke", data, device, small=True)]


_PARTS: dict[str, Callable[[Path, Path | None, str], list[Part]]] = {
    "flickr8k": _flickr8k,
    "cpu": _cpu,
    "stress": _stress,
    "stress-cpu": _stress_cpu,
    "rn50": _rn50,
    "smoke": _smoke,
    "evidence": _evidence,
    "evidence-64": _evidence_64,
    "evidence-smoke": _evidence_smoke,
}

if __name__ == "__main__":
    main()
