"""Asking for help costs no library that only work needs: every command imports what it uses when it runs."""

import subprocess
import sys

import pytest

_HEAVY = {
    "PIL", "boto3", "cv2", "matplotlib", "numpy", "open_clip", "pandas", "prefect", "pyarrow", "ray", "scipy",
    "sklearn", "torch", "torchvision", "transformers", "webdataset", "yaml",
}  # fmt: skip
_PRINT_IMPORTED = """
import sys
from typer.main import get_command
from flows.cli.app import app

def ask(command, words):
    for name, below in getattr(command, "commands", {}).items():
        ask(below, [*words, name])
    try:
        app([*words, "--help"])
    except SystemExit as left:
        assert not left.code, words

ask(get_command(app), [])
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The top names of all modules that are there after the help of every command was shown."""
    asked = subprocess.run([sys.executable, "-c", _PRINT_IMPORTED], capture_output=True, text=True, check=True)
    assert "Protects image-caption corpora" in asked.stdout
    return set(asked.stdout.rpartition("imported:")[2].split())


def test_help_imports_nothing_heavy(imported: set[str]) -> None:
    assert imported & _HEAVY == set()
    assert {"flows", "mem_core", "typer"} <= imported


def test_what_computes_nothing_starts_without_torch() -> None:
    modules = "flows.shard, flows.verify, flows.cli.endings, flows.cli.printing, tasks.as_json, tasks.status"
    code = f"import {modules}, sys; print(*{{'torch', 'open_clip', 'sklearn', 'transformers'}} & set(sys.modules))"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == ""
