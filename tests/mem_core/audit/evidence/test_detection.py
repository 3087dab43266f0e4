"""Commit, detect, check: what holds, and every way in which something was changed afterwards."""

import json
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mem_core.audit.evidence.blocks import blocks_of
from mem_core.audit.evidence.commitment import (
    Commitment,
    commitment_bytes,
    committed_to,
    make_commitment,
    names_hash,
    read_commitment,
    write_commitment,
)
from mem_core.audit.evidence.detection import (
    AskedModel,
    Detection,
    asked_recorded,
    check_detection,
    coins_of,
    detect,
    detection_bytes,
    opened,
    read_detection,
)
from mem_core.audit.evidence.encoding import Encoder, ModelEncoder
from mem_core.audit.evidence.outcome import EvidencePlan, outcome_of
from mem_core.audit.evidence.page import detection_headline, write_detection
from mem_core.audit.evidence.pairs import committed_pairs
from mem_core.audit.evidence.recorded import QUERIES, read_vectors, write_queries
from mem_core.audit.evidence.timestamp import timestamp_request
from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import fingerprint
from mem_core.protect.coins import TwinKey
from tests.mem_core.audit.evidence.conftest import NOW, Published

MODEL = AskedModel(name="m", sha256="0" * 64)
OTHER_KEY = TwinKey(b"k" * 32)


def asked(twins: Published, encoder: Encoder, **plan: object) -> tuple[Commitment, Detection]:
    commitment = twins.committed(**plan)
    return commitment, detect(commitment, twins.pairs(commitment), encoder, twins.key, MODEL)


@pytest.mark.parametrize("statistic", ["words", "own-trigger", "caption", "loss", "words-and-noise"])
@pytest.mark.parametrize("sequential", [False, True])
def test_a_model_that_was_trained_on_it_is_found(
    statistic: str, sequential: bool, twins: Published, guilty: ModelEncoder
) -> None:
    commitment, found = asked(twins, guilty, statistic=statistic, sequential=sequential)
    assert found.outcome.p < 1e-6
    assert found.outcome.evidence
    assert detection_headline("m", found.outcome).startswith("Evidence that m learned from what was published")
    assert check_detection(commitment, found, twins.key) == found.outcome


def test_a_model_that_was_not_is_not(twins: Published, innocent: ModelEncoder) -> None:
    commitment, found = asked(twins, innocent)
    assert found.outcome.p > 0.01
    assert not found.outcome.evidence
    assert detection_headline("a\n\x1b[2Jb", found.outcome).isprintable()
    assert "That is no evidence that it did not." in detection_headline("m", found.outcome)
    assert check_detection(commitment, found, twins.key) == found.outcome


def test_a_commitment_is_read_back_and_an_edited_one_is_refused(twins: Published, tmp_path: Path) -> None:
    folder, commitment = LocalFolder(tmp_path), twins.committed()
    write_commitment(folder, commitment)
    assert read_commitment(folder, "commitment.json") == commitment
    data = commitment_bytes(commitment)
    assert twins.key.secret.hex().encode() not in data
    assert (commitment.pairs, commitment.written) == (60, "2026-03-01T12:00:00+00:00")
    for name, value in (("alpha", 0.04), ("statistic", "loss")):
        values = json.loads(data)
        values["test"][name] = value
        write_bytes(folder, "edited.json", json.dumps(values).encode())
        with pytest.raises(MismatchError, match="edited.json as memshield wrote it, but it was edited"):
            read_commitment(folder, "edited.json")
    write_bytes(folder, "other.json", b'{"format": 1}')
    with pytest.raises(MismatchError, match="expected a commitment in"):
        read_commitment(folder, "other.json")
    with pytest.raises(SourceError, match="there is no such file: without one from before publishing there is no evid"):
        read_commitment(folder, "none.json")


def test_what_cannot_be_committed_to(twins: Published, clean: LocalFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a corpus that was protected with twins"):
        make_commitment(clean, EvidencePlan(), twins.key, NOW)
    with pytest.raises(MismatchError, match="to be published as its coin says, but it is the other"):
        make_commitment(twins.dest, EvidencePlan(), OTHER_KEY, NOW)
    copied = copy_of(twins, tmp_path)
    copied.dest.delete("00001.receipt.json")
    with pytest.raises(SourceError, match="expected a finished corpus in .* but its shard 00001 has no receipt"):
        copied.committed()


def copy_of(twins: Published, tmp_path: Path) -> Published:
    shutil.copytree(twins.dest.path, tmp_path / "copy")
    return Published(LocalFolder(tmp_path / "copy"), twins.key)


@pytest.mark.parametrize("name", ["00001.tar", "twins/00000.tar", "twins/00002.parquet"])
def test_files_that_are_missing_or_edited_are_no_evidence(name: str, twins: Published, tmp_path: Path) -> None:
    copied, commitment = copy_of(twins, tmp_path), twins.committed()
    data = read_bytes(copied.dest, name)
    write_bytes(copied.dest, name, data[:-1] + b"x")
    with pytest.raises(MismatchError, match=f"{name} as it was when it was made, but it was edited since"):
        copied.pairs(commitment)
    copied.dest.delete(name)
    with pytest.raises(MismatchError, match=f"{name} as it was when it was made, but it is missing"):
        copied.pairs(commitment)


def test_an_edited_description_is_no_evidence(twins: Published, tmp_path: Path) -> None:
    copied, commitment = copy_of(twins, tmp_path), twins.committed()
    record = json.loads(read_bytes(copied.dest, "twins/twins.json"))
    write_bytes(copied.dest, "twins/twins.json", json.dumps({**record, "draws": "ab" * 32}).encode())
    with pytest.raises(MismatchError, match=r"twins.json as it was committed to, but it was edited since"):
        copied.pairs(commitment)
    older = commitment.model_copy(update={"description": ""})  # which did not speak of it
    assert copied.pairs(older) == twins.pairs(commitment)


def test_a_certificate_names_the_commitment_to_its_own_corpus(twins: Published, tmp_path: Path) -> None:
    commitment, copied = twins.committed(), copy_of(twins, tmp_path)
    assert committed_to(commitment, copied.dest).sha256 == commitment.sha256
    copied.dest.delete("00002.receipt.json")
    with pytest.raises(MismatchError, match="expected a commitment to .*: to another corpus, or to this one before"):
        committed_to(commitment, copied.dest)


def test_too_few_twins_are_not_committed_to(tmp_path: Path) -> None:
    from tests.mem_core.audit.evidence.conftest import published_at
    from tests.support.corpora import tiny_corpus

    few = published_at(tiny_corpus(tmp_path / "few", 19), tmp_path)
    with pytest.raises(SourceError, match="expected at least 20 twin pairs to test with, got 19"):
        few.committed()


def test_another_key_is_refused(twins: Published, innocent: ModelEncoder) -> None:
    commitment = twins.committed()
    with pytest.raises(MismatchError, match="expected the key that was committed to"):
        detect(commitment, twins.pairs(commitment), innocent, OTHER_KEY, MODEL)
    _, found = asked(twins, innocent)
    with pytest.raises(MismatchError, match="expected the key that was committed to"):
        check_detection(commitment, found, OTHER_KEY)
    with pytest.raises(ConfigError, match="expected a result with its key opened, but it has none"):
        check_detection(commitment, found)
    assert check_detection(commitment, opened(found, twins.key)) == found.outcome


def edited(found: Detection, **changes: Any) -> Detection:
    """Edited by somebody who knows how to hash it again."""
    return found.model_copy(update=changes).sealed()


def test_whatever_was_changed_afterwards_is_refused(twins: Published, innocent: ModelEncoder, tmp_path: Path) -> None:
    commitment, found = asked(twins, innocent, statistic="words")
    found = opened(found, twins.key)
    words = found.preferences["words"]
    with pytest.raises(MismatchError, match="expected the result that follows .* but it says p = 1e-09 in place of 0"):
        check_detection(commitment, edited(found, outcome=found.outcome.model_copy(update={"p": 1e-9})))
    with pytest.raises(MismatchError, match="expected the result that follows"):
        check_detection(commitment, edited(found, preferences={"words": (9.0, *words[1:])}))
    with pytest.raises(MismatchError, match="but the result is of 40: a subset was chosen afterwards"):
        check_detection(commitment, edited(found, pairs=found.pairs[:40], preferences={"words": words[:40]}))
    with pytest.raises(MismatchError, match="in their order, but there are others"):
        check_detection(commitment, edited(found, pairs=found.pairs[::-1]))
    with pytest.raises(MismatchError, match="expected a preference for each of 60 pairs"):
        check_detection(commitment, edited(found, preferences={"words": words[:59]}))
    with pytest.raises(MismatchError, match="but the result is of another .loss, alpha 0.001, fixed.: it was changed"):
        check_detection(commitment, edited(found, test=EvidencePlan(statistic="loss")))
    with pytest.raises(MismatchError, match="expected a result under the commitment"):
        check_detection(twins.committed(statistic="loss"), found)
    folder = LocalFolder(tmp_path)
    data = detection_bytes(found)
    write_bytes(folder, "result.json", data)
    assert read_detection(folder, "result.json") == found
    write_bytes(folder, "result.json", data.replace(b'"evidence":false', b'"evidence":true'))
    with pytest.raises(MismatchError, match="as memshield wrote it, but it was edited"):
        read_detection(folder, "result.json")
    with pytest.raises(SourceError, match="there is no such file"):
        read_detection(folder, "none.json")


def test_a_pair_that_counts_several_times_is_refused(twins: Published, innocent: ModelEncoder) -> None:
    """Even where it was committed to so: ten times the same coin is no ten coins."""
    commitment, found = asked(twins, innocent, statistic="words")
    names = [name for name in found.pairs for _ in range(10)]
    blocks = tuple(map(names_hash, blocks_of(names, len(names))))
    commitment = commitment.model_copy(update={"pairs": len(names), "blocks": blocks}).sealed()
    words = np.repeat(found.arrays["words"], 10)
    outcome = outcome_of(commitment.test, {"words": words}, coins_of(commitment, twins.key, names))
    more = edited(
        found,
        commitment=commitment.sha256,
        pairs=tuple(names),
        preferences={"words": tuple(words.tolist())},
        outcome=outcome,
    )
    with pytest.raises(MismatchError, match="expected each pair once, as each has one coin, but 00000/000000000 is"):
        check_detection(commitment, more, twins.key)


def test_the_page_tells_all_but_the_key(twins: Published, guilty: ModelEncoder, tmp_path: Path) -> None:
    commitment, found = asked(twins, guilty)
    for folder, open_key in ((LocalFolder(tmp_path / "closed"), False), (LocalFolder(tmp_path / "open"), True)):
        written = write_detection(folder, commitment, found, twins.key, open_key=open_key)
        assert read_detection(folder, "detection.json") == written
        page = read_bytes(folder, "detection.html").decode()
        assert "Evidence that m learned from what was published: it guesses " in page
        assert commitment.sha256 in page
        assert twins.key.secret.hex() not in page
        assert (twins.key.secret.hex() in read_bytes(folder, "detection.json").decode()) == open_key


@pytest.mark.parametrize("kind", ["npz", "jsonl"])
def test_recorded_vectors_say_what_the_model_says(
    kind: str, twins: Published, guilty: ModelEncoder, tmp_path: Path
) -> None:
    commitment, whole = asked(twins, guilty)
    folder = LocalFolder(tmp_path)
    scores, pairs = commitment.test.scores, twins.pairs(commitment)
    count = write_queries(folder, blocks_of(pairs, commitment.pairs), twins.key, scores)
    rows = answers(folder, guilty)
    assert count == len(rows) == len(read_bytes(folder, QUERIES).splitlines())
    assert not any(pair.name.partition("/")[2] in name for pair in pairs for name in rows)
    record(folder, f"answers.{kind}", rows)
    vectors = read_vectors(folder, f"answers.{kind}", twins.key)
    found = detect(commitment, pairs, vectors, twins.key, asked_recorded("service", vectors))
    assert found.preferences["words"] == pytest.approx(whole.preferences["words"], abs=1e-6)
    assert found.outcome.p == pytest.approx(whole.outcome.p, rel=0.1)
    del rows[next(iter(rows))]
    record(folder, f"answers.{kind}", rows)
    with pytest.raises(SourceError, match="expected a vector for each query in .* but 1 have none, the first"):
        detect(commitment, pairs, read_vectors(folder, f"answers.{kind}", twins.key), twins.key, MODEL)


def answers(folder: LocalFolder, encoder: ModelEncoder) -> dict[str, np.ndarray]:
    """What an endpoint says to every query."""
    found = {}
    for line in read_bytes(folder, QUERIES).splitlines():
        row = json.loads(line)
        vector = encoder.texts([row["text"]]) if "text" in row else encoder.images([read_bytes(folder, row["image"])])
        found[row["id"]] = 3.0 * vector[0]  # endpoints need not give unit vectors
    return found


def record(folder: LocalFolder, name: str, rows: dict[str, np.ndarray]) -> None:
    if name.endswith(".npz"):
        np.savez(folder.path / name, ids=np.array(list(rows)), vectors=np.array(list(rows.values())))
    else:
        lines = (json.dumps({"id": key, "vector": row.tolist()}) for key, row in rows.items())
        write_bytes(folder, name, "\n".join(lines).encode())


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.jsonl", b'{"id": "x"}', "in line 1 of .*a.jsonl, but: KeyError 'vector'"),
        ("a.jsonl", b"\n[1, 2]", "in line 1 of .*a.jsonl, but: TypeError"),
        ("a.jsonl", b'{"id": "x", "vector": [1' + b"0" * 400 + b"]}", "but: OverflowError"),
        ("a.jsonl", b'{"id": 3, "vector": [1]}', "got something else"),
        ("a.jsonl", b'{"id": "x", "vector": [[1]]}', "got something else"),
        ("a.npz", b"PK", "expected arrays `ids` and `vectors` in .*a.npz, but:"),
    ],
)
def test_vectors_that_cannot_be_read(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    write_bytes(folder, name, data)
    with pytest.raises(SourceError, match=why):
        read_vectors(folder, name, OTHER_KEY)
    with pytest.raises(SourceError, match="there is no such file"):
        read_vectors(folder, "none.npz", OTHER_KEY)


def test_a_sequential_test_ends_with_the_first_block_that_tells(
    twins: Published, guilty: ModelEncoder, innocent: ModelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mem_core.audit.evidence.blocks._MOST", 20)
    commitment = twins.committed(statistic="words", sequential=True)
    pairs = twins.pairs(commitment)
    assert len(commitment.blocks) == 3
    found = detect(commitment, pairs, guilty, twins.key, MODEL)
    assert (len(found.pairs), found.outcome.evidence) == (20, True)
    assert check_detection(commitment, found, twins.key) == found.outcome
    longer = detect(commitment, pairs, innocent, twins.key, MODEL)
    assert len(longer.pairs) == 60
    names = {pair.name for pair in pairs[:45]}
    half = detect(commitment, pairs, innocent, twins.key, MODEL, answered=lambda pair: pair.name in names)
    assert len(half.pairs) == 40
    assert check_detection(commitment, half, twins.key) == half.outcome
    shorter = {"pairs": half.pairs[:30], "preferences": {"words": half.preferences["words"][:30]}}
    with pytest.raises(MismatchError, match="but the result is of 30: a subset was chosen afterwards"):
        check_detection(commitment, edited(half, **shorter), twins.key)


def test_shards_that_come_later_are_left_out(twins: Published, tmp_path: Path) -> None:
    """A night adds shards: the commitment from before speaks of those that were there."""
    earlier, commitment = copy_of(twins, tmp_path), twins.committed()
    values = commitment.model_dump(mode="json") | {"shards": {"00000": commitment.shards["00000"].model_dump()}}
    first = Commitment.model_validate(values)
    assert len(list(committed_pairs(earlier.dest, first, twins.key))) == 24


def test_the_question_to_a_time_stamping_service() -> None:
    client = pytest.importorskip("rfc3161_client", reason="in the extra `timestamp`")
    request = timestamp_request(b"a commitment")
    assert request != timestamp_request(b"another")
    assert len(request) < 200
    assert client.TimestampRequestBuilder


def test_without_the_library_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rfc3161_client", None)
    with pytest.raises(ConfigError, match="expected the package rfc3161-client to ask for a time stamp"):
        timestamp_request(b"x")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pairs": 5}, "pairs: Input should be greater than or equal to 20"),
        ({"pairs": 10**13}, "10000000000000 pairs are 39062500000 blocks, got 1 hashes"),
        ({"blocks": []}, "60 pairs are 1 blocks, got 0 hashes"),
        (
            {"shards": {"00000": {"published": "0" * 64, "twins": {}}}},
            "shard 00000 has twins in a tar and a table, got",
        ),
    ],
)
def test_a_commitment_that_settles_too_little_is_refused(
    changes: dict[str, Any], why: str, twins: Published, tmp_path: Path
) -> None:
    """However well it is hashed."""
    folder, values = LocalFolder(tmp_path), {**twins.committed().model_dump(mode="json"), **changes}
    values["sha256"] = fingerprint({name: value for name, value in values.items() if name != "sha256"})
    write_bytes(folder, "c.json", json.dumps(values).encode())
    with pytest.raises(MismatchError, match=why):
        read_commitment(folder, "c.json")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pairs": 40}, "in their order, but there are others"),
        ({"pairs": 61}, "expected all 61 pairs that were committed to, but the result is of 60"),
        ({"blocks": ("0" * 64,)}, "in their order, but there are others"),
        ({"shards": {}}, "in their order, but there are others"),
    ],
)
def test_pairs_that_are_not_those_of_the_commitment_are_not_scored(
    change: dict[str, Any], why: str, twins: Published, innocent: ModelEncoder
) -> None:
    commitment = twins.committed().model_copy(update=change)
    with pytest.raises(MismatchError, match=why):
        detect(commitment, twins.pairs(commitment), innocent, twins.key, MODEL)


def test_a_share_that_was_edited_is_neither_committed_to_nor_scored(twins: Published, tmp_path: Path) -> None:
    copied, commitment = copy_of(twins, tmp_path), twins.committed()
    record = json.loads(read_bytes(copied.dest, "twins/twins.json"))
    write_bytes(copied.dest, "twins/twins.json", json.dumps({**record, "share": 0.5}).encode())
    why = "expected twins of the 0.5 of the samples that the key chose, but sample 0"
    with pytest.raises(MismatchError, match=why):
        copied.committed()
    with pytest.raises(MismatchError, match=why):
        twins.pairs(commitment.model_copy(update={"share": 0.5}))


class Answers:
    """Random vectors of a size, one for each file and text."""

    def __init__(self, size: float) -> None:
        self._size = size

    def images(self, files: Sequence[bytes]) -> np.ndarray:
        return np.stack([np.random.default_rng(zlib.crc32(file)).normal(size=8) * self._size for file in files])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return self.images([text.encode() for text in texts])


def test_the_length_of_vectors_does_not_count(twins: Published) -> None:
    """Nor does a model that says the same to all: it prefers nothing."""
    found = [asked(twins, Answers(size))[1] for size in (1.0, 1e200)]
    assert found[1].outcome.p == pytest.approx(found[0].outcome.p)
    silent = asked(twins, Answers(0.0))[1]
    assert (silent.outcome.p, silent.outcome.strongest.effect.of) == (1.0, 0)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            '{"id": "x", "vector": [1, NaN]}',
            "expected finite numbers, not all of them zero, as the vector of x in .*a.js",
        ),
        ('{"id": "x", "vector": [0, 0]}', "expected finite numbers, not all of them zero"),
        ('{"id": "x", "vector": [1, 0]}\n{"id": "x", "vector": [1, 2]}', "a.jsonl, but x has two that differ"),
    ],
)
def test_answers_that_say_nothing_or_twice_are_refused(lines: str, why: str, tmp_path: Path) -> None:
    write_bytes(LocalFolder(tmp_path), "a.jsonl", lines.encode())
    with pytest.raises(SourceError, match=why):
        read_vectors(LocalFolder(tmp_path), "a.jsonl", OTHER_KEY)


def test_an_answer_that_was_recorded_twice_alike_is_one(tmp_path: Path) -> None:
    write_bytes(LocalFolder(tmp_path), "a.jsonl", b'{"id": "x", "vector": [1, 2]}\n' * 2)
    assert read_vectors(LocalFolder(tmp_path), "a.jsonl", OTHER_KEY).sha256


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        (np.array(5), np.zeros((3, 3))),
        (np.array([["a"], ["b"]]), np.ones((2, 3))),
        (np.array(["a", "b"]), np.ones((2, 3)) * 1j),
        (np.array(["a", "b"]), np.ones(2)),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(ids: np.ndarray, vectors: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=ids, vectors=vectors)
    with pytest.raises(SourceError, match=r"expected `ids` \[M\] and real numbers `vectors` \[M, D\] in .*a.npz, got"):
        read_vectors(LocalFolder(tmp_path), "a.npz", OTHER_KEY)


def test_an_archive_that_was_cut_short_is_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", ids=np.array(["a"]), vectors=np.ones((1, 300)))
    (tmp_path / "a.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:500])
    with pytest.raises(SourceError, match="expected arrays `ids` and `vectors` in .*a.npz, but: File is not a zip"):
        read_vectors(LocalFolder(tmp_path), "a.npz", OTHER_KEY)
