"""Folders by address, and the S3 folder against a server that speaks S3.

moto's server is enough to see that requests are right; it checks neither secrets nor checksums.
"""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from mem_core.config import RunConfig
from mem_core.data.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.errors import ConfigError, DestinationError, RetryShard, StorageRefused
from tasks import storage
from tasks.storage import S3Folder, address_below, open_folder


def test_addresses() -> None:
    assert isinstance(open_folder("some/where"), LocalFolder)
    assert open_folder("file:///tmp/a%20b").uri == "/tmp/a b"
    assert open_folder("s3://bucket/a/b/").uri == "s3://bucket/a/b"
    assert open_folder("s3://bucket").uri == "s3://bucket"
    assert address_below("s3://bucket/a/", "b") == "s3://bucket/a/b"
    for bad in ("s3://", "gs://bucket/a", "http://host/a"):
        with pytest.raises(ConfigError):
            open_folder(bad)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, {**keys, "AWS_ENDPOINT_URL": endpoint}):
        storage._client.cache_clear()
        client = storage._client()
        name = f"bucket-{os.urandom(4).hex()}"
        client.create_bucket(Bucket=name)
        yield name
    storage._client.cache_clear()


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return LocalFolder(tmp_path / "folder")
    return open_folder(f"s3://{request.getfixturevalue('bucket')}/some/prefix")


def test_both_kinds_keep_what_is_written(folder: Folder) -> None:
    assert list(folder.names()) == []
    data = os.urandom(3 * 2**20)
    write_bytes(folder, "b.tar", data)
    write_bytes(folder, "a/c.json", b"{}")
    assert list(folder.names()) == ["a/c.json", "b.tar"]
    assert read_bytes(folder, "b.tar") == data
    assert folder.exists("b.tar")
    assert not folder.exists("b")
    assert list(folder.below("a").names()) == ["c.json"]
    with folder.open("b.tar") as stream:
        assert stream.read(10) == data[:10]
        assert stream.read() == data[10:]
    folder.delete("b.tar")
    folder.delete("b.tar")
    assert not folder.exists("b.tar")


def test_both_kinds_write_whole_or_not_at_all(folder: Folder) -> None:
    with pytest.raises(RuntimeError), folder.write("a.tar") as stream:
        stream.write(b"half")
        raise RuntimeError("killed")
    assert list(folder.names()) == []


def test_both_kinds_let_only_the_first_receipt_in(folder: Folder) -> None:
    write_bytes(folder, "a.receipt.json", b"first", only_if_absent=True)
    with pytest.raises(FileExistsError):
        write_bytes(folder, "a.receipt.json", b"second", only_if_absent=True)
    assert read_bytes(folder, "a.receipt.json") == b"first"


def test_both_kinds_say_what_is_missing(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.open("nothing")


@pytest.mark.parametrize("name", ["../up", "a//b", "", "/abs", "a/./b", "nul\0"])
def test_both_kinds_refuse_names_that_lead_elsewhere(folder: Folder, name: str) -> None:
    with pytest.raises(DestinationError):
        write_bytes(folder, name, b"")
    with pytest.raises(DestinationError):
        folder.below(name)


def test_long_listings_come_page_by_page(bucket: str) -> None:
    client = storage._client()
    for number in range(1003):
        client.put_object(Bucket=bucket, Key=f"many/{number:05d}.tar", Body=b"")
    client.put_object(Bucket=bucket, Key="many/", Body=b"")
    client.put_object(Bucket=bucket, Key="manyother/x", Body=b"")
    names = list(open_folder(f"s3://{bucket}/many").names())
    assert names == [f"{number:05d}.tar" for number in range(1003)]


def test_large_files_go_up_in_parts(bucket: str) -> None:
    data = os.urandom(20 * 2**20)
    folder = open_folder(f"s3://{bucket}/large")
    write_bytes(folder, "a.tar", data)
    assert "-" in storage._client().head_object(Bucket=bucket, Key="large/a.tar")["ETag"]  # the mark of several parts
    assert read_bytes(folder, "a.tar") == data


def test_a_bucket_that_does_not_exist_is_one_sentence(bucket: str) -> None:
    folder = open_folder("s3://no-such-bucket-of-ours/prefix")
    for attempt in (lambda: list(folder.names()), lambda: write_bytes(folder, "a", b"x")):
        with pytest.raises(StorageRefused, match="no such bucket"):
            attempt()


def test_a_store_that_does_not_answer_is_worth_another_try(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    storage._client.cache_clear()
    with pytest.raises(RetryShard, match="s3://bucket/prefix"):
        list(open_folder("s3://bucket/prefix").names())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, StorageRefused),
        ("InvalidAccessKeyId", 403, StorageRefused),
        ("SignatureDoesNotMatch", 403, StorageRefused),
        ("NoSuchBucket", 404, StorageRefused),
        ("NoSuchKey", 404, FileNotFoundError),
        ("PreconditionFailed", 412, FileExistsError),
        ("ConditionalRequestConflict", 409, RetryShard),
        ("SlowDown", 503, RetryShard),
        ("InternalError", 500, RetryShard),
    ],
)
def test_every_answer_has_its_class(code: str, status: int, kind: type[Exception]) -> None:
    answer = {"Error": {"Code": code, "Message": "as it said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = storage._of_answer(answer, "s3://bucket/key")
    assert type(error) is kind
    assert "s3://bucket/key" in str(error) or error.filename == "s3://bucket/key"  # type: ignore[attr-defined]


def test_a_body_that_breaks_off_is_no_short_read() -> None:
    from botocore.exceptions import IncompleteReadError

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 4:
                raise IncompleteReadError(actual_bytes=4, expected_bytes=8)
            return super().read(4)

    stream = io.BufferedReader(storage._Body(Broken(b"12345678"), "s3://bucket/key"))
    with pytest.raises(RetryShard, match="s3://bucket/key"):
        stream.read()


def test_boto3_is_loaded_only_when_it_is_needed() -> None:
    import subprocess

    code = "import sys, tasks.storage as s; s.open_folder('a'); sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("prefect_api")
def test_protection_from_and_to_a_bucket_gives_the_bytes_of_local_folders(
    bucket: str, clean_corpus: Path, tmp_path: Path, smoke: RunConfig
) -> None:
    from flows.protect import protect

    clean, dest = S3Folder(bucket, "clean"), S3Folder(bucket, "protected")
    local = LocalFolder(clean_corpus / "train")
    for name in local.names():
        write_bytes(clean, name, read_bytes(local, name))
    config = smoke.protect.model_copy(update={"method": "random-noise"})
    protect(clean.uri, dest.uri, config, smoke.runtime)
    protect(str(clean_corpus / "train"), str(tmp_path / "protected"), config, smoke.runtime)
    here = LocalFolder(tmp_path / "protected")
    assert list(dest.names()) == list(here.names())
    assert all(read_bytes(dest, name) == read_bytes(here, name) for name in here.names())
