"""Folders by address: a local path, or `s3://bucket/prefix` in any S3-compatible store.

The only file that imports boto3. Endpoint, region and credentials come through boto3's own chain (environment,
profile, instance role), so none of them is ever a parameter of a flow.
"""

import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

from mem_core.common.errors import ConfigError, DestinationError, RetryShard, StorageRefused
from mem_core.common.paths import require_spelled
from mem_core.common.storage.atomic_file import is_refusal
from mem_core.common.storage.folder import Folder, LocalFolder, Trouble, Troubles
from tasks.listing import listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_IN_MEMORY = 16 * 2**20  # larger files wait on disk until they are complete
_BUFFER = 1 << 20
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 10, 60, 6
_CONNECTIONS = 64  # of one process: workers times the transfer manager's threads
_ABANDONED = timedelta(days=1)  # no upload takes that long

# Codes of what a store answers.
_GONE = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}
_BUSY = {"SlowDown", "TooManyRequests", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted"}
_GARBLED = {"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"}  # on the way
_SWEPT = {"NoSuchUpload"}  # by a run that had finished the same object


def open_folder(uri: str) -> Folder:
    """The folder at an address; nothing is read yet. Raises `ConfigError` for an address of another kind."""
    require_spelled(uri)
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return LocalFolder(uri)
    if scheme == "file":
        return LocalFolder(unquote(urlsplit(uri).path))
    if scheme == "s3":
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(f"expected s3://bucket/prefix, the bucket of letters, digits, `.`, `_`, `-`, got {uri!r}")
        return S3Folder(bucket, prefix.strip("/"))
    raise ConfigError(f"expected a local path or an s3:// address, got {uri!r}")


def file_at(address: str) -> tuple[Folder, str]:
    """A file by its address: its folder, and its name there."""
    place, _, name = address.rpartition("/")
    return open_folder(place or "."), name


def web_address(uri: str) -> str:
    """Where a browser finds an object of a store, if whoever looks may read it; "" for what only lies on a disk."""
    if not uri.startswith("s3://"):
        return ""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return f"{_client().meta.endpoint_url.rstrip('/')}/{bucket}/{quote(key)}"


def address_below(uri: str, name: str) -> str:
    """The address of something inside a folder."""
    return f"{uri.rstrip('/')}/{name}"


class S3Folder:
    """A prefix in a bucket. A PUT is atomic in S3: a key has all of its bytes or does not exist."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def names(self, troubles: Troubles | None = None) -> Iterator[str]:
        start = self._start
        with _translated(self.uri):
            for page in _client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start):
                for found in page.get("Contents", []):
                    name = found["Key"].removeprefix(start)
                    if _is_plain(name):
                        yield name
                    elif troubles is not None and not name.endswith("/"):  # consoles create empty "directory/" objects
                        troubles[name] = Trouble("has a name that is no path", "unreadable")

    def top(self) -> dict[str, int]:
        return listed(self._page)

    def _page(self, after: str) -> tuple[dict[str, int], str | None]:
        """The files right in this folder among the next thousand names; the last of those, None if no more follow."""
        start = self._start
        with _translated(self.uri):
            page = _client().list_objects_v2(Bucket=self.bucket, Prefix=start, StartAfter=start + after)
        found = [(item["Key"].removeprefix(start), item["Size"]) for item in page.get("Contents", [])]
        files = {name: size for name, size in found if _is_plain(name) and "/" not in name}
        return files, found[-1][0] if page["IsTruncated"] else None

    @property
    def _start(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        return self._head(name)["ContentLength"]

    def modified(self, name: str) -> datetime:
        return self._head(name)["LastModified"]

    def _head(self, name: str) -> "HeadObjectOutputTypeDef":
        with _translated(self._address(name)):
            try:
                return _client().head_object(Bucket=self.bucket, Key=self._key(name))
            except _client().exceptions.ClientError as error:
                if status_of(error.response) == 404:  # the answer to HEAD has no words: key or bucket?
                    self._require_bucket()
                raise

    def open(self, name: str) -> BinaryIO:
        with _translated(self._address(name)):
            answer = _client().get_object(Bucket=self.bucket, Key=self._key(name))
        body = _Body(answer["Body"], self._address(name))
        return cast(BinaryIO, io.BufferedReader(body, _BUFFER))

    def read(self, name: str, start: int, size: int) -> bytes:
        if not size:
            return b""
        with _translated(self._address(name)):
            part = f"bytes={start}-{start + size - 1}"
            answer = _client().get_object(Bucket=self.bucket, Key=self._key(name), Range=part)
            return answer["Body"].read()

    @contextmanager
    def write(self, name: str, *, only_if_absent: bool = False) -> Iterator[BinaryIO]:
        key = self._key(name)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            with _told_when_full(self._address(name)):
                yield cast(BinaryIO, spool)
            spool.seek(0)
            with _translated(self._address(name)):
                if only_if_absent:  # receipts: small, and a multipart upload could not ask whether the key is free
                    _client().put_object(Bucket=self.bucket, Key=key, Body=spool.read(), IfNoneMatch="*")
                else:
                    _client().upload_fileobj(cast(Any, _Unclosed(spool)), self.bucket, key)

    def delete(self, name: str) -> None:
        with _translated(self._address(name)):
            _client().delete_object(Bucket=self.bucket, Key=self._key(name))

    def sweep(self, ours: Callable[[str], bool], finished: Callable[[str], bool]) -> int:
        """Aborts multipart uploads that nobody completes: they are paid for, though no listing shows them."""
        start, swept = self._start, 0
        with _translated(self.uri):
            for page in _client().get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=start):
                for upload in page.get("Uploads", []):
                    name, age = upload["Key"].removeprefix(start), datetime.now(UTC) - upload["Initiated"]
                    if ours(name) and (age > _ABANDONED or finished(name)):
                        self._abort(upload["Key"], upload["UploadId"])
                        swept += 1
        return swept

    def below(self, name: str) -> "S3Folder":
        return S3Folder(self.bucket, self._key(name))

    def _abort(self, key: str, upload: str) -> None:
        with suppress(_client().exceptions.NoSuchUpload):  # completed or aborted in this moment
            _client().abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    def _require_bucket(self) -> None:
        try:
            _client().head_bucket(Bucket=self.bucket)
        except _client().exceptions.ClientError as error:
            if status_of(error.response) == 404:
                raise no_bucket(self.uri) from error

    def _address(self, name: str) -> str:
        return address_below(self.uri, name)

    def _key(self, name: str) -> str:
        if not _is_plain(name):
            raise DestinationError(f"expected a plain relative name inside {self.uri}, got {name!r}")
        return self._start + name


class _Body(io.RawIOBase):
    """An object's bytes as they arrive; a connection that breaks is worth another try, never a short read."""

    def __init__(self, body: Any, address: str) -> None:
        self._body, self._address = body, address

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _translated(self._address):
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


class _Unclosed(io.RawIOBase):
    """Lends a file to the transfer manager, which closes what it is given."""

    def __init__(self, file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@cache
def _client() -> "S3Client":
    """One client for all threads of the process; it retries what may pass, with growing pauses."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    patient = Config(
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
    )
    try:
        return boto3.session.Session().client("s3", config=patient)
    except (BotoCoreError, ValueError) as error:  # an unknown profile, an endpoint that is no URL
        raise StorageRefused(f"expected usable S3 settings for boto3, got: {error}") from error


def _is_plain(name: str) -> bool:
    """Whether a name could have been given by us: an object key may be anything."""
    return all(part not in ("", ".", "..") and "\0" not in part for part in name.split("/"))


@contextmanager
def _told_when_full(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_refusal(error):
            place = tempfile.gettempdir()
            raise StorageRefused(
                f"expected room for {address} in {place} until it is complete, but: {error.strerror}"
            ) from error
        raise


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """The store's errors in our three classes, as one sentence with the address."""
    from boto3.exceptions import S3UploadFailedError
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise error_of_answer(error.response, address) from error
    except S3UploadFailedError as error:
        cause = error.__cause__ or error.__context__
        raise (
            error_of_answer(cause.response, address)
            if isinstance(cause, boto.ClientError)
            else RetryShard(f"expected to write {address}, but the upload failed: {error}")
        ) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ParamValidationError) as error:
        raise StorageRefused(f"expected access to {address}, but boto3 says: {error}") from error
    except (boto.BotoCoreError, OSError) as error:  # connections that fail, time out or break off
        raise RetryShard(f"expected {address} to answer, but the connection failed: {error}") from error


def error_of_answer(response: Any, address: str) -> Exception:
    """A refused request in our three classes, as one sentence with the address; response: as botocore parsed it."""
    code, status = str(response.get("Error", {}).get("Code", "")), status_of(response)
    said = response.get("Error", {}).get("Message") or code
    if code in _GONE:
        return FileNotFoundError(2, "no such object", address)
    if code in _TAKEN:
        return FileExistsError(17, "there is an object already", address)
    if code == "NoSuchBucket":
        return no_bucket(address)
    if code == "RequestTimeTooSkewed":
        return StorageRefused(f"expected the clocks of this machine and of {address} to agree, but they do not: {said}")
    if code in _BUSY | _GARBLED | _SWEPT or status == 429 or (status >= 500 and status != 501):
        return RetryShard(f"expected {address} to be served, but the store said {code}: {said}")
    return StorageRefused(f"expected access to {address}, but the store refused ({code}: {said})")


def status_of(response: Any) -> int:
    """The HTTP status of an answer."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def no_bucket(address: str) -> StorageRefused:
    """The error for a bucket that is not there."""
    return StorageRefused(f"expected the bucket of {address} to exist, but there is no such bucket")
