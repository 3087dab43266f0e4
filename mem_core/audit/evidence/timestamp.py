"""The question to a time-stamping service (RFC 3161): when did this file exist? Its answer is a date that counts."""

from mem_core.common.errors import ConfigError


def timestamp_request(data: bytes) -> bytes:
    """The request: the file's SHA-512 and none of its content. Raises `ConfigError` where the library is missing."""
    try:
        from rfc3161_client import TimestampRequestBuilder
    except ImportError as error:
        raise ConfigError(
            "expected the package rfc3161-client to ask for a time stamp, but it is not installed: `pip install "
            "memshield[timestamp]`"
        ) from error
    request: bytes = TimestampRequestBuilder().data(data).build().as_bytes()
    return request
