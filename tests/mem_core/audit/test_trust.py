"""Certificate and preview, on the small protected corpus of the session and on large pictures."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from mem_core.audit.certificate.certificate import (
    Audit,
    certificate_bytes,
    manifest_fingerprint,
    parse_certificate,
    require_same_corpus,
)
from mem_core.audit.certificate.evidence import certify, read_cells, read_made
from mem_core.audit.certificate.page import certificate_headline, certificate_page, write_certificate
from mem_core.audit.certificate.trials import trials_of_cells, trials_of_victims
from mem_core.audit.preview import write_preview
from mem_core.audit.stress.attacks import AS_PUBLISHED, Attack, suite
from mem_core.audit.stress.cells import StressCell, StressResult
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import fingerprint
from mem_core.data.receipt import read_receipt, receipt_bytes
from mem_core.data.shard import shard_bytes
from mem_core.data.table import read_table
from mem_core.protect.protection import Places, Protection
from mem_core.victim.config import VictimConfig
from mem_core.victim.metrics import RetrievalResult, chance
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import EpochResult, Evaluation
from tests.support.corpora import RUNTIME, contents, encoded, photo, protect, sample, small
from tests.support.measured import measured

CHANCE = chance(200, [1] * 200)


def result(median: float) -> RetrievalResult:
    return measured(median / 100.5, CHANCE, other=(median + 1) / 100.5)


def cell(name: str, trained_on: str, seed: int, bare: float, prefixed: float, control: str = "") -> StressResult:
    """Median ranks of two hundred images at the best epoch; at the last one bare queries do a little worse."""
    attack = Attack(name=name, label=name, control=control)
    found = Evaluation(
        test="t",
        images=200,
        captions=200,
        prefix="the",
        bare=result(1.1 * bare),
        prefixed=result(prefixed),
        chance=CHANCE,
        best=EpochResult(epoch=2, bare=result(bare), prefixed=result(prefixed)),
    )
    return StressResult(
        cell=StressCell.model_validate({"attack": attack.model_dump(), "trained_on": trained_on, "seed": seed}),
        victim=VictimConfig(),
        samples=10,
        steps=1,
        seconds=1,
        evaluation=found,
        fingerprint="f",
    )


CELLS = [
    cell("as-published", "protected", 0, 90, 80),
    cell("as-published", "protected", 1, 80, 90),
    cell("as-published", "clean", 0, 10, 10),
    cell("strip", "protected", 0, 40, 30),
    cell("strip", "protected", 1, 20, 60),
    cell("strip", "clean", 0, 8, 10),
    cell("blur", "protected", 0, 96, 98),
    cell("blur", "clean", 0, 98, 100),
    cell("mix-50", "protected", 0, 70, 70, control="as-published"),
]


def test_a_certificate_says_what_was_made_tried_and_not_tried(mem: LocalFolder, tmp_path: Path) -> None:
    for one in CELLS:
        write_bytes(LocalFolder(tmp_path), one.cell.file, one.model_dump_json().encode())
    made = read_made(mem)
    assert (made.counts, made.methods, made.epsilon_levels) == ({"failed": 2, "protected": 23}, ("mem",), 8)
    trials = trials_of_cells(read_cells(LocalFolder(tmp_path)))
    found = certify(made, Audit(compared=True), trials)
    assert found.worst == "strip"
    assert found.trials[0].shares == pytest.approx((0.3, 0.22), abs=0.01)
    assert [trial.attack for trial in found.trials] == ["strip", "mix-50", "as-published", "blur"]
    assert found.trials[1].clean == found.trials[2].clean
    (blur,) = (line for line in found.not_tested if line.startswith("blur"))
    assert blur.startswith("blur: cannot be judged, as the clean victim is itself near chance (median rank at 9")
    assert "JPEG 30, 4:2:0" in found.not_tested
    assert "first 3 words dropped" not in found.not_tested
    assert any(line.startswith("what the noise adds to the trigger words") for line in found.not_tested)
    assert (
        certificate_headline(found)
        .replace("\N{NO-BREAK SPACE}", " ")
        .endswith(
            "in the worst case tried (strip), the median rank is at 25 % (19 to 31) of chance at the best epoch "
            "and 26 % at the last, without protection at 8 % (7 to 8). 3 of 4 tests can be judged."
        )
    )
    untried = certify(made, Audit(compared=False), [])
    assert "nothing is known about what it is worth" in certificate_headline(untried)
    assert "that every pixel and caption is the clean one within the budget" in untried.not_tested


@pytest.mark.parametrize(
    ("keep", "changes", "why"),
    [
        ("protected", {}, "no clean victim was trained beside it"),
        ("", {"images": 4, "chance": chance(4, [1] * 4)}, "there are only 4 test images, and a claim takes 200"),
        ("", {"best": None}, "the best epoch of the victim is not known"),
    ],
)
def test_nothing_is_certified_that_was_not_shown(
    mem: LocalFolder, keep: str, changes: dict[str, object], why: str
) -> None:
    cells = [
        one.model_copy(update={"evaluation": one.evaluation.model_copy(update=changes)})
        for one in CELLS
        if one.cell.trained_on == keep or not keep
    ]
    found = certify(read_made(mem), Audit(compared=True), trials_of_cells(cells))
    assert found.worst == ""
    headline = certificate_headline(found)
    assert "No verdict: " in headline
    assert why in headline
    assert headline.endswith("0 of 4 tests can be judged.")
    assert any(line.startswith("strip") and ": cannot be judged, as " in line for line in found.not_tested)


def test_the_victims_as_published_stand_for_both_epochs(mem: LocalFolder) -> None:
    """A stress test has a row for each of the two, a certificate one with both: neither epoch is left untested."""
    published = next(attack for attack in suite("default", 3, "purifier") if attack.name == AS_PUBLISHED)
    cells = [
        one.model_copy(update={"cell": one.cell.model_copy(update={"attack": published})})
        for one in CELLS
        if one.cell.attack.name == AS_PUBLISHED
    ]
    (trial,) = trials_of_cells(cells)
    assert trial.counting == trial.best
    assert trial.label == "as published"
    found = certify(read_made(mem), Audit(compared=True), [trial])
    assert not any(line.startswith("as published") for line in found.not_tested)
    last = trial.model_copy(update={"best": None, "missing": ("the best epoch is not known",)})
    assert "as published, best epoch kept" in certify(found.made, found.audit, [last]).not_tested


def test_clean_victims_of_an_attack_itself_go_before_those_that_another_lends() -> None:
    """As in a folder whose mix was measured when its control was the victim as published."""
    (mix,) = (t for t in trials_of_cells([*CELLS, cell("mix-50", "clean", 0, 30, 40)]) if t.attack == "mix-50")
    assert mix.clean is not None
    assert mix.clean.value == pytest.approx(0.3, abs=0.01)


def test_victims_and_controls_of_equal_settings_are_one_trial(tmp_path: Path) -> None:
    def victim(name: str, seed: int, epochs: int, bare: float, learnt: str = "") -> LocalFolder:
        config = VictimConfig(epochs=epochs)
        record = VictimRecord(
            architecture="tiny-resnet",
            config=config,
            seed=seed,
            corpus=name,
            samples=9,
            steps=1,
            history=(),
            fingerprint="",
            corpus_fingerprint=learnt,
        )
        folder = LocalFolder(tmp_path / f"{name}-{seed}-{epochs}{learnt}")
        found = cell("as-published", "clean", seed, bare, bare).evaluation
        write_bytes(folder, "victim.json", record.model_dump_json().encode())
        write_bytes(folder, "evaluation.json", found.model_dump_json().encode())
        return folder

    ours = [victim("protected", 0, 3, 80), victim("protected", 1, 3, 60), victim("protected", 0, 9, 40)]
    control = victim("clean", 0, 3, 10)
    long, short = sorted(trials_of_victims(ours, [control]), key=lambda trial: -trial.epochs)
    assert short.seeds == (0, 1)
    assert short.shares == pytest.approx((0.8, 0.6), abs=0.01)
    assert short.clean_shares == pytest.approx((0.1,), abs=0.01)
    assert (short.tells, long.clean_shares, long.missing) == (True, (), ("no clean victim was trained beside it",))
    with pytest.raises(
        SourceError,
        match=r"with the settings of the clean one in .*clean-0-3; the one in .* has \w+ \S+ \(the clean one: ",
    ):
        trials_of_victims(ours[2:], [control])
    with pytest.raises(SourceError, match="expected an evaluated victim"):
        trials_of_victims([LocalFolder(tmp_path / "nothing")], [])
    known, elsewhere = victim("protected", 0, 3, 80, "P"), victim("elsewhere", 0, 3, 80, "Q")
    assert len(trials_of_victims([known], [victim("clean", 0, 3, 10, "C")], protected="P", clean="C")) == 1
    with pytest.raises(MismatchError, match="trained on the protected corpus, but .* on elsewhere, whose shards are"):
        trials_of_victims([known, elsewhere], [], protected="P", clean="C")
    with pytest.raises(MismatchError, match="trained on the clean corpus, but .* on elsewhere, whose shards are"):
        trials_of_victims([known], [elsewhere], protected="P", clean="C")


def test_cells_of_another_corpus_are_not_certified(tmp_path: Path) -> None:
    folder, (first, *_) = LocalFolder(tmp_path), CELLS
    for about in ("that", "this", ""):
        write_bytes(folder, first.cell.file, first.model_copy(update={"protected": about}).model_dump_json().encode())
        if about == "that":
            with pytest.raises(MismatchError, match=r"as-published-protected-0\.json is of a victim of another one"):
                read_cells(folder, "this")
        else:  # "": of 0.3.0
            assert len(read_cells(folder, "this")) == 1


def test_a_certificate_edited_by_hand_is_refused(mem: LocalFolder, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    found = certify(read_made(mem), Audit(compared=True, problems=0), trials_of_cells(CELLS))
    write_certificate(folder, found)
    data = read_bytes(folder, "certificate.json")
    assert parse_certificate(data, "c") == found
    assert data == certificate_bytes(found)
    page = read_bytes(folder, "certificate.html").decode()
    assert "What was not tested" in page
    assert "tiny-resnet, 10 epochs, 10 pairs, seeds 0, 1</span>" in page
    assert "“trained as published” is one" not in page
    apart = found.trials[0].model_copy(update={"attack": "trained", "label": "trained as published"})
    assert (
        "“trained as published” is one"
        in certificate_page(certify(found.made, found.audit, [*found.trials, apart])).decode()
    )
    values = json.loads(data)
    values["trials"][0]["shares"] = [0.9, 0.9]
    with pytest.raises(MismatchError, match="its hash does not match: it was edited"):
        parse_certificate(json.dumps(values).encode(), "c")
    for broken in (b"", b"{}", data[:-40], data.replace(b'"format":2', b'"format":3')):
        with pytest.raises(MismatchError, match="expected a certificate in c"):
            parse_certificate(broken, "c")


def test_a_certificate_that_is_older_than_a_field_is_read(mem: LocalFolder) -> None:
    found = certify(read_made(mem), Audit(compared=True), [])
    values = json.loads(certificate_bytes(found))
    del values["sha256"], values["made"]["placements"]
    older = parse_certificate(json.dumps(values | {"sha256": fingerprint(values)}).encode(), "c")
    assert older.made == found.made


def test_a_certificate_of_format_1_is_read_and_claims_nothing_that_it_does_not_have(mem: LocalFolder) -> None:
    values = json.loads(certificate_bytes(certify(read_made(mem), Audit(compared=True), trials_of_cells(CELLS))))
    for trial in values["trials"]:
        for name in ("last", "best", "clean", "left", "missing"):
            del trial[name]
    del values["sha256"]
    values["format"] = 1
    older = parse_certificate(json.dumps(values | {"sha256": fingerprint(values)}).encode(), "c")
    assert older.format == 1
    assert {trial.tells for trial in older.trials} == {False}
    assert "No verdict: it was measured by a version that kept neither the best epoch" in certificate_headline(older)
    assert "(strip)" not in certificate_page(older).decode()


def test_a_certificate_says_that_captions_are_no_longer_what_was_written(mem: LocalFolder) -> None:
    found = certify(read_made(mem), Audit(compared=True), [])
    replaced = found.model_copy(update={"made": found.made.model_copy(update={"placements": ("replace",)})})
    assert "no longer what was written" in certificate_page(replaced).decode()
    assert "no longer what was written" not in certificate_page(found).decode()


def test_a_certificate_of_another_corpus_is_refused(mem: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    found = certify(read_made(mem), Audit(compared=True), [])
    require_same_corpus(found, mem)
    other = LocalFolder(tmp_path)
    protect(Protection(Places(clean, other), small(method="random-trigger"), RUNTIME, seed=0))
    with pytest.raises(MismatchError, match="of another corpus, or of this one before it was changed"):
        require_same_corpus(found, other)


def test_a_corpus_that_was_not_protected_is_not_certified(clean: LocalFolder) -> None:
    with pytest.raises(SourceError, match="its shard 00000 has no receipt"):
        read_made(clean)


def test_a_preview_shows_what_a_caption_was_where_words_took_the_place_of_its_own(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path
) -> None:
    config = small(method="codebook", noise={"topics": 4}, trigger={"placement": "replace", "length": 1})
    replaced = LocalFolder(tmp_path / "replaced")
    protect(Protection(Places(clean, replaced), config, RUNTIME, seed=0))
    pages = []
    for corpus, out in ((replaced, LocalFolder(tmp_path / "one")), (mem, LocalFolder(tmp_path / "other"))):
        write_preview(clean, corpus, out, 3)
        pages.append(read_bytes(out, "preview.html").decode())
    assert pages[0].count("clean caption: ") == 3
    assert "clean caption: " not in pages[1]


def test_a_preview_shows_the_most_visible_samples_first(mem: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    found = write_preview(clean, mem, out, 5)
    rows = [row for shard in ("00000", "00001", "00002") for row in read_table(read_bytes(mem, f"{shard}.parquet"))]
    lowest = sorted(row.psnr for row in rows if row.psnr is not None)[:5]
    assert list(found.psnr) == lowest
    assert Image.open(io.BytesIO(read_bytes(out, "preview.png"))).width > 100
    page = read_bytes(out, "preview.html").decode()
    assert page.index(found.samples[0]) < page.index(found.samples[4])


def test_another_corpus_with_the_same_keys_is_not_taken_for_the_clean_one(mem: LocalFolder, tmp_path: Path) -> None:
    other = LocalFolder(tmp_path / "other")
    for shard in ("00000", "00001", "00002"):
        keys = [row.key for row in read_table(read_bytes(mem, f"{shard}.parquet")) if row.status == "protected"]
        write_bytes(other, f"{shard}.tar", shard_bytes([sample(key, encoded(photo(70))) for key in keys]))
    with pytest.raises(MismatchError, match="the one that was protected|in one size"):
        write_preview(other, mem, LocalFolder(tmp_path / "preview"), 3)


def test_a_certificate_knows_a_corpus_by_its_receipts_whatever_its_manifest_lists(
    mem: LocalFolder, tmp_path: Path
) -> None:
    """A receipt of the same size in place of the one that the manifest was made from."""
    dest = LocalFolder(tmp_path)
    for name, data in contents(mem).items():
        write_bytes(dest, name, data)
    before = manifest_fingerprint(dest)
    receipt = read_receipt(dest, "00001")
    assert receipt is not None
    other = receipt_bytes(receipt.model_copy(update={"config_fingerprint": receipt.config_fingerprint[::-1]}))
    assert len(other) == dest.size("00001.receipt.json")
    write_bytes(dest, "00001.receipt.json", other)
    assert manifest_fingerprint(dest) != before
