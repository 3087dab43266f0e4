"""Folders by address. What the S3 folder does is tested against a real server, in tests/s3."""

import subprocess
import sys

import pytest

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from tasks.storage import address_below, open_folder


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("/some/where", "/some/where"),
        ("file:///tmp/a%20b", "/tmp/a b"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_addresses(address: str, uri: str) -> None:
    assert open_folder(address).uri == uri


def test_relative_paths_are_local() -> None:
    assert isinstance(open_folder("some/where"), LocalFolder)


@pytest.mark.parametrize("address", ["s3://", "gs://bucket/a", "http://host/a", "s3:///prefix"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="s3://"):
        open_folder(address)


def test_addresses_below() -> None:
    assert address_below("s3://bucket/a/", "b") == "s3://bucket/a/b"
    assert address_below("/some/where", "b/c") == "/some/where/b/c"


def test_boto3_is_loaded_only_when_it_is_needed() -> None:
    code = "import sys, tasks.storage as s; s.open_folder('a'); sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
