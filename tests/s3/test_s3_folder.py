"""`tasks.storage.S3Folder` against a real S3 server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mem_core.common.errors import ConfigError, DestinationError, RetryShard, StorageRefused
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from tasks import storage
from tasks.storage import open_folder
from tests.s3.swift_server import STRANGER, STRANGER_SECRET, SwiftServer, credentials

LARGE = bytes(range(256)) * (9 * 2**12)  # 9 MiB: more than the 8 from which the transfer manager sends parts


def anything(name: str) -> bool:
    return True


@pytest.fixture
def folder(bucket: str) -> Folder:
    return open_folder(f"s3://{bucket}/night/train")


def test_write_read_list_delete(folder: Folder) -> None:
    assert list(folder.names()) == []
    for name in ("b", "a/c", "a/b/d", "0.tar"):
        write_bytes(folder, name, name.encode())
    assert list(folder.names()) == ["0.tar", "a/b/d", "a/c", "b"]
    assert folder.below("a").top() == {"c": 3}
    assert read_bytes(folder, "a/c") == b"a/c"
    assert (folder.exists("b"), folder.exists("a"), folder.size("a/b/d")) == (True, False, 5)
    write_bytes(folder, "b", b"other")
    assert read_bytes(folder, "b") == b"other"
    folder.delete("b")
    folder.delete("b")
    assert not folder.exists("b")


def test_a_prefix_is_not_the_beginning_of_another(bucket: str) -> None:
    write_bytes(open_folder(f"s3://{bucket}/night-2"), "a", b"")
    write_bytes(open_folder(f"s3://{bucket}/night"), "b", b"")
    assert list(open_folder(f"s3://{bucket}/night").names()) == ["b"]
    assert list(open_folder(f"s3://{bucket}/night/").names()) == ["b"]
    assert list(open_folder(f"s3://{bucket}").names()) == ["night-2/a", "night/b"]


def test_listings_of_more_than_a_page(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:05d}.tar" for number in range(75)]
    for name in names:
        write_bytes(folder, name, b"1")
    list_page, pages = storage._client().list_objects_v2, []

    def small_pages(**arguments: Any) -> Any:
        pages.append(arguments)
        return list_page(**arguments | {"MaxKeys": 10})

    monkeypatch.setattr(storage._client(), "list_objects_v2", small_pages)
    assert list(folder.names()) == names
    assert len(pages) == 8


@pytest.mark.slow
def test_listings_of_more_than_a_thousand(folder: Folder) -> None:
    names = [f"{number:05d}.tar" for number in range(1203)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: write_bytes(folder, name, b"1"), names))
    assert list(folder.names()) == names


def test_odd_keys_are_listed_or_left_alone(folder: Folder, admin: Any, bucket: str) -> None:
    ours = ["ä ö/ü.tar", "a+b%20c.tar", "a&b<c>.tar", "tab\there", "'quoted' \"twice\"", "日本.tar", "~", "a\nb"]
    not_ours = ["x//y", "../up.tar", "a/./b", "folder/", "/absolute"]
    for key in [*ours, *not_ours]:
        admin.put_object(Bucket=bucket, Key=f"night/train/{key}", Body=b"1")
    assert list(folder.names()) == sorted(ours)
    assert all(read_bytes(folder, name) == b"1" for name in ours)
    for name in not_ours:
        with pytest.raises(DestinationError, match="plain relative name"):
            folder.open(name)


def test_only_if_absent_has_one_winner(folder: Folder) -> None:
    gate, lost = threading.Barrier(12), []

    def race(number: int) -> None:
        gate.wait()
        try:
            write_bytes(folder, "a.receipt.json", str(number).encode(), only_if_absent=True)
        except FileExistsError:
            lost.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([*lost, int(read_bytes(folder, "a.receipt.json"))]) == list(range(12))


def test_large_files_go_in_parts_and_come_back(folder: Folder, admin: Any, bucket: str) -> None:
    write_bytes(folder, "large.tar", LARGE)
    assert "-" in admin.head_object(Bucket=bucket, Key="night/train/large.tar")["ETag"]  # so S3 marks uploads in parts
    assert folder.size("large.tar") == len(LARGE)
    with folder.open("large.tar") as stream:
        assert stream.read(10) == LARGE[:10]
        assert stream.read() == LARGE[10:]


def test_a_write_that_breaks_off_leaves_nothing(folder: Folder, admin: Any, bucket: str) -> None:
    with pytest.raises(KeyboardInterrupt), folder.write("a.tar") as stream:
        stream.write(LARGE)
        raise KeyboardInterrupt
    assert list(folder.names()) == []
    assert not admin.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_unfinished_uploads_are_swept_when_nobody_needs_them(folder: Folder, admin: Any, bucket: str) -> None:
    for name in ("night/train/done.tar", "night/train/young.tar", "night/other.tar"):
        started = admin.create_multipart_upload(Bucket=bucket, Key=name)
        admin.upload_part(Bucket=bucket, Key=name, UploadId=started["UploadId"], PartNumber=1, Body=b"x" * 2**20)
    assert folder.sweep(anything, lambda name: name == "done.tar") == 1
    left = [upload["Key"] for upload in admin.list_multipart_uploads(Bucket=bucket)["Uploads"]]
    assert left == ["night/other.tar", "night/train/young.tar"]


def test_unfinished_uploads_of_yesterday_are_swept(
    folder: Folder, admin: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.create_multipart_upload(Bucket=bucket, Key="night/train/old.tar")
    assert folder.sweep(anything, lambda name: False) == 0
    monkeypatch.setattr(storage, "_ABANDONED", timedelta(seconds=-2))  # of tomorrow, as the store's clock may differ
    assert folder.sweep(anything, lambda name: False) == 1
    assert not admin.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_an_upload_swept_under_the_writer_is_worth_another_try(
    folder: Folder, admin: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_part = type(storage._client()).upload_part

    def swept(client: Any, **arguments: Any) -> Any:
        folder.sweep(anything, anything)
        return upload_part(client, **arguments)

    monkeypatch.setattr(type(storage._client()), "upload_part", swept)
    with pytest.raises(RetryShard):
        write_bytes(folder, "large.tar", LARGE)


USES: dict[str, Callable[[Folder], object]] = {
    "list": lambda folder: list(folder.names()),
    "exists": lambda folder: folder.exists("a"),
    "size": lambda folder: folder.size("a"),
    "read": lambda folder: read_bytes(folder, "a"),
    "write": lambda folder: write_bytes(folder, "a", b"x"),
    "write if absent": lambda folder: write_bytes(folder, "a", b"x", only_if_absent=True),
    "write large": lambda folder: write_bytes(folder, "a", LARGE),
    "delete": lambda folder: folder.delete("a"),
    "sweep": lambda folder: folder.sweep(anything, anything),
}
REFUSALS = {
    "wrong secret": ("memshield:tester", "wrong", "s3://{bucket}/night", r"refused"),
    "unknown key": ("nobody:nothing", "wrong", "s3://{bucket}/night", r"refused"),
    "no rights": (STRANGER, STRANGER_SECRET, "s3://{bucket}/night", r"refused"),
    "no bucket": ("memshield:tester", "testing-secret", "s3://not-there/night", r"no such bucket"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_no_retry_can_mend_stops_at_once_with_a_sentence(
    swift: SwiftServer, bucket: str, use: str, refusal: str
) -> None:
    key, secret, address, said = REFUSALS[refusal]
    with credentials(swift.endpoint, key, secret):
        folder = open_folder(address.format(bucket=bucket))
        started = time.monotonic()
        with pytest.raises(StorageRefused, match=said) as caught:
            USES[use](folder)
        assert time.monotonic() - started < 20  # its retries alone would take longer
    assert "\n" not in str(caught.value)
    assert folder.uri in str(caught.value)
    assert secret not in str(caught.value)


def test_no_credentials_at_all(swift: SwiftServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with credentials(swift.endpoint):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(StorageRefused, match="Unable to locate credentials"):
            list(open_folder(f"s3://{bucket}/night").names())


def test_clocks_that_disagree_are_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from botocore import auth

    late = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2)
    monkeypatch.setattr(auth, "get_current_datetime", lambda *args, **kwargs: late)
    with pytest.raises(StorageRefused, match="clocks"):
        list(folder.names())


def test_a_name_knows_when_it_was_written(folder: Folder) -> None:
    before = datetime.now(UTC)
    write_bytes(folder, "new", b"1")
    assert abs(folder.modified("new") - before) < timedelta(minutes=1)  # a store's clock has whole seconds
    with pytest.raises(FileNotFoundError):
        folder.modified("nothing")


def test_a_missing_key_is_no_file(folder: Folder) -> None:
    write_bytes(folder, "other", b"")
    for use in (folder.open, folder.size):
        with pytest.raises(FileNotFoundError):
            use("a")
    assert not folder.exists("a")


def test_a_store_that_does_not_answer_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with credentials(f"http://127.0.0.1:{port}"), pytest.raises(RetryShard, match="connection failed"):
        list(open_folder("s3://corpus/night").names())


@pytest.mark.parametrize("kept", [0, 1, 70_000])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_body_that_breaks_off_is_never_a_short_file(
    swift: SwiftServer, folder: Folder, kept: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(folder, "a.tar", LARGE[:200_000])
    monkeypatch.setattr(storage, "_ATTEMPTS", 2)
    with cutting(swift, kept, reset=how == "reset") as endpoint, credentials(endpoint):
        again = open_folder(folder.uri)
        with pytest.raises(RetryShard, match=r"a\.tar"):
            read_bytes(again, "a.tar")


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///night", "gs://corpus/night", "http://corpus/night", "s3://Not A Bucket!/night"]
)
def test_addresses_of_another_kind_are_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        open_folder(address)


def test_a_full_disk_under_a_large_upload_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = pytest.raises(StorageRefused, match=r"room for s3://.*No space left")
    with refused, folder.write("a.tar"), Path("/dev/full").open("wb") as full:
        full.write(b"x")


@contextmanager
def cutting(swift: SwiftServer, kept: int, *, reset: bool) -> Iterator[str]:
    """The address of a way to the server on which every answer breaks off `kept` bytes into its body."""
    from tests.s3.fault_proxy import Fault, FaultProxy

    with FaultProxy(swift.port, lambda request: Fault("reset body" if reset else "cut body", kept)) as proxy:
        yield proxy.endpoint
