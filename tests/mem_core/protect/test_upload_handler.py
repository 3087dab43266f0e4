"""The upload handler of docs/python.md, run as it stands there: what it stores is what the call returns."""

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mem_core import load_protector, protect_image
from mem_core.common.storage.folder import LocalFolder
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, photo, protect, small, tiny_corpus
from tests.support.own_venv import ROOT

_CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CAPTION = "Ein Hund läuft, a dog runs & barks"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a protected corpus and a folder to publish in."""
    clean, dest = tiny_corpus(tmp_path / "clean", 9), LocalFolder(tmp_path / "protected")
    protect(Protection(Places(clean, dest), small(method="codebook", noise={"topics": 2}), RUNTIME, seed=1))
    (tmp_path / "public").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(address: str, body: bytes) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(address, data=body, timeout=60)
    with error.value:
        return error.value.code, error.value.read().decode()


def test_an_upload_is_stored_as_the_call_protects_it_and_refused_with_its_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, handler_code = _CODE.findall((ROOT / "docs/python.md").read_text())
    names: dict[str, Any] = {"__name__": "server"}
    exec(handler_code, names)
    monkeypatch.setattr(names["Upload"], "log_message", lambda *_: None)
    upload = encoded(photo(7, 60, 40), "JPEG")
    with serving(names["Upload"]) as address:
        with urllib.request.urlopen(f"{address}?caption={quote(CAPTION)}", data=upload, timeout=60) as answer:
            status, stored = answer.status, Path("public") / answer.headers["Location"][1:]
        code, said = refused(f"{address}?caption={quote(CAPTION)}", upload[:-30])
        assert (code, "expected a whole" in said) == (422, True)
        assert refused(address, upload)[0] == 422
        assert refused(f"{address}?caption=dog", b"")[0] == 413
    image, caption = protect_image(upload, CAPTION, load_protector("protected/protector", image_format="webp"))
    assert status == 201
    assert stored.read_bytes() == image
    assert stored.with_suffix(".txt").read_text("utf-8") == caption
    assert caption.endswith(f" {CAPTION}")
    assert len(list((place / "public").iterdir())) == 2
    names = {"data": upload, "caption": CAPTION}
    exec(first, names)
    assert names["caption"] == caption
