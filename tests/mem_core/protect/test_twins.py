"""Two versions of each sample: the coin's is published, as a run with that draw would; the other stays at home."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.config.protect import MetadataConfig
from mem_core.data.images import decode_image
from mem_core.data.receipt import read_receipt
from mem_core.data.shard import Sample, shard_bytes
from mem_core.protect.coins import load_key, new_key
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted
from mem_core.protect.twins import TwinPair, begin_twins, read_twins, read_twins_record
from tests.support.corpora import RUNTIME, SEED, contents, protect, samples_of, small, tiny_corpus

METHODS: dict[str, dict[str, Any]] = {
    "mem": {},
    "random-trigger": {"method": "random-trigger"},
    "mark": {"method": "mark", "trigger": {"placement": "inside"}},
    "codebook": {"method": "codebook", "noise": {"topics": 2}},
    "codebook in place": {
        "method": "codebook",
        "noise": {"topics": 2},
        "trigger": {"placement": "replace", "length": 1},
    },
}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "home" / "keys"


def with_twins(
    clean: LocalFolder, dest: LocalFolder, config: ProtectConfig, keys: Path, share: float = 1.0, **more: Any
) -> Protection:
    wanted = TwinsWanted(share=share, key=KeyPlace(folder=str(keys)))
    return Protection(Places(clean, dest), config, RUNTIME, seed=SEED, twins=wanted, **more)


def by_key(folder: LocalFolder) -> dict[str, Sample]:
    return {one.key: one for shard in ("00000", "00001", "00002") for one in samples_of(folder, shard)}


LEARNED = [name for name, values in METHODS.items() if small(**values).recipe.needs_protector]
DRAWN = [name for name in METHODS if name not in LEARNED]


@pytest.fixture(params=LEARNED)
def method(request: pytest.FixtureRequest) -> ProtectConfig:
    return small(**METHODS[request.param])


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_each_version_has_the_bytes_of_a_run_with_its_draw(
    image_format: str, method: ProtectConfig, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    config = method.model_copy(update={"image_format": image_format})
    dest = LocalFolder(tmp_path / "twins")
    protection = with_twins(clean, dest, config, keys)
    protect(protection)
    runs = []
    for draw in (0, 1):
        other = LocalFolder(tmp_path / f"draw {draw}")
        drawn = config.model_copy(update={"draw": draw})
        protect(Protection(Places(clean, other), drawn, RUNTIME, seed=SEED))
        runs.append(by_key(other))
    published, pairs = by_key(dest), list(read_twins(dest))
    assert protection.twins is not None
    coins = {key: protection.twins.published_draw(key[:5], key) for key in published}
    assert set(coins.values()) == {0, 1}
    assert list(published) == list(runs[0])
    for key, one in published.items():
        assert one == runs[coins[key]][key]
    assert [pair.key for pair in pairs] == list(published)
    for pair in pairs:
        assert pair.row.draw == coins[pair.key]
        assert (pair.published, pair.twin) == (published[pair.key], runs[1 - coins[pair.key]][pair.key])


@pytest.mark.parametrize("name", DRAWN)
def test_who_knows_the_seed_alone_can_make_neither_version(
    name: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    """Where nothing is learned, all that a version depends on would be public: keys of samples, and a seed that can be
    guessed. Then anybody could tell every coin, and take words and noise away."""
    config, dest = small(**METHODS[name]), LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, config, keys))
    pairs = list(read_twins(dest))
    for draw in (0, 1):
        other = LocalFolder(tmp_path / f"draw {draw}")
        drawn = config.model_copy(update={"draw": draw})
        protect(Protection(Places(clean, other), drawn, RUNTIME, seed=SEED))
        guessed = by_key(other)
        for pair in pairs:
            assert guessed[pair.key].captions not in (pair.published.captions, pair.twin.captions)
            large = decode_image(pair.published.image, max_pixels=10**6).pixels.size > 400
            if large and config.recipe.adds_noise:
                assert guessed[pair.key].image not in (pair.published.image, pair.twin.image)


def test_noise_of_surrogates_for_each_shard_has_draws_as_well(tmp_path: Path, keys: Path) -> None:
    """The second draw goes through the surrogates of the first."""
    clean, config = tiny_corpus(tmp_path / "clean", 6), small(method="em", strategy="independent")
    dest = LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, config, keys))
    runs = []
    for draw in (0, 1):
        other = LocalFolder(tmp_path / f"draw {draw}")
        drawn = config.model_copy(update={"draw": draw})
        protect(Protection(Places(clean, other), drawn, RUNTIME, seed=SEED))
        runs.append({one.key: one for one in samples_of(other, "00000")})
    for pair in read_twins(dest):
        assert (pair.published, pair.twin) == (runs[pair.row.draw][pair.key], runs[1 - pair.row.draw][pair.key])
        assert pair.published.image != pair.twin.image


def test_draws_differ_in_words_and_noise_of_every_sample(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    protect(Protection(Places(clean, dest), small(draw=1), RUNTIME, seed=SEED))
    others = by_key(mem)
    for key, one in by_key(dest).items():
        assert one.captions != others[key].captions
        pixels = [decode_image(two.image, max_pixels=10**6).pixels for two in (one, others[key])]
        assert pixels[0].size < 400 or not np.array_equal(*pixels)
    assert contents(dest.below("protector")).keys() == contents(mem.below("protector")).keys()


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_alone_is_made_again_from_clean_corpus_key_and_record(
    name: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    config, first, again = small(**METHODS[name]), LocalFolder(tmp_path / "first"), LocalFolder(tmp_path / "again")
    protect(with_twins(clean, first, config, keys))
    write_bytes(again, "twins/twins.json", read_bytes(first, "twins/twins.json"))
    protect(with_twins(clean, again, config, keys))
    assert contents(again) == contents(first)


def test_another_draw_keeps_fit_and_seed(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    """Rounds and replay agree, and the surrogates are the same files."""
    drawn, replayed = LocalFolder(tmp_path / "drawn"), LocalFolder(tmp_path / "replayed")
    protect(Protection(Places(clean, drawn), small(draw=1), RUNTIME, seed=SEED))
    config = ProtectConfig(strategy="replay", method="mem", draw=1)
    protect(Protection(Places(clean, replayed, protector=mem.below("protector")), config, RUNTIME, seed=0))
    assert by_key(drawn) == by_key(replayed)
    for name, data in contents(mem.below("protector")).items():
        if name.endswith(".safetensors"):
            assert read_bytes(drawn.below("protector"), name) == data


def test_notes_do_not_tell_the_draw(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    """One fingerprint for all samples of a shard, that of a run without twins."""
    config = small(method="random-trigger")
    dest, plain = LocalFolder(tmp_path / "twins"), LocalFolder(tmp_path / "plain")
    protect(with_twins(clean, dest, config, keys))
    protect(Protection(Places(clean, plain), config, RUNTIME, seed=SEED))
    told = {key: one.metadata["memshield"] for key, one in by_key(dest).items()}
    for key, one in by_key(plain).items():
        assert told[key] == one.metadata["memshield"]


def test_a_share_of_the_samples_has_twins_and_all_have_coins(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    """Coins are thrown for those without a twin as well: a draw that only those with twins have would name them."""
    config = small(method="random-trigger")
    dest = LocalFolder(tmp_path / "twins")
    protection = with_twins(clean, dest, config, keys, share=0.4)
    protect(protection)
    twins = protection.twins
    assert twins is not None
    published, pairs = by_key(dest), list(read_twins(dest))
    assert [pair.key for pair in pairs] == [key for key in published if twins.has_twin(key[:5], key)]
    assert 0 < len(pairs) < len(published)
    assert {one.row.draw for one in pairs} <= {0, 1}
    without = published.keys() - {pair.key for pair in pairs}
    assert {twins.published_draw(key[:5], key) for key in without} == {0, 1}


@pytest.mark.parametrize("name", ["mem", "codebook"])
def test_all_is_made_again_from_clean_corpus_protector_key_and_record(
    name: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    """That each version is the draw that the table says, and each coin the key's, can be seen from equal bytes."""
    first, again = LocalFolder(tmp_path / "first"), LocalFolder(tmp_path / "again")
    protect(with_twins(clean, first, small(**METHODS[name]), keys, share=0.5))
    write_bytes(again, "twins/twins.json", read_bytes(first, "twins/twins.json"))
    wanted = TwinsWanted(share=0.5, key=KeyPlace(folder=str(keys)))
    places = Places(clean, again, protector=first.below("protector"))
    protect(Protection(places, small(**METHODS[name], strategy="replay"), RUNTIME, seed=0, twins=wanted))
    tars = ("00000.tar", "00001.tar", "00002.tar")
    for file in (*tars, *(f"twins/{tar}" for tar in tars), "twins/00000.parquet"):
        assert read_bytes(again, file) == read_bytes(first, file)


def test_failed_samples_have_rows_and_no_twins(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    dest = LocalFolder(tmp_path / "twins")
    summaries = protect(with_twins(clean, dest, small(method="random-trigger"), keys))
    assert summaries[0].counts["failed"] == 2
    assert not {"000000100", "000000101"} & {pair.key for pair in read_twins(dest)}


def test_the_key_stands_in_one_file_alone(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    dest = LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, small(method="random-trigger"), keys))
    record = read_twins_record(dest)
    assert record is not None
    key = load_key(keys / f"{record.corpus}.key")
    assert key.sha256 == record.key_sha256
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".key":
            data = path.read_bytes()
            assert key.secret not in data
            assert key.secret.hex().encode() not in data


def test_twins_lie_below_the_destination_and_are_no_shards_of_it(
    clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    dest = LocalFolder(tmp_path / "twins")
    protection = with_twins(clean, dest, small(method="random-trigger"), keys)
    protect(protection)
    shards = ("00000", "00001", "00002")
    assert set(dest.below("twins").names()) == {"twins.json", *(f"{s}.{e}" for s in shards for e in ("tar", "parquet"))}
    plain = LocalFolder(tmp_path / "plain")
    protect(Protection(Places(clean, plain), small(method="random-trigger"), RUNTIME, seed=SEED))
    assert set(dest.top()) == set(plain.top())
    assert [entry.name for entry in protection.finish().shards] == list(shards)


def test_a_second_run_repeats_nothing_and_a_lost_receipt_gives_the_same_bytes(
    clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    config, dest = small(method="codebook", noise={"topics": 2}), LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, config, keys))
    before = contents(dest)
    assert all(done.repeated for done in protect(with_twins(clean, dest, config, keys)))
    dest.delete("manifest.json")
    dest.delete("00001.receipt.json")
    dest.below("twins").delete("00001.tar")
    assert [done.repeated for done in protect(with_twins(clean, dest, config, keys))] == [True, False, True]
    assert contents(dest) == before


def refusals() -> Iterator[tuple[str, Callable[[LocalFolder, LocalFolder, Path], object], str]]:
    config = small(method="random-trigger")
    yield (
        "another share",
        lambda clean, dest, keys: protect(with_twins(clean, dest, config, keys, share=0.5)),
        "expected twins of 0.5 of the samples by random-trigger .* begun with 1 by random-trigger",
    )
    yield (
        "no twins any more",
        lambda clean, dest, keys: protect(Protection(Places(clean, dest), config, RUNTIME, seed=SEED)),
        "expected to go on with twins in",
    )
    yield (
        "a lost key",
        lambda clean, dest, keys: protect(with_twins(clean, dest, config, keys / "elsewhere")),
        "expected the secret key of the twins in .*elsewhere.*, but it cannot be read",
    )


@pytest.mark.parametrize(
    ("name", "run", "sentence"), list(refusals()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_run_that_would_not_go_on_the_same_way_is_refused(
    name: str, run: Callable[..., object], sentence: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    dest = LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, small(method="random-trigger"), keys))
    before = contents(dest)
    with pytest.raises((ConfigError, MismatchError), match=sentence):
        run(clean, dest, keys)
    assert contents(dest) == before


@pytest.mark.parametrize("method", ["random-trigger", "mem"])
def test_to_do_it_again_takes_a_secret_where_the_draws_had_none(
    method: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    dest, place = LocalFolder(tmp_path / "twins"), KeyPlace(folder=str(keys))
    older = begin_twins(dest, 1.0, method, place).record.model_copy(update={"draws": ""})
    write_bytes(dest, "twins/twins.json", older.model_dump_json().encode())
    assert begin_twins(dest, 1.0, method, place).record == older  # what is finished is kept
    again = begin_twins(dest, 1.0, method, place, redo=True).record
    assert (len(again.draws), again.corpus) == (64 if method == "random-trigger" else 0, older.corpus)


def test_only_the_owner_reads_what_stays_at_home(tmp_path: Path, keys: Path) -> None:
    dest = LocalFolder(tmp_path / "twins")
    begin_twins(dest, 1.0, "mark", KeyPlace(folder=str(keys)))
    assert (tmp_path / "twins/twins").stat().st_mode & 0o077 == 0


def test_another_key_than_the_corpus_s_is_refused(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    config, dest = small(method="random-trigger"), LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, config, keys))
    new_key(tmp_path / "other.key")
    wanted = TwinsWanted(share=1, key=KeyPlace(folder=str(keys), file=str(tmp_path / "other.key")))
    with pytest.raises(ConfigError, match="has .* it is another corpus's; put the right one there$"):
        protect(Protection(Places(clean, dest), config, RUNTIME, seed=SEED, twins=wanted))


def test_a_key_of_another_corpus_is_refused_before_anything_is_written(
    clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    wanted = TwinsWanted(share=1, key=KeyPlace(folder=str(keys), file=str(tmp_path / "my.key")))
    config = small(method="random-trigger")
    first, second = LocalFolder(tmp_path / "first"), LocalFolder(tmp_path / "second")
    protect(Protection(Places(clean, first), config, RUNTIME, seed=SEED, twins=wanted))
    assert (tmp_path / "my.key").exists()
    with pytest.raises(ConfigError, match="is used twice"):
        protect(Protection(Places(clean, second), config, RUNTIME, seed=SEED, twins=wanted))
    assert not second.exists("twins/twins.json")


@pytest.mark.parametrize("link", [False, True])
def test_a_key_inside_of_the_corpus_is_refused(link: bool, clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    """By whatever way it leads there."""
    dest = LocalFolder(tmp_path / "twins")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "twins")
    file = tmp_path / ("elsewhere" if link else "twins") / "my.key"
    wanted = TwinsWanted(share=1, key=KeyPlace(folder=str(keys), file=str(file)))
    with pytest.raises(ConfigError, match="expected the secret key of the twins outside .*twins, got .*my.key"):
        protect(Protection(Places(clean, dest), small(method="random-trigger"), RUNTIME, seed=SEED, twins=wanted))
    assert not file.exists()
    assert not dest.exists("twins/twins.json")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (small(method="constant-trigger"), "constant-trigger draws none"),
        (small(method="clean"), "clean draws none"),
        (small(draw=1), "twins are draws 0 and 1, so draw 1 cannot"),
    ],
)
def test_what_cannot_have_twins_is_refused(
    config: ProtectConfig, sentence: str, clean: LocalFolder, tmp_path: Path, keys: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        with_twins(clean, LocalFolder(tmp_path / "twins"), config, keys)


def test_a_codebook_with_too_few_words_for_two_draws_says_so(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    config = small(method="codebook", noise={"topics": 2}, trigger={"source": "captions", "length": 3})
    with pytest.raises(ConfigError, match="in 2 draws that share none, got"):
        protect(with_twins(clean, LocalFolder(tmp_path / "twins"), config, keys))


# What is missing or was edited


def edit(folder: LocalFolder, name: str, change: Callable[[list[Sample]], list[Sample]]) -> None:
    write_bytes(folder, f"{name}.tar", shard_bytes(change(samples_of(folder, name))))


@pytest.fixture
def made(clean: LocalFolder, tmp_path: Path, keys: Path) -> LocalFolder:
    dest = LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, small(method="random-trigger"), keys))
    return dest


def other_words(samples: list[Sample]) -> list[Sample]:
    first = samples[0]
    return [Sample(first.key, first.image, first.extension, ("other words",), first.metadata), *samples[1:]]


def other_image(samples: list[Sample]) -> list[Sample]:
    first, second = samples[:2]
    return [Sample(first.key, second.image, second.extension, first.captions, first.metadata), *samples[1:]]


@pytest.mark.parametrize("below", ["", "twins"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda samples: samples[1:], "expected sample 000010000 in shard 00001 in .*, but it is missing"),
        (other_words, "expected the captions of sample 000010000 in shard 00001 in .* edited"),
        (other_image, "expected the image of sample 000010000 in shard 00001 in .* edited"),
    ],
)
def test_a_sample_of_a_pair_that_is_missing_or_edited_is_named(
    change: Callable[[list[Sample]], list[Sample]], sentence: str, below: str, made: LocalFolder
) -> None:
    edit(made.below(below) if below else made, "00001", change)
    with pytest.raises(MismatchError, match=sentence):
        list(read_twins(made))


def test_a_table_that_is_missing_or_edited_is_named(made: LocalFolder) -> None:
    home = made.below("twins")
    write_bytes(home, "00001.parquet", read_bytes(home, "00000.parquet"))
    with pytest.raises(MismatchError, match=r"00001.parquet as it was written, but it has other bytes"):
        list(read_twins(made))
    home.delete("00001.parquet")
    with pytest.raises(MismatchError, match=r"00001.parquet, the table of the twins of a shard, but it is missing"):
        list(read_twins(made))


def test_a_corpus_without_twins_says_so(mem: LocalFolder) -> None:
    with pytest.raises(
        ConfigError, match=r"expected a corpus that was protected with twins in .*, but there is no twins/"
    ):
        list(read_twins(mem))


def test_a_shard_s_receipt_has_the_hashes_of_its_twins(made: LocalFolder, mem: LocalFolder) -> None:
    receipt, plain = read_receipt(made, "00001"), read_receipt(mem, "00001")
    assert receipt is not None
    assert receipt.twins.keys() == {"00001.tar", "00001.parquet"}
    assert plain is not None
    assert plain.twins == {}
    assert b"twins" not in read_bytes(mem, "00001.receipt.json")


def test_the_pair_knows_its_words(made: LocalFolder) -> None:
    pair: TwinPair
    for pair in read_twins(made):
        assert pair.published.captions[0].startswith(pair.trigger)
        assert pair.twin.captions[0].startswith(pair.twin_trigger)
        assert pair.trigger != pair.twin_trigger


def test_a_note_that_is_off_stays_off(clean: LocalFolder, tmp_path: Path, keys: Path) -> None:
    config = small(method="random-trigger", metadata=MetadataConfig(note="off"))
    dest = LocalFolder(tmp_path / "twins")
    protect(with_twins(clean, dest, config, keys))
    assert all(
        "memshield" not in sample.metadata for pair in read_twins(dest) for sample in (pair.published, pair.twin)
    )
