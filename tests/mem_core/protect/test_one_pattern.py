"""What 0.3.0 called UAP was one pattern for all images: such corpora verify, their protectors protect no more.

golden/one-pattern is the clean corpus of golden/0.3.0, protected by 0.3.0 in two rounds; without its surrogates.
"""

import shutil
from pathlib import Path

import pytest
import torch

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import ProtectConfig
from mem_core.models import Tokenizer, build_model, save_model
from mem_core.protect.protection import Places, Protection
from mem_core.protect.surrogates import Surrogates
from tests.support.corpora import RUNTIME, protect, small

GOLDEN = Path(__file__).parents[1] / "golden"
CLEAN = LocalFolder(GOLDEN / "0.3.0" / "clean")
MADE = LocalFolder(GOLDEN / "one-pattern")
SENTENCE = "version 0.3.0 or older, which added one pattern to all images.*fit anew"


def test_its_corpus_verifies() -> None:
    report = verify_corpus(CLEAN, MADE, tokenize=Tokenizer(77).encode)
    assert report.ok, report.problems
    assert report.counts == {"protected": 6}


def test_its_protector_is_not_replayed(tmp_path: Path) -> None:
    replay = ProtectConfig(strategy="replay", method="uap")
    places = Places(CLEAN, LocalFolder(tmp_path), protector=MADE.below("protector"))
    with pytest.raises(MismatchError, match=SENTENCE):
        Protection(places, replay, RUNTIME, seed=0)
    assert not list(tmp_path.iterdir())


def test_where_it_stands_a_fit_is_refused_or_done_again(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "one-pattern", tmp_path / "dest")
    places, config = Places(CLEAN, LocalFolder(tmp_path / "dest")), small(method="uap")
    with pytest.raises(MismatchError, match=SENTENCE):
        Protection(places, config, RUNTIME, seed=0).begin()
    (summary,) = protect(Protection(places, config, RUNTIME, seed=0, on_mismatch="redo"))
    assert summary.counts["protected"] == 6


def test_its_surrogate_is_refused_also_where_there_was_but_one_round(tmp_path: Path) -> None:
    more = {"anchors.images": torch.zeros(2, 4), "anchors.texts": torch.zeros(2, 4), "pattern": torch.zeros(3, 32, 32)}
    folder, model = LocalFolder(tmp_path), build_model("tiny-resnet-32", seed=0)
    write_bytes(folder, "surrogate-000.safetensors", save_model(model, **more))
    with pytest.raises(MismatchError, match=SENTENCE):
        Surrogates(folder, "tiny-resnet-32", torch.device("cpu")).of_round(0)
