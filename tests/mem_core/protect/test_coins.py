"""The owner's key: made by the operating system, kept from others; and the coins: fair, fixed, each its own."""

import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from mem_core.common.errors import ConfigError
from mem_core.protect.coins import TwinKey, chosen, coin, load_key, new_key, require_unused, use_key

KEY = TwinKey(bytes(range(32)))
CORPUS = "ab" * 16


def test_coins_of_a_key_are_the_same_for_ever() -> None:
    """Pinned: another version that threw other coins could not go on with a corpus, nor check an old one.

    `openssl dgst -sha256 -mac HMAC` of the same messages gave them first.
    """
    assert [coin(KEY, CORPUS, "00000", f"00000{i:04d}") for i in range(12)] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]
    assert [chosen(KEY, CORPUS, "00000", f"00000{i:04d}", 0.5) for i in range(6)] == [False, True] * 3


def test_coins_are_fair_and_of_no_other_sample_shard_corpus_or_key() -> None:
    """4,000 coins: heads within 5 standard deviations of half, and so is the agreement of any two series."""
    names = [f"{i:09d}" for i in range(4000)]
    series = [
        [coin(KEY, CORPUS, "00000", name) for name in names],
        [coin(KEY, CORPUS, "00001", name) for name in names],
        [coin(KEY, "cd" * 16, "00000", name) for name in names],
        [coin(TwinKey(bytes(32)), CORPUS, "00000", name) for name in names],
        [int(chosen(KEY, CORPUS, "00000", name, 0.5)) for name in names],
    ]
    for place, one in enumerate(series):
        assert abs(sum(one) - 2000) < 5 * 32
        for other in series[:place]:
            assert abs(sum(a == b for a, b in zip(one, other, strict=True)) - 2000) < 5 * 32


def test_names_that_join_to_the_same_text_have_coins_of_their_own() -> None:
    assert (
        Counter(coin(KEY, CORPUS, f"s{i}", f"{i}k") == coin(KEY, CORPUS, f"s{i}{i}", "k") for i in range(400))[True]
        < 260
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_has_twins(share: float) -> None:
    count = sum(chosen(KEY, CORPUS, "00000", str(i), share) for i in range(4000))
    assert abs(count - 4000 * share) < 5 * (4000 * share * (1 - share)) ** 0.5
    assert all(chosen(KEY, CORPUS, "00000", str(i), 1.0) for i in range(100))


def test_a_new_key_is_256_bits_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    key = new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_key(path) == key
    assert len(set(key.secret)) > 8
    assert new_key(tmp_path / "b.key") != key
    assert os.listdir(path.parent) == ["a.key"]


def test_a_key_never_prints_itself() -> None:
    told = f"{KEY} {KEY!r} {KEY.sha256}"
    assert KEY.secret.hex() not in told
    assert repr(KEY.secret) not in told


def test_a_key_is_not_written_over(tmp_path: Path) -> None:
    key = new_key(tmp_path / "a.key")
    with pytest.raises(ConfigError, match="expected no file at .*a.key to write a new key into"):
        new_key(tmp_path / "a.key")
    assert load_key(tmp_path / "a.key") == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    new_key(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(ConfigError, match=f"to be readable by its owner alone, but its mode is {mode:o}"):
        load_key(tmp_path / "a.key")


@pytest.mark.parametrize(
    "text", ["", "ab", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "\nab\n", "ab" * 15 + " " + "ab" * 17]
)
def test_what_is_no_key_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="64 hexadecimal digits") as caught:
        load_key(path)
    assert not text or text not in str(caught.value)


def test_a_pipe_is_no_key_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.key", 0o600)
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        load_key(tmp_path / "a.key")


def test_a_key_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"the secret key of the twins in .*a\.key, but it cannot be read: No such .*; put it back$"
    ) as caught:
        load_key(tmp_path / "a.key")
    assert caught.value.hint == "name the key"
    with pytest.raises(ConfigError, match="Is a directory"):
        load_key(tmp_path)


def test_a_key_is_one_corpus_s(tmp_path: Path) -> None:
    use_key(tmp_path, KEY, CORPUS)
    use_key(tmp_path, KEY, CORPUS)
    with pytest.raises(ConfigError, match=f"is used twice: it is that of the twins {CORPUS}"):
        use_key(tmp_path, KEY, "cd" * 16)
    with pytest.raises(ConfigError, match="used twice"):
        require_unused(tmp_path, KEY)
    require_unused(tmp_path, TwinKey(bytes(32)))
    assert all(KEY.secret.hex() not in path.read_text() for path in tmp_path.iterdir())
