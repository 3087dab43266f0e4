"""HEIC and JPEG XL with their plug-ins, in an environment that has them, and without.

The environment is apart from ours, as the plug-ins' licences are. requirements.lock was made by:
printf 'pillow-heif\\npillow-jxl-plugin' | uv pip compile --no-deps --generate-hashes --no-header -
"""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from mem_core.common.errors import ImageError
from mem_core.data.images import decode_image
from tests.support.own_venv import ROOT, own_venv

HERE = Path(__file__).parent
STARTS = {"pillow-heif": b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "pillow-jxl-plugin": b"\xff\x0a\xfa\x7f"}
MODULES = {"pillow-heif": "pillow_heif", "pillow-jxl-plugin": "pillow_jxl"}


@pytest.mark.parametrize("package", STARTS)
def test_without_its_plugin_a_file_fails_with_the_package_in_its_reason(package: str) -> None:
    if importlib.util.find_spec(MODULES[package]) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(ImageError, match=f"{package}.*not installed here.*JPEG or PNG") as raised:
        decode_image(STARTS[package] + bytes(100), max_pixels=100)
    assert raised.value.code == "missing-decoder"


def test_with_its_plugin_it_is_decoded_like_any_other(tmp_path: Path) -> None:
    python = str(own_venv(".venv-pictures", HERE / "requirements.lock", beside_ours=True))
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inside")]
    command.append(str(HERE / "with_plugins.py"))
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=ours, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stderr == ""
