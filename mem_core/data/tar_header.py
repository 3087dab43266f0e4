"""The headers of our own tars: as tarfile makes them, but for what differs from a member to the next.

tarfile makes each header anew, which takes a quarter of the time of sharding small pictures.
"""

import tarfile

_SIZE = slice(124, 135)  # eleven octal digits; the places are those of POSIX's ustar
_CHECKSUM = slice(148, 156)


def _of_nothing() -> bytes:
    info = tarfile.TarInfo("")
    info.mode, info.uname, info.gname = 0o444, "memshield", "memshield"
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


_HEADER = _of_nothing()
_SUM = int(_HEADER[_CHECKSUM].rstrip(b"\0 "), 8) - sum(_HEADER[_SIZE])


def member_header(name: str, size: int) -> bytes:
    """The header of a file of so many bytes, less than 8 GiB. name: at most 100 bytes as UTF-8."""
    start, digits = name.encode().ljust(100, b"\0"), b"%011o" % size
    checksum = b"%06o\0 " % (_SUM + sum(start) + sum(digits))
    return b"".join((start, _HEADER[100:124], digits, _HEADER[135:148], checksum, _HEADER[156:]))
