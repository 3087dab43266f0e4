"""The wheel, made as pip makes it: no module, template or list of words is forgotten."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.own_venv import ROOT

PACKAGES = ("mem_core", "tasks", "flows", "deployments/presets")


def files_of(place: Path) -> set[str]:
    found = (path.relative_to(place).as_posix() for package in PACKAGES for path in (place / package).rglob("*"))
    return {name for name in found if (place / name).is_file()}


def test_the_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    for package in (*PACKAGES, "deployments/__init__.py", "pyproject.toml", "README.md", "LICENSE"):
        (source / package).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / package).is_dir():
            shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / package, source / package)
    expected = files_of(source)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    made = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    (wheel,) = out.glob("*.whl")
    assert expected <= set(zipfile.ZipFile(wheel).namelist())
    assert {"mem_core/report/report.html.j2", "mem_core/perturb/english_words.txt"} <= expected
