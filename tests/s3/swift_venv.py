"""The virtual environment that OpenStack Swift runs in: apart from ours, as it patches the standard library.

python -m tests.s3.swift_venv        makes .venv-swift, or finds it as it should be
"""

from pathlib import Path

from tests.support.own_venv import own_venv

LOCK = Path(__file__).with_name("requirements.lock")
"""Made by: echo swift==2.38.3 | uv pip compile --generate-hashes --no-header --python-version 3.11 -"""


def swift_python() -> Path:
    """The interpreter that has Swift."""
    return own_venv(".venv-swift", LOCK)


if __name__ == "__main__":
    print(swift_python())
