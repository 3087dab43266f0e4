"""Corpora, settings and places that do not go together are named, and finished ones stay as they are."""

import json
from pathlib import Path

import pytest

from mem_core.common.errors import ConfigError, DestinationError, MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import Method
from mem_core.data.receipt import read_receipt
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, SEED, contents, open_again, plain_shard, protect, small


@pytest.mark.parametrize("change", ["config", "seed", "input"])
def test_another_config_seed_or_input_is_refused_where_a_corpus_is_finished(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, change: str
) -> None:
    dest, source = LocalFolder(tmp_path / "dest"), clean
    for name, data in contents(mem).items():
        write_bytes(dest, name, data)
    if change == "input":
        source = LocalFolder(tmp_path / "clean")
        for name, data in contents(clean).items():
            write_bytes(source, name, data if name != "00001.tar" else plain_shard("00001", 8))
    config = small(noise={"num_steps": 3}) if change == "config" else small()
    other = Protection(Places(source, dest), config, RUNTIME, seed=SEED + (change == "seed"))
    with pytest.raises(MismatchError, match="choose another destination"):
        other.begin()
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize("change", [{"epsilon": "4/255"}, {}])
def test_controls_are_refused_where_others_are_published(
    clean: LocalFolder, tmp_path: Path, change: dict[str, str]
) -> None:
    dest = LocalFolder(tmp_path)
    protect(open_again(clean, dest, small(method="random-noise")))
    method: Method = "random-noise" if change else "random-trigger"
    with pytest.raises(MismatchError, match="with these settings"):
        protect(open_again(clean, dest, small(method=method, noise=change)))


def test_a_clean_shard_changed_after_its_receipt_is_named(
    clean: LocalFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source, dest = LocalFolder(tmp_path_factory.mktemp("s")), LocalFolder(tmp_path_factory.mktemp("d"))
    protect(Protection(Places(clean, source), small(method="clean"), RUNTIME, seed=0))  # a corpus with receipts
    write_bytes(source, "00001.tar", plain_shard("00001", 3))
    with pytest.raises(MismatchError, match=r"00001.tar .* was changed after it was finished"):
        protect(open_again(source, dest, small(method="random-noise")))
    assert read_receipt(dest, "00001") is None


def test_hand_edited_receipts_are_named(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    values = json.loads(read_bytes(mem, "00001.receipt.json"))
    write_bytes(dest, "00001.receipt.json", json.dumps(values | {"epsilon_levels": 4}).encode())
    with pytest.raises(MismatchError, match="edited"):
        open_again(clean, dest, small(method="random-noise")).publish("00001")


def test_places_and_methods_that_do_not_go_together(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    with pytest.raises(DestinationError, match="apart from the source"):
        open_again(clean, clean)
    with pytest.raises(ConfigError, match="needs a protector"):
        open_again(clean, dest, small(strategy="replay"))
    with pytest.raises(ConfigError, match="only noise-only and trigger-only"):
        Protection(Places(clean, dest, reuse=mem), small(method="em"), RUNTIME, seed=0)
    with pytest.raises(MismatchError, match=r"expected a protector for em, but .* was fitted for mem"):
        config = small(method="em", strategy="replay")
        Protection(Places(clean, dest, protector=mem.below("protector")), config, RUNTIME, seed=0)
    with pytest.raises(ConfigError, match=r"leaves room in 16 tokens, got a length of 16: set a smaller protect.trig"):
        _ = open_again(
            clean, dest, small(trigger={"length": 16}, surrogate={"architecture": str(short(tmp_path))})
        ).context


def short(folder: Path) -> Path:
    """An architecture with room for 16 tokens."""
    path = folder / "short-context.json"
    described = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    path.write_text(json.dumps(described))
    return path


def test_reusing_a_corpus_without_triggers_is_refused(clean: LocalFolder, tmp_path: Path) -> None:
    noisy, dest = LocalFolder(tmp_path / "noisy"), LocalFolder(tmp_path / "dest")
    protect(open_again(clean, noisy, small(method="random-noise")))
    with pytest.raises(MismatchError, match="with noise and a trigger of 2 tokens"):
        Protection(Places(clean, dest, reuse=noisy), small(method="noise-only"), RUNTIME, seed=0).publish("00001")
