"""Weights to start from: the model's own come through every wrapper, anything else has a sentence."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.models import OpenClipEncoder, build_model, save_model, start_model
from mem_core.protect.protection import Places, Protection
from mem_core.protect.surrogates import load_surrogate
from mem_core.victim.config import VictimConfig
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, contents, fit, small, tiny_corpus

NAME = "tiny-resnet-32"


@pytest.fixture(scope="module")
def trained() -> OpenClipEncoder:
    """A model that no seed below draws."""
    return build_model(NAME, seed=41)


def _same(one: OpenClipEncoder, other: OpenClipEncoder) -> bool:
    pairs = zip(one.clip.state_dict().values(), other.clip.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _written(kind: str, model: OpenClipEncoder, folder: Path) -> str:
    state = model.clip.state_dict()
    path = folder / ("weights.safetensors" if kind in ("ours", "safetensors") else "weights.pt")
    if kind == "ours":
        path.write_bytes(save_model(model, **{"anchors.images": torch.zeros(2, 3)}))
    elif kind == "safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    elif kind == "torch":
        torch.save(state, path)
    else:  # as open_clip's trainer leaves it
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    return str(path)


@pytest.mark.parametrize("kind", ["ours", "safetensors", "torch", "trainer"])
def test_a_model_starts_from_any_usual_checkpoint(trained: OpenClipEncoder, tmp_path: Path, kind: str) -> None:
    assert _same(start_model(NAME, seed=0, pretrained=_written(kind, trained, tmp_path)), trained)


def test_without_weights_the_seed_draws_them() -> None:
    assert _same(start_model(NAME, seed=5), build_model(NAME, seed=5))


class _Runs:
    """What a pickle can hold: a call that is made when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def _broken(kind: str, model: OpenClipEncoder, folder: Path) -> str:
    path = Path(_written("trainer" if "torch" in kind else "ours", model, folder))
    if kind.startswith("cut"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "torch with code":
        torch.save({"state_dict": model.clip.state_dict(), "callback": _Runs()}, path)
    elif kind == "bare pickle":
        path = folder / "model.pkl"
        path.write_bytes(pickle.dumps(_Runs()))
    elif kind == "no weights":
        torch.save({"epoch": 3}, path := folder / "empty.pt")
    elif kind == "text":
        (path := folder / "text.pt").write_text("hello, this is no checkpoint\n")
    elif kind == "not there":
        path = folder / "gone.safetensors"
    return str(path)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("cut", "expected a whole checkpoint in .*which cannot be read"),
        ("cut torch", "expected a whole checkpoint in .*which cannot be read"),
        ("torch with code", "holds Python objects, whose loading can run any code"),
        ("text", "which cannot be read: its bytes are those of another kind of file"),
        ("bare pickle", "expected a whole checkpoint in"),
        ("no weights", "expected weights by name in .*but it holds none"),
        ("not there", "but it is not there"),
    ],
)
def test_what_is_no_checkpoint_has_a_sentence_and_runs_nothing(
    trained: OpenClipEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        start_model(NAME, seed=0, pretrained=_broken(kind, trained, tmp_path))
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_architecture_are_refused_with_what_differs(
    trained: OpenClipEncoder, tmp_path: Path
) -> None:
    path = _written("ours", trained, tmp_path)
    with pytest.raises(ConfigError, match=r"expected weights of tiny-vit in .*another architecture: \d+ tensors"):
        start_model("tiny-vit", seed=0, pretrained=path)


@pytest.mark.parametrize(
    ("architecture", "tag", "sentence"),
    [
        (NAME, "openai", "as it has no tags, got 'openai'"),
        ("RN50-quickgelu", "laion2b", "a tag out of openai, yfcc15m, cc12m, got 'laion2b'"),
        ("RN50", "openai", "expected RN50-quickgelu for the weights openai"),
    ],
)
def test_a_tag_that_does_not_fit_has_a_sentence(architecture: str, tag: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        start_model(architecture, seed=0, pretrained=tag)


def test_a_victim_is_fine_tuned_from_weights_and_knows_when_they_change(
    trained: OpenClipEncoder, tmp_path: Path
) -> None:
    corpus, out = tiny_corpus(tmp_path / "corpus", 6), LocalFolder(tmp_path / "victim")
    start = _written("ours", trained, tmp_path)
    config = VictimConfig(architecture=NAME, epochs=1, batch_size=6, learning_rate=1e-9, pretrained=start)
    first = train_victim(VictimData(corpus), out, config, RUNTIME, seed=1)
    weights = load_victim(out)[0].clip.state_dict()
    for name, value in trained.clip.named_parameters():
        torch.testing.assert_close(weights[name], value, atol=1e-6, rtol=0)
    assert train_victim(VictimData(corpus), out, config, RUNTIME, seed=1) == first
    _written("ours", build_model(NAME, seed=42), tmp_path)
    assert train_victim(VictimData(corpus), out, config, RUNTIME, seed=1).fingerprint != first.fingerprint


def test_a_surrogate_starts_from_weights_and_its_protector_needs_them_no_more(
    trained: OpenClipEncoder, tmp_path: Path
) -> None:
    corpus, dest = tiny_corpus(tmp_path / "corpus", 6), LocalFolder(tmp_path / "dest")
    start = _written("ours", trained, tmp_path)
    config = small(surrogate={"pretrained": start, "learning_rate": 1e-9}, rounds=1)
    rounds = Protection(Places(corpus, dest), config, RUNTIME, seed=3)
    fit(rounds)
    found = load_surrogate(dest.below("protector"), 0, NAME, torch.device("cpu")).model.clip.state_dict()
    for name, value in trained.clip.named_parameters():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)
    rounds.publish("00000")
    kept = LocalFolder(tmp_path / "kept")
    for name, data in contents(dest.below("protector")).items():
        write_bytes(kept, name, data)
    Path(start).unlink()
    replay = config.model_copy(update={"strategy": "replay"})
    again = LocalFolder(tmp_path / "again")
    Protection(Places(corpus, again, protector=kept), replay, RUNTIME, seed=0).publish("00000")
    assert read_bytes(again, "00000.tar") == read_bytes(dest, "00000.tar")
