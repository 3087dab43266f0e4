"""What an S3 store answers, in our three classes of errors, as one sentence with the address."""

from typing import Any

from mem_core.common.errors import RetryShard, StorageRefused

_GONE = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}
_BUSY = {"SlowDown", "TooManyRequests", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted"}
_GARBLED = {"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"}  # on the way
_SWEPT = {"NoSuchUpload"}  # by a run that had finished the same object


def error_of_answer(response: Any, address: str) -> Exception:
    """The error to raise for a refused request; response: as botocore parsed it."""
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
