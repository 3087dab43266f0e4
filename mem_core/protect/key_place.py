"""Where the secret keys of twins lie on this machine: a path, which may be shown, passed on and stored."""

from pathlib import Path

from mem_core.config.base import Frozen


class KeyPlace(Frozen):
    """file: that of this corpus; "": one in `folder` that is named after the corpus. folder: there is also noted which
    key is which corpus's."""

    folder: str
    file: str = ""

    def path_of(self, corpus: str) -> Path:
        """The file of a corpus's key."""
        return Path(self.file) if self.file else Path(self.folder) / f"{corpus}.key"
