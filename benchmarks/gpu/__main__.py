"""Flickr8k's rows of table 1 with RN50, in pieces: the same command goes on where the last piece stopped.

python -m benchmarks.gpu --data DIR --out OUT --minutes 9
python -m benchmarks.gpu --data DIR --out OUT --minutes 9 --preset cpu      the same script on a CPU, small

Needs torch, open_clip, numpy, Pillow, pydantic and the small packages of mem_core: neither Prefect nor boto3. Writes
OUT/report (page, curves, JSON) and OUT/machine.json: seconds, pairs a second and the most memory taken in each piece.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from mem_core.common.errors import MemshieldError
from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import Study, StudyPlan, load_scale, make_plan, run_study, write_study

_PRESETS = {"gpu": Path(__file__).with_name("gpu.yaml"), "cpu": Path("cpu"), "smoke": Path("smoke")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of Flickr8k: photographs or tars, and captions with splits")
    parser.add_argument("--out", type=Path, required=True, help="folder of this study; the same one goes on")
    parser.add_argument("--minutes", type=float, default=9.0, help="stop cleanly after so many (default 9)")
    parser.add_argument("--preset", choices=sorted(_PRESETS), default="gpu")
    parser.add_argument("--only", default="table1,figure4", help="experiments by name (default table1,figure4)")
    arguments = parser.parse_args()
    try:
        study = Study(LocalFolder(arguments.out), load_scale(str(_PRESETS[arguments.preset])), arguments.data)
        plan = make_plan(study, arguments.only.split(","))
        piece(study, plan, arguments.minutes, arguments.out)
    except MemshieldError as error:
        sys.exit(f"benchmarks.gpu: {error}")


def piece(study: Study, plan: StudyPlan, minutes: float, out: Path) -> None:
    """One sitting: measures, adds a line to machine.json, writes the report on what there is."""
    before = len(plan.cells) - len(plan.waiting(study))
    started = time.perf_counter()
    left = run_study(study, plan, minutes=minutes, say=lambda text: print(text, flush=True))
    seconds = time.perf_counter() - started
    results = [result for cell in plan.cells if (result := study.result(cell)) is not None]
    rates = [r.samples * len(r.history) / r.seconds for r in results if r.history and r.seconds]
    cuda = torch.cuda.is_available()
    line = {
        "seconds": round(seconds, 1),
        "cells": len(plan.cells) - left - before,
        "left": left,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "victim_pairs_a_second": round(sum(rates) / len(rates), 1) if rates else None,
        "peak_device_memory_gb": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
        "torch": str(torch.__version__),
    }
    record = out / "machine.json"
    pieces = json.loads(record.read_text()) if record.exists() else []
    record.write_text(json.dumps([*pieces, line], indent=1) + "\n")
    print(json.dumps(line))
    print(f"report: {out / 'report' / write_study(study, plan, study.folder.below('report')).page}")


if __name__ == "__main__":
    main()
