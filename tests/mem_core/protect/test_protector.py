"""The stored protector: whole and its own, or refused."""

import json
from pathlib import Path

import pytest
import torch

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.protect.protection import Places, Protection
from mem_core.protect.protector import (
    effective_config,
    fit_fingerprint,
    publishing_fingerprint,
    read_protector,
    require_protector,
)
from mem_core.protect.surrogates import Surrogates
from tests.support.corpora import RUNTIME, contents, small

REPLAY = small(strategy="replay")


@pytest.fixture
def copy(mem: LocalFolder, tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path / "protector")
    for name, data in contents(mem.below("protector")).items():
        write_bytes(folder, name, data)
    return folder


def test_a_protector_holds_all_that_replaying_needs(mem: LocalFolder) -> None:
    found = require_protector(mem.below("protector"))
    assert (found.rounds, found.seed, len(found.losses)) == (2, 3, 2)
    assert found.config == small()
    assert set(contents(mem.below("protector"))) == {"protector.json", *found.surrogates}


def test_a_setting_that_is_younger_than_a_protector_means_what_was_done_then(copy: LocalFolder) -> None:
    written = json.loads(read_bytes(copy, "protector.json"))
    assert require_protector(copy).config.trigger.personal_names == "avoid"
    del written["config"]["trigger"]["spelling"]  # as 0.2.0 wrote it, whose words had hashtags among them
    write_bytes(copy, "protector.json", json.dumps(written).encode())
    assert require_protector(copy).config.trigger == small().trigger.model_copy(update={"spelling": "any"})
    del written["config"]["trigger"]["personal_names"]  # as 0.1.0 wrote it, whose words had names among them, too
    write_bytes(copy, "protector.json", json.dumps(written).encode())
    then = {"personal_names": "allow", "spelling": "any"}
    assert require_protector(copy).config.trigger == small().trigger.model_copy(update=then)


def test_a_protector_of_the_papers_profile_is_replayed_as_0_3_0_searched(copy: LocalFolder) -> None:
    written = json.loads(read_bytes(copy, "protector.json"))
    written["config"]["profile"] = "paper"  # it read shuffled captions and took a gradient for each word, then
    write_bytes(copy, "protector.json", json.dumps(written).encode())
    trigger = require_protector(copy).config.trigger
    assert (trigger.captions, trigger.gradient) == ("shuffled", "each-position")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_description_is_named(copy: LocalFolder, clean: LocalFolder, tmp_path: Path, text: bytes) -> None:
    write_bytes(copy, "protector.json", text)
    with pytest.raises(MismatchError, match=r"protector\.json, which cannot be read") as caught:
        Protection(Places(clean, LocalFolder(tmp_path / "dest"), protector=copy), REPLAY, RUNTIME, seed=0)
    assert "\n" not in str(caught.value)


def test_a_description_without_its_surrogates_protects_nothing(
    copy: LocalFolder, clean: LocalFolder, tmp_path: Path
) -> None:
    values = json.loads(read_bytes(copy, "protector.json")) | {"surrogates": {}, "losses": []}
    write_bytes(copy, "protector.json", json.dumps(values).encode())
    with pytest.raises(MismatchError, match="cannot be read: .*expected a surrogate for each of 0 rounds, got 0"):
        Protection(Places(clean, LocalFolder(tmp_path / "dest"), protector=copy), REPLAY, RUNTIME, seed=0)


@pytest.mark.parametrize("method", ["mem", "codebook"])
def test_a_protector_that_is_named_is_never_fitted_into(clean: LocalFolder, tmp_path: Path, method: str) -> None:
    precious = LocalFolder(tmp_path / "precious")
    write_bytes(precious, "thesis.txt", b"years of work")
    with pytest.raises(ConfigError, match="a protector goes with strategy `replay`, got `rounds`"):
        Protection(
            Places(clean, LocalFolder(tmp_path / "dest"), protector=precious), small(method=method), RUNTIME, seed=0
        )
    assert contents(precious) == {"thesis.txt": b"years of work"}


def test_a_folder_without_a_protector_is_named(clean: LocalFolder, tmp_path: Path) -> None:
    empty = LocalFolder(tmp_path / "nothing")
    assert read_protector(empty) is None
    with pytest.raises(ConfigError, match="expected a finished protector in"):
        Protection(Places(clean, LocalFolder(tmp_path / "dest"), protector=empty), REPLAY, RUNTIME, seed=0)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "missing"])
def test_a_damaged_surrogate_is_named_and_nothing_is_published(
    copy: LocalFolder, clean: LocalFolder, tmp_path: Path, damage: str
) -> None:
    name, dest = "surrogate-001.safetensors", LocalFolder(tmp_path / "dest")
    data = read_bytes(copy, name)
    if damage == "missing":
        copy.delete(name)
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        other = read_bytes(copy, "surrogate-000.safetensors")
        write_bytes(copy, name, {"cut": data[:-9], "flipped": flipped, "other": other}[damage])
    replay = Protection(Places(clean, dest, protector=copy), REPLAY, RUNTIME, seed=0)
    with pytest.raises(MismatchError, match=r"surrogate-001\.safetensors"):
        replay.publish("00001")
    assert contents(dest) == {}


def test_weights_that_are_no_surrogate_are_named(copy: LocalFolder) -> None:
    from mem_core.models import build_model, save_model

    write_bytes(copy, "surrogate-000.safetensors", save_model(build_model("tiny-resnet-32", seed=0)))
    with pytest.raises(MismatchError, match="it is no surrogate of memshield"):
        Surrogates(copy, "tiny-resnet-32", torch.device("cpu")).of_round(0)


def test_another_vocabulary_is_refused(copy: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    values = json.loads(read_bytes(copy, "protector.json"))
    write_bytes(copy, "protector.json", json.dumps(values | {"vocabulary_sha256": "0" * 64}).encode())
    replay = Protection(Places(clean, LocalFolder(tmp_path / "dest"), protector=copy), REPLAY, RUNTIME, seed=0)
    with pytest.raises(MismatchError, match="makes another"):
        replay.publish("00001")


def test_replaying_takes_the_protectors_settings_and_the_wanted_files(mem: LocalFolder) -> None:
    found = require_protector(mem.below("protector"))
    wanted = small(method="noise-only", strategy="replay", rounds=77, image_format="webp", on_error="passthrough")
    config = effective_config(found, wanted, "here")
    assert (config.method, config.image_format, config.on_error) == ("noise-only", "webp", "passthrough")
    assert config.rounds == 2


def test_fingerprints_follow_what_they_stand_for() -> None:
    def fitted(config: object = None, seed: int = 0, words: str = "w", inputs: tuple[str, ...] = ("a", "b")) -> str:
        return fit_fingerprint(config or small(), seed, words, list(inputs))  # type: ignore[arg-type]

    assert fitted() == fitted(inputs=("b", "a"))
    assert fitted() == fitted(small(image_format="webp", on_error="passthrough", strategy="replay"))
    assert fitted() == fitted(small(method="noise-only")) == fitted(small(method="trigger-only"))
    others = [fitted(small(rounds=3)), fitted(small(method="em")), fitted(seed=1), fitted(words="v"), fitted(inputs=())]
    assert len({fitted(), *others}) == 6

    one = publishing_fingerprint(small(), 0, "p", "i")
    assert one == publishing_fingerprint(small(strategy="replay"), 0, "p", "i")
    changed = [
        publishing_fingerprint(small(image_format="webp"), 0, "p", "i"),
        publishing_fingerprint(small(), 1, "p", "i"),
        publishing_fingerprint(small(), 0, "q", "i"),
        publishing_fingerprint(small(), 0, "p", "j"),
    ]
    assert len({one, *changed}) == 5
