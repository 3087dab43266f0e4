"""What `pip install` of the built wheel gives: the command and the library, without the checkout, in any folder."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.corpora import encoded, photo
from tests.support.own_venv import ROOT

_SHIPPED = ("mem_core", "tasks", "flows", "deployments", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run([*map(str, command)], cwd=cwd, env=plain, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as building leaves files in the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in _SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = run(sys.executable, "-m", "pip", "wheel", *options, "-w", tree / "dist", tree, cwd=tree)
    assert done.returncode == 0, done.stderr
    (built,) = (tree / "dist").glob("memshield-*.whl")
    return built


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own; what it depends on is taken from the one that runs the tests."""
    place = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place)
    python = place / "bin" / "python"
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    done = run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=place)
    assert done.returncode == 0, done.stderr
    (found,) = place.glob("lib/python*/site-packages")
    (found / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: photos, packages that are called as ours are, and a module that is called as one of Python's."""
    for name in ("flows", "tasks", "mem_core", "deployments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('the user\\'s own {name} was imported')\n")
    (tmp_path / "calendar.py").write_text("raise SystemExit('the user's own calendar was imported')\n")
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / f"photos/{number}.png").write_bytes(encoded(photo(number)))
        (tmp_path / f"photos/{number}.txt").write_text(f"a thing with the number {number}")
    return tmp_path


def test_the_wheel_has_types_templates_and_settings(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{package}/py.typed" for package in ("mem_core", "tasks", "flows")} <= names
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "mem_core").rglob("*.j2")}
    settings = {str(path.relative_to(ROOT)) for path in (ROOT / "deployments/presets").glob("*.yaml")}
    assert templates
    assert settings
    assert templates | settings <= names
    assert not any(name.startswith(("tests", "benchmarks", "research")) for name in names)


def test_the_command_works_in_any_folder_whatever_is_called_as_our_packages_are(venv: Path, folder: Path) -> None:
    command = venv / "bin" / "memshield"
    presets = run(command, "presets", "list", cwd=folder)
    assert presets.returncode == 0, presets.stderr
    assert "smoke" in presets.stdout
    sharded = run(command, "shard", "photos", "corpus", "--no-server", cwd=folder)
    assert sharded.returncode == 0, sharded.stderr
    assert "train: 3 samples in 1 shard" in sharded.stdout + sharded.stderr
    assert "own calendar" not in sharded.stdout + sharded.stderr
    assert (folder / "corpus/train/00000.tar").is_file()


def test_the_library_is_there_and_every_template_is_found(venv: Path, folder: Path) -> None:
    script = folder / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "import sys\n"
        "from mem_core import protect_image\n"
        "assert 'torch' not in sys.modules\n"
        "from mem_core import api\n"
        "print(sorted(api.shard('photos', 'corpus')))\n"
    )
    done = run(venv / "bin" / "python", script, cwd=folder)
    assert (done.stdout, done.stderr) == ("['train']\n", "")


def test_a_command_that_needs_the_checkout_says_so(venv: Path, folder: Path) -> None:
    done = run(venv / "bin" / "memshield", "bench", cwd=folder)
    assert done.returncode == 1
    assert "expected the source tree, as the benchmarks are not part of the installed package" in done.stderr
