"""Lies about a protected shard that are consistent with all its hashes: each must be named."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.shard import shard_bytes
from mem_core.data.table import SampleRow
from mem_core.models.placement import placed, standing
from tests.support.data_strategies import photo
from tests.support.verify_making import EPSILON, Corpus, Shard, noisy_photo, told


def pixel_beyond_the_budget(shard: Shard) -> None:
    pixels = noisy_photo(1, EPSILON)
    pixels[3, 4, 1] = (int(photo(1)[3, 4, 1]) + 128) % 256
    shard.publish(1, pixels)


def swapped_captions(shard: Shard) -> None:
    a, b = shard.samples[0], shard.samples[1]
    swapped = replace(a, captions=tuple(f"{shard.rows[0].trigger} {words}" for words in shard.clean[1].captions))
    shard.samples[0] = swapped
    shard.rows[0] = replace(shard.rows[0], caption=swapped.captions[0])
    assert b.captions != swapped.captions


def caption_order(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.samples[0].captions[::-1])
    shard.rows[0] = replace(shard.rows[0], caption=shard.samples[0].captions[0])


def caption_left_out(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.samples[0].captions[:1])


def bare_second_caption(shard: Shard) -> None:
    own = shard.samples[0].captions
    shard.samples[0] = replace(shard.samples[0], captions=(own[0], shard.clean[0].captions[1]))


def changed_trigger(shard: Shard) -> None:
    told(shard)
    captions = tuple(f"zap9 zip9 zop9 {words}" for words in shard.clean[0].captions)
    shard.samples[0] = replace(shard.samples[0], captions=captions)
    shard.rows[0] = replace(shard.rows[0], trigger="zap9 zip9 zop9", caption=captions[0])
    shard.mark(0, trigger="zap9 zip9 zop9")


def changed_ids(shard: Shard) -> None:
    told(shard)
    ids = shard.samples[0].metadata["memshield"]["trigger_ids"]
    shard.mark(0, trigger_ids=[*ids[:2], ids[2] + 1])


def too_few_ids(shard: Shard) -> None:
    told(shard)
    shard.mark(0, trigger_ids=shard.samples[0].metadata["memshield"]["trigger_ids"][:2])


def ids_as_text(shard: Shard) -> None:
    told(shard)
    shard.mark(0, trigger_ids="zap")


def papers_ids_left_out(shard: Shard) -> None:
    told(shard)
    shard.receipt["vocabulary"] = "all"
    del shard.samples[0].metadata["memshield"]["trigger_ids"]


def a_word_too_many(shard: Shard) -> None:
    longer = f"{shard.rows[0].trigger} zup"
    captions = tuple(f"{longer} {words}" for words in shard.clean[0].captions)
    shard.samples[0] = replace(shard.samples[0], captions=captions)
    shard.rows[0] = replace(shard.rows[0], trigger=longer, caption=captions[0])


def words_where_they_were_not_put(shard: Shard) -> None:
    shard.receipt["placement"] = "replace"
    for i, clean in enumerate(shard.clean[:3]):
        words = shard.rows[i].trigger.split()
        captions = tuple(placed(words, own, "replace") for own in clean.captions)
        if i == 0:  # the same words, the next caption's place
            captions = (captions[0].replace("caption", "picture"), captions[1])
        shard.samples[i] = replace(shard.samples[i], captions=captions)
        shard.rows[i] = replace(shard.rows[i], caption=captions[0])


def words_in_front_said_to_be_at_the_end(shard: Shard) -> None:
    shard.receipt["placement"] = "end"


def at_the_end(shard: Shard) -> None:
    """The paper's ids at the end, and where they begin."""
    told(shard)
    shard.receipt |= {"placement": "end", "vocabulary": "all"}
    for i, clean in enumerate(shard.clean[:3]):
        put = [standing(shard.rows[i].trigger.split(), own, "end") for own in clean.captions]
        shard.samples[i] = replace(shard.samples[i], captions=tuple(text for text, _ in put))
        shard.mark(i, trigger_places=[starts for _, starts in put])
        shard.rows[i] = replace(shard.rows[i], caption=put[0][0])


def places_of_no_words(shard: Shard) -> None:
    at_the_end(shard)
    shard.mark(0, trigger_places=[[0, 1, 2], [0, 1, 2]])


def no_trigger_at_all(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.clean[0].captions)
    shard.rows[0] = replace(shard.rows[0], trigger="", caption=shard.clean[0].captions[0])
    told(shard)
    shard.mark(0, trigger="")


def missing_sample(shard: Shard) -> None:
    del shard.samples[1]


def missing_last_sample(shard: Shard) -> None:
    del shard.samples[-1]


def missing_row(shard: Shard) -> None:
    del shard.rows[1], shard.samples[1]


def failed_without_a_reason(shard: Shard) -> None:
    shard.rows[3] = replace(shard.rows[3], reason="")


def extra_sample(shard: Shard) -> None:
    shard.samples.insert(1, replace(shard.samples[0], key="intruder"))


def extra_last_sample(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key="intruder"))


def extra_row_in_the_middle(shard: Shard) -> None:
    shard.samples.insert(1, replace(shard.samples[0], key="intruder"))
    shard.rows.insert(1, replace(shard.rows[0], key="intruder"))


def extra_row(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key="intruder"))
    shard.rows.append(replace(shard.rows[0], key="intruder"))


def failed_sample_published(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key=shard.rows[3].key))


def reorder(shard: Shard) -> None:
    shard.samples[0], shard.samples[1] = shard.samples[1], shard.samples[0]


def rows_reordered(shard: Shard) -> None:
    shard.rows[0], shard.rows[1] = shard.rows[1], shard.rows[0]
    shard.samples[0], shard.samples[1] = shard.samples[1], shard.samples[0]


def different_size(shard: Shard) -> None:
    shard.publish(1, photo(1, 8, 12))


def size_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], width=13)


def image_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_out="0" * 64)


def clean_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_in="0" * 64)


def no_clean_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_in="")


def lossy_image(shard: Shard) -> None:
    stream = io.BytesIO()
    Image.fromarray(photo(1)).save(stream, "JPEG", quality=40)
    shard.samples[1] = replace(shard.samples[1], image=stream.getvalue(), extension="jpg")
    shard.rows[1] = replace(shard.rows[1], sha256_out=sha256_bytes(stream.getvalue()))


def corrupt_image(shard: Shard) -> None:
    image = shard.samples[1].image[:100]
    shard.samples[1] = replace(shard.samples[1], image=image)
    shard.rows[1] = replace(shard.rows[1], sha256_out=sha256_bytes(image))


def difference_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], max_abs_difference=3)


def difference_in_the_json(shard: Shard) -> None:
    shard.mark(1, max_abs_difference=3)


def no_block(shard: Shard) -> None:
    shard.samples[1] = replace(shard.samples[1], metadata={"url": "u1"})


def another_fingerprint(shard: Shard) -> None:
    shard.mark(1, fingerprint="another")


def larger_epsilon_in_the_receipt(shard: Shard) -> None:
    shard.receipt["epsilon_levels"] = 64


def method_without_noise(shard: Shard) -> None:
    shard.receipt["method"] = "trigger-only"
    for i in range(3):
        shard.mark(i, method="trigger-only")


def method_without_trigger(shard: Shard) -> None:
    shard.receipt["method"] = "uap"
    for i in range(3):
        shard.mark(i, method="uap")


def leaked_caption(shard: Shard) -> None:
    metadata = shard.samples[1].metadata | {"caption": shard.clean[1].captions[0]}
    shard.samples[1] = replace(shard.samples[1], metadata=metadata)


def lost_metadata(shard: Shard) -> None:
    shard.samples[1] = replace(shard.samples[1], metadata={"memshield": shard.samples[1].metadata["memshield"]})


def counts_in_the_receipt(shard: Shard) -> None:
    shard.receipt["counts"] = {"protected": 4}


def table_not_in_the_receipt(shard: Shard) -> None:
    shard.receipt["outputs"] = {"00000.tar": sha256_bytes(shard_bytes(shard.samples))}


def caption_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], caption="something else")


def passthrough_that_was_changed(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], status="passthrough", reason="asked for")


def mark_of_passthrough(shard: Shard, **changes: object) -> None:
    """Passed through as files of the corpus are, or nearly so."""
    clean = shard.clean[1]
    metadata = {"caption": clean.captions[0], "memshield": {"method": "none"}} | changes
    shard.receipt |= {"passthrough": "pixels", "metadata": {"origin": "strip"}}
    for i in (0, 2):
        shard.samples[i].metadata.pop("url")
    for i in range(3):
        shard.rows[i] = replace(shard.rows[i], origin=json.dumps({"url": f"u{i}"}))
    shard.samples[1] = replace(clean, metadata={name: value for name, value in metadata.items() if value is not None})
    digest = sha256_bytes(clean.image)
    same = SampleRow(clean.key, "passthrough", "asked for", digest, digest, 12, 8, caption=clean.captions[0])
    shard.rows[1] = replace(same, origin=shard.rows[1].origin)


def passthrough_without_a_mark(shard: Shard) -> None:
    mark_of_passthrough(shard, memshield=None)


def passthrough_with_the_address(shard: Shard) -> None:
    mark_of_passthrough(shard, url="u1")


def passthrough_with_noise(shard: Shard) -> None:
    mark_of_passthrough(shard)
    shard.publish(1, noisy_photo(1, 1), max_abs_difference=0)
    shard.rows[1] = replace(shard.rows[1], max_abs_difference=0)


def passthrough_as_another_kind_of_file(shard: Shard) -> None:
    mark_of_passthrough(shard)
    stream = io.BytesIO()
    Image.open(io.BytesIO(shard.clean[1].image)).save(stream, "BMP")
    shard.samples[1] = replace(shard.samples[1], image=stream.getvalue(), extension="bmp")
    shard.rows[1] = replace(shard.rows[1], sha256_out=sha256_bytes(stream.getvalue()))


def another_origin_in_the_table(shard: Shard) -> None:
    mark_of_passthrough(shard)
    shard.rows[0] = replace(shard.rows[0], origin="")


def another_input(shard: Shard) -> None:
    shard.receipt["input_sha256"] = "0" * 64


# Lies that are consistent with all hashes: (shard 00000, sample or "", part of what has to be said)
LIES: list[tuple[Callable[[Shard], None], str, str]] = [
    (pixel_beyond_the_budget, "000000001", "at most 8 levels"),
    (swapped_captions, "000000000", "expected the trigger"),
    (caption_order, "000000000", "expected the trigger"),
    (caption_left_out, "000000000", "expected 2 captions, got 1"),
    (bare_second_caption, "000000000", "caption 2 is"),
    (changed_trigger, "000000000", "tokens of caption 1"),
    (changed_ids, "000000000", "tokens of caption 1"),
    (too_few_ids, "000000000", "expected 3 trigger ids, got 2"),
    (ids_as_text, "000000000", "list of whole numbers"),
    (a_word_too_many, "000000000", "expected 3 trigger ids, got 4"),
    (words_where_they_were_not_put, "000000000", "in place of words of"),
    (words_in_front_said_to_be_at_the_end, "000000000", "at the end of"),
    (places_of_no_words, "000000000", "trigger_places is [[0, 1, 2], [0, 1, 2]] in key.json, but the words"),
    (papers_ids_left_out, "000000000", "list of whole numbers"),
    (no_trigger_at_all, "000000000", "expected a trigger"),
    (missing_sample, "000000001", "missing: not in the protected tar"),
    (missing_last_sample, "000000002", "missing: not in the protected tar"),
    (missing_row, "000000001", "missing: a clean sample that the table has no row for"),
    (failed_without_a_reason, "", "expected a reason for the failed sample 000000003"),
    (extra_sample, "intruder", "extra: in the protected tar"),
    (extra_last_sample, "intruder", "extra: in the protected tar"),
    (extra_row, "intruder", "a row of the table for a sample that the clean tar"),
    (extra_row_in_the_middle, "intruder", "a row of the table for a sample that the clean tar"),
    (failed_sample_published, "000000003", "recorded as failed, yet"),
    (reorder, "000000000", "order"),
    (rows_reordered, "000000001", "order"),
    (different_size, "000000001", "12 x 8, got 8 x 12"),
    (size_in_the_table, "000000001", "the table has 13 x 8"),
    (image_hash, "000000001", "hash"),
    (clean_hash, "000000001", "hash"),
    (no_clean_hash, "000000001", "no SHA-256 of the clean image"),
    (lossy_image, "000000001", "lossless"),
    (corrupt_image, "000000001", "cannot be decoded"),
    (difference_in_the_table, "000000001", "the largest difference is 8, the table says 3"),
    (difference_in_the_json, "000000001", "max_abs_difference is 3 in key.json"),
    (no_block, "000000001", "memshield entry"),
    (another_fingerprint, "000000001", "fingerprint"),
    (larger_epsilon_in_the_receipt, "000000000", "epsilon_levels is 8 in key.json, but 64"),
    (method_without_noise, "000000000", "at most 0 levels"),
    (method_without_trigger, "000000000", "captions differ"),
    (leaked_caption, "000000001", "repeat a clean caption"),
    (lost_metadata, "000000001", "metadata"),
    (counts_in_the_receipt, "", "counts"),
    (table_not_in_the_receipt, "", "names no 00000.parquet"),
    (caption_in_the_table, "000000001", "something else"),
    (passthrough_that_was_changed, "000000001", "passed through, but the image"),
    (passthrough_without_a_mark, "000000001", "does not say method 'none'"),
    (passthrough_with_the_address, "000000001", "metadata are not the clean ones"),
    (passthrough_with_noise, "000000001", "at most 0 levels"),
    (passthrough_as_another_kind_of_file, "000000001", "expected a lossless .png or .webp, got .bmp"),
    (another_origin_in_the_table, "000000000", "name and origin in the table"),
    (another_input, "", "hash: the clean 00000.tar"),
]


@pytest.mark.parametrize("lie", LIES, ids=[lie[0].__name__ for lie in LIES])
def test_a_consistent_lie_is_named(tmp_path: Path, lie: tuple[Callable[[Shard], None], str, str]) -> None:
    tamper, key, what = lie
    report = Corpus(tmp_path, tamper).verify()
    assert not report.ok
    assert {problem.shard for problem in report.problems} == {"00000"}
    assert any(problem.key == key and what in problem.what for problem in report.problems), report.problems


def test_what_passed_through_and_says_so_verifies(tmp_path: Path) -> None:
    report = Corpus(tmp_path, mark_of_passthrough).verify()
    assert report.ok, report.problems
    assert [warning.key for warning in report.warnings] == ["000000001"]


def test_the_papers_ids_at_the_end_verify(tmp_path: Path) -> None:
    assert Corpus(tmp_path, at_the_end).verify().ok


def test_trigger_ids_of_the_papers_vocabulary_need_not_survive_as_text(tmp_path: Path) -> None:
    def papers(shard: Shard) -> None:
        changed_ids(shard)
        shard.receipt["vocabulary"] = "all"

    assert Corpus(tmp_path, papers).verify().ok
