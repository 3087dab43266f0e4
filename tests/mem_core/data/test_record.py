"""Records: read as written, absent or refused."""

from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config.stored import read_record, write_record
from mem_core.victim.record import Epoch


def test_a_record_is_read_as_written_absent_or_refused(tmp_path: Path) -> None:
    folder, epoch = LocalFolder(tmp_path), Epoch(epoch=1, loss=0.5, seconds=2.0)
    assert read_record(folder, "epoch.json", Epoch, "an epoch") is None
    write_record(folder, "epoch.json", epoch)
    assert read_record(folder, "epoch.json", Epoch, "an epoch") == epoch
    assert read_bytes(folder, "epoch.json").endswith(b"}\n")
    for damage in (b"", b"{", b'{"epoch": "first"}'):
        write_bytes(folder, "epoch.json", damage)
        with pytest.raises(MismatchError, match=r"expected an epoch in .*/epoch\.json, got: "):
            read_record(folder, "epoch.json", Epoch, "an epoch")
