"""The script of the study for a GPU box: in pieces, and with mem_core alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as script
from mem_core.experiments.reproduce import load_scale

_ALONE = """
import sys
sys.argv = ["gpu", *sys.argv[1:]]
from benchmarks.gpu.__main__ import main
main()
assert not {"prefect", "boto3", "typer", "rich"} & set(sys.modules), "more than mem_core was imported"
"""


def test_a_piece_without_time_leaves_its_record_and_a_page_and_needs_only_mem_core(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ALONE, "--out", str(tmp_path), "--preset", "smoke", "--minutes", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads((tmp_path / "machine.json").read_text())
    assert piece["cells"] == 0
    assert piece["left"] > 6
    assert (tmp_path / "report/report.html").is_file()


def test_its_own_scale_is_sound_and_its_data_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_scale(str(script._PRESETS["gpu"])).victim_config("main").architecture == "RN50"
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--data", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="Where to get it"):
        script.main()
