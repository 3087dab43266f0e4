"""kill -9 in the middle: the next run goes on, and what it writes equals what an undisturbed run writes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.command_line import Command
from tests.support.waiting import wait_until

SETTINGS = ["--preset", "smoke", "--set", "corpus.samples_per_shard=24"]
PATIENCE = 180.0  # seconds until a stage is reached on a busy machine


def test_a_killed_protection_goes_on_to_the_same_bytes(
    prefect_api: str,
    clean_corpus: Path,
    tmp_path: Path,
    command: Command,
    read_tree: Callable[[Path], dict[str, bytes]],
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    _protect(prefect_api, clean_corpus, undisturbed).communicate(timeout=PATIENCE)
    stages: list[Callable[[], bool]] = [
        lambda: (killed / "_state/fit.txt").exists(),  # the surrogate of the first round is being trained
        lambda: (killed / "_state/00001.safetensors").exists(),  # shards are at work
        lambda: (killed / "protector/surrogate-001.safetensors").exists(),  # in the second round
        lambda: (killed / "00000.receipt.json").exists(),  # shards are being published
    ]
    kills = sum(_killed_at(stage, _protect(prefect_api, clean_corpus, killed)) for stage in stages)
    assert kills >= 2  # a machine that is fast enough may pass a stage between two looks
    kept = {path.name: path.stat().st_mtime_ns for path in killed.glob("*.receipt.json")}

    last = _protect(prefect_api, clean_corpus, killed)
    said = last.communicate(timeout=PATIENCE)[1]
    assert last.returncode == 0, said
    assert kept == {name: (killed / name).stat().st_mtime_ns for name in kept}
    assert not list(killed.rglob(".partial-*"))  # the last run sweeps up what the killed ones left half written
    assert read_tree(killed) == read_tree(undisturbed)
    assert command("verify", clean_corpus / "train", killed, "--no-server").exit_code == 0


def _protect(api: str, clean: Path, dest: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli.app", "protect", str(clean / "train"), str(dest), *SETTINGS],
        env=os.environ | {"PREFECT_API_URL": api},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _killed_at(stage: Callable[[], bool], process: "subprocess.Popen[str]") -> bool:
    """Whether the process was killed at the stage, before it came to its end."""
    wait_until(lambda: process.poll() is not None or stage(), PATIENCE)
    process.send_signal(signal.SIGKILL)  # nothing happens if it has ended
    process.communicate(timeout=PATIENCE)
    return process.returncode == -signal.SIGKILL
