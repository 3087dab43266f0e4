"""Keys that stand in two tars of a folder: the twins of published samples have the same keys as those."""

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

_BYTES = 8


class KeysOfTars:
    """The keys of all tars, as 8 bytes each."""

    def __init__(self) -> None:
        self._of_tar: dict[str, bytearray] = {}

    def add(self, tar: str, key: str) -> None:
        """Notes a key of a tar. The folder of a tar counts: two corpora side by side may have the same keys."""
        place = tar.rpartition("/")[0]
        digest = hashlib.blake2b(f"{place}/{key}".encode(), digest_size=_BYTES).digest()
        self._of_tar.setdefault(tar, bytearray()).extend(digest)

    def repeated(self) -> Iterator[tuple[str, str]]:
        """Tars with keys of a tar before, and what that means."""
        names = list(self._of_tar)
        parts = [np.frombuffer(bytes(self._of_tar[name]), np.uint64) for name in names]
        if not parts:
            return
        keys = np.concatenate(parts)
        tars = np.repeat(np.arange(len(names)), [len(part) for part in parts])
        order = np.argsort(keys, kind="stable")  # stable: of equal keys the first tar's comes first
        again = np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1
        pairs = Counter((int(tars[order[place]]), int(tars[order[place - 1]])) for place in again)
        for (tar, other), count in sorted(pairs.items()):
            if tar != other:
                yield (
                    names[tar],
                    (
                        f"{count} of its samples have the keys of samples in {names[other]}: one of the tars holds the "
                        "twins of the other, which stay at home, or the same samples once more"
                    ),
                )
