"""UAP's surrogate may be a victim of the very clean corpus: it is taken as it is, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.progress import Paused
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig, parse_config
from mem_core.data.corpus import corpus_fingerprint
from mem_core.experiments.config import RowConfig
from mem_core.protect.protection import Places, Protection
from mem_core.protect.protector import require_protector
from mem_core.protect.surrogates import Surrogates
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures import Grey
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, Cut, Failing, contents, protect, published, small, tiny_corpus

VICTIM = VictimConfig(architecture="tiny-resnet-32", epochs=2, batch_size=6, evaluate_every=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return tiny_corpus(tmp_path_factory.mktemp("clean"), 7, 5)


@pytest.fixture(scope="module")
def victim(corpus: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Trained on the corpus. Not to be changed."""
    return trained(corpus, tmp_path_factory.mktemp("victim"))


def trained(corpus: LocalFolder, place: Path, **changes: Any) -> LocalFolder:
    out, config = LocalFolder(place), VICTIM.model_copy(update=changes)
    train_victim(VictimData(corpus, corpus_fingerprint(corpus), clean=corpus), out, config, RUNTIME, seed=4)
    return out


def with_surrogate(folder: LocalFolder, **changes: Any) -> ProtectConfig:
    return small(method="uap", surrogate={"checkpoint": folder.uri}, **changes)


def refused(corpus: LocalFolder, given: LocalFolder, dest: Path, config: ProtectConfig | None = None) -> str:
    protection = Protection(Places(corpus, LocalFolder(dest)), config or with_surrogate(given), RUNTIME, seed=1)
    with pytest.raises((MismatchError, SourceError)) as caught:
        protection.begin()
    assert not (dest / "protector").exists()
    assert given.uri in str(caught.value)
    return str(caught.value)


def test_its_weights_are_the_surrogates_and_the_protector_needs_it_no_more(
    corpus: LocalFolder, victim: LocalFolder, tmp_path: Path
) -> None:
    kept = LocalFolder(tmp_path / "kept")
    for name, data in contents(victim).items():
        write_bytes(kept, name, data)
    dest, again = LocalFolder(tmp_path / "dest"), LocalFolder(tmp_path / "again")
    protect(Protection(Places(corpus, dest), with_surrogate(kept), RUNTIME, seed=1))
    stored = (
        Surrogates(dest.below("protector"), "tiny-resnet-32", torch.device("cpu")).of_round(0).model.clip.state_dict()
    )
    given = load_victim(victim)[0].clip.state_dict()
    assert all(stored[name].equal(given[name]) for name in given)
    for name in list(contents(kept)):
        kept.delete(name)
    replay = require_protector(dest.below("protector")).replay_config
    protect(Protection(Places(corpus, again, protector=dest.below("protector")), replay, RUNTIME, seed=1))
    assert published(again) == published(dest)


def test_a_killed_run_goes_on_to_the_same_bytes_also_where_the_victim_has_moved(
    corpus: LocalFolder, victim: LocalFolder, tmp_path: Path
) -> None:
    whole, moved = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "moved")
    protect(Protection(Places(corpus, whole), with_surrogate(victim), RUNTIME, seed=1))
    for name, data in contents(victim).items():
        write_bytes(moved, name, data)
    for fail_at in (3, 5, 8):
        dest = LocalFolder(tmp_path / f"cut{fail_at}")
        with pytest.raises(Cut):
            protect(Protection(Places(corpus, Failing(dest, fail_at)), with_surrogate(victim), RUNTIME, seed=1))
        config = with_surrogate(LocalFolder("/nowhere"))
        protect(Protection(Places(corpus, dest, checkpoint=moved), config, RUNTIME, seed=1))
        ours, theirs = (read_bytes(folder, "00000.tar") for folder in (dest, whole))
        assert ours == theirs


def test_another_surrogate_is_another_fit(corpus: LocalFolder, victim: LocalFolder, tmp_path: Path) -> None:
    dest, other = LocalFolder(tmp_path / "dest"), trained(corpus, tmp_path / "other", epochs=1)
    protect(Protection(Places(corpus, dest), with_surrogate(victim), RUNTIME, seed=1))
    with pytest.raises(MismatchError, match="was fitted otherwise"):
        Protection(Places(corpus, dest), with_surrogate(other), RUNTIME, seed=1).begin()


def test_one_of_other_data_is_refused(corpus: LocalFolder, victim: LocalFolder, tmp_path: Path) -> None:
    part = tiny_corpus(tmp_path / "part", 7)
    assert "whose shards are others: other data, or a protected corpus" in refused(part, victim, tmp_path / "dest")


def test_one_of_the_protected_corpus_is_refused(corpus: LocalFolder, tmp_path: Path) -> None:
    noisy = LocalFolder(tmp_path / "noisy")
    protect(Protection(Places(corpus, noisy), small(method="random-noise"), RUNTIME, seed=1))
    given = trained(noisy, tmp_path / "victim", epochs=1)
    assert f"it was trained on {noisy.uri}, whose shards are others" in refused(corpus, given, tmp_path / "dest")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"samples": 6}, "whole and as it is, but its settings say samples"),
        ({"countermeasures": (Grey(),)}, "but its settings say countermeasures"),
        ({"epochs": 0}, "but it was never trained"),
    ],
)
def test_one_that_did_not_learn_it_whole_and_as_it_is_is_refused(
    corpus: LocalFolder, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    given = trained(corpus, tmp_path / "victim", **{"epochs": 1, **changes})
    assert sentence in refused(corpus, given, tmp_path / "dest")


def test_one_of_another_architecture_is_refused(corpus: LocalFolder, victim: LocalFolder, tmp_path: Path) -> None:
    config = small(method="uap", surrogate={"checkpoint": victim.uri, "architecture": "tiny-vit-32"})
    said = refused(corpus, victim, tmp_path / "dest", config)
    assert "of protect.surrogate.architecture tiny-vit-32, but it is a tiny-resnet-32" in said


def test_one_whose_record_does_not_know_its_corpus_is_refused(
    corpus: LocalFolder, victim: LocalFolder, tmp_path: Path
) -> None:
    older = LocalFolder(tmp_path / "older")
    record = json.loads(read_bytes(victim, "victim.json"))
    del record["corpus_fingerprint"]  # as 0.3.0 wrote it
    write_bytes(older, "victim.json", json.dumps(record).encode())
    said = refused(corpus, older, tmp_path / "dest")
    assert "that cannot be known, as its record does not say what was in" in said
    assert said.endswith("train it anew")


def test_none_and_an_unfinished_one_are_refused(corpus: LocalFolder, tmp_path: Path) -> None:
    nothing, begun = LocalFolder(tmp_path / "nothing"), LocalFolder(tmp_path / "begun")
    assert "but victim.json is not there" in refused(corpus, nothing, tmp_path / "dest")

    def leave() -> None:
        raise Paused

    data = VictimData(corpus, corpus_fingerprint(corpus))
    with pytest.raises(Paused):
        train_victim(data, begun, VICTIM, RUNTIME, seed=4, checkpoint=leave)
    assert "but its training is not finished" in refused(corpus, begun, tmp_path / "dest")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "em"}, "protect.surrogate.checkpoint goes with uap, which learns clean pairs first, got em"),
        ({"method": "uap", "strategy": "independent"}, "strategy independent trains one for each"),
        ({"method": "uap", "surrogate": {"pretrained": "openai"}}, "protect.surrogate.pretrained cannot be its start"),
    ],
)
def test_settings_that_do_not_go_with_it(values: dict[str, Any], sentence: str) -> None:
    surrogate = {"checkpoint": "victim/", **values.get("surrogate", {})}
    with pytest.raises(ConfigError, match=sentence):
        parse_config(ProtectConfig, values | {"surrogate": surrogate}, "settings")


def test_a_runs_checkpoint_is_for_the_rows_that_take_one() -> None:
    base = ProtectConfig.model_validate({"method": "uap", "surrogate": {"checkpoint": "victim/"}})
    found = {
        method: RowConfig(name=method, method=method).protect_config(base).surrogate.checkpoint
        for method in ("em", "mem", "uap")
    }
    assert found == {"em": "", "mem": "", "uap": "victim/"}


def test_without_one_no_fingerprint_and_no_file_knows_of_it() -> None:
    assert "checkpoint" not in ProtectConfig().model_dump(mode="json")["surrogate"]
