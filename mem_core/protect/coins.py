"""The owner's secret key, and the coins thrown from it: which of a sample's two protected versions is published.

Coins are HMAC-SHA256 of what they are for under 256 random bits. Whoever lacks the key cannot tell one from a fair
coin; whoever is shown it can throw all of them again. The key lies in a file that its owner alone may read, and
nowhere else: of it only the path and `TwinKey.sha256` are ever passed on, shown or stored.
"""

import hashlib
import hmac
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mem_core.common.errors import ConfigError

_BYTES = 32
_USED = ".used"


@dataclass(frozen=True)
class TwinKey:
    """256 secret bits. It prints without them."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _BYTES:
            raise ConfigError(f"expected a key of {_BYTES} bytes, got {len(self.secret)}")

    @property
    def sha256(self) -> str:
        """What may be shown to others before the key itself is: it settles which key it is, and tells nothing of it."""
        return hashlib.sha256(self.secret).hexdigest()


def coin(key: TwinKey, corpus: str, shard: str, sample: str) -> int:
    """0 or 1: the draw in which a sample is published. corpus: a random id of its own; sample: its key in the shard."""
    return _drawn(key, "coin", corpus, shard, sample) & 1


def chosen(key: TwinKey, corpus: str, shard: str, sample: str, share: float) -> bool:
    """Whether the sample is one of a share of all that have a twin. Independent of its coin."""
    return _drawn(key, "chosen", corpus, shard, sample) < share * 2**64


def _drawn(key: TwinKey, purpose: str, *what: str) -> int:
    """64 bits. JSON keeps the parts apart, so that no two purposes or names share a message."""
    message = json.dumps(["memshield twins", purpose, *what]).encode()
    return int.from_bytes(hmac.new(key.secret, message, hashlib.sha256).digest()[:8], "big")


def new_key(path: Path) -> TwinKey:
    """A new key in a new file (64 hexadecimal digits, mode 600). Raises `ConfigError` if there is a file already."""
    key = TwinKey(secrets.token_bytes(_BYTES))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _write_new(path, key.secret.hex())
    except FileExistsError:
        raise ConfigError(f"expected no file at {path} to write a new key into, but there is one") from None
    return key


def load_key(path: Path) -> TwinKey:
    """The key in a file. Raises `ConfigError` if it is gone, has another length, or others may read it."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # a pipe would be waited for
            found = os.fstat(stream.fileno()).st_mode
            mode, text = stat.S_IMODE(found), stream.read(2 * _BYTES + 2) if stat.S_ISREG(found) else b""
    except OSError as error:
        why = error.strerror
        raise ConfigError(
            f"expected the secret key of the twins in {path}, but it cannot be read: {why}; put it back",
            hint="name the key",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"expected {path} to be readable by its owner alone, but its mode is {mode:o}: if nobody has read the key, "
            f"`chmod 600 {path}`; else it is no secret any more, and what is new needs a new one"
        )
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != _BYTES or len(text.split()) != 1:
        raise ConfigError(
            f"expected a key of {2 * _BYTES} hexadecimal digits in {path}, but it holds something else: it was cut "
            "short or edited, or it is another file"
        )
    return TwinKey(secret)


def require_unused(keys: Path, key: TwinKey, corpus: str = "") -> None:
    """Raises `ConfigError` if a folder of this machine has a note that the key is another corpus's than this one's.

    Who is shown a key to check one corpus knows the coins of all that share it.
    """
    note = keys / f"{key.sha256}{_USED}"
    known = note.read_text(encoding="ascii", errors="replace").strip() if note.exists() else corpus
    if known != corpus:
        raise ConfigError(
            f"expected a key that no other corpus has, but the one with SHA-256 {key.sha256[:12]} is used twice: it is "
            f"that of the twins {known}; leave the key out and a new one is made"
        )


def use_key(keys: Path, key: TwinKey, corpus: str) -> None:
    """Notes in that folder that the key is this corpus's. Raises as `require_unused`."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _write_new(keys / f"{key.sha256}{_USED}", corpus)
    require_unused(keys, key, corpus)


def _write_new(path: Path, text: str) -> None:
    """Complete or not at all, and never over another: a key cut short by a crash would be no key."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(f"{text}\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
