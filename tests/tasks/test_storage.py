"""Folders by address. What the S3 folder does is tested against a real server, in tests/s3."""

import subprocess
import sys
from typing import Any

import pytest

from mem_core.common.errors import ConfigError, RetryShard, StorageRefused
from mem_core.common.storage.folder import LocalFolder
from tasks.storage import address_below, error_of_answer, no_bucket, open_folder

PLACE = "s3://bucket/night/00001.tar"


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


def answer(code: str, status: int, message: str = "") -> dict[str, Any]:
    """As botocore parses one."""
    error = {"Code": code, **({"Message": message} if message else {})}
    return {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, FileNotFoundError),
        ("404", 404, FileNotFoundError),
        ("PreconditionFailed", 412, FileExistsError),
        ("SlowDown", 503, RetryShard),
        ("TooManyRequests", 429, RetryShard),
        ("Whatever", 429, RetryShard),
        ("InternalError", 500, RetryShard),
        ("BadDigest", 400, RetryShard),
        ("NoSuchUpload", 404, RetryShard),
        ("NotImplemented", 501, StorageRefused),
        ("NoSuchBucket", 404, StorageRefused),
        ("AccessDenied", 403, StorageRefused),
        ("InvalidAccessKeyId", 403, StorageRefused),
        ("RequestTimeTooSkewed", 403, StorageRefused),
    ],
)
def test_each_answer_has_its_class_and_names_the_place(code: str, status: int, expected: type[Exception]) -> None:
    error = error_of_answer(answer(code, status, "said so"), PLACE)
    assert type(error) is expected
    assert PLACE in str(error)


def test_what_the_store_said_is_told_and_its_code_where_it_said_nothing() -> None:
    assert str(error_of_answer(answer("SlowDown", 503, "too fast"), PLACE)).endswith("said SlowDown: too fast")
    assert str(error_of_answer(answer("SlowDown", 503), PLACE)).endswith("said SlowDown: SlowDown")
    assert "clocks" in str(error_of_answer(answer("RequestTimeTooSkewed", 403), PLACE))
    assert str(error_of_answer(answer("NoSuchBucket", 404), PLACE)) == str(no_bucket(PLACE))


def test_an_answer_without_anything_is_a_refusal() -> None:
    assert type(error_of_answer({}, PLACE)) is StorageRefused
