"""What `status` reads out of storage."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mem_core.common.errors import SourceError
from mem_core.experiments.config import RunConfig
from tasks.status import read_status


def test_a_finished_clean_corpus(clean_corpus: Path) -> None:
    found = read_status(str(clean_corpus / "train"))
    (corpus,) = found.corpora
    assert (corpus.place, corpus.method, corpus.done, corpus.pending) == (".", "clean", 3, 0)
    assert corpus.counts == {"clean": 64}
    assert found.finished


def test_shards_of_another_tool_are_complete_as_they_are(clean_corpus: Path, tmp_path: Path) -> None:
    shutil.copy(clean_corpus / "train/00000.tar", tmp_path)
    (corpus,) = read_status(str(tmp_path)).corpora
    assert (corpus.method, corpus.done, corpus.pending) == ("made elsewhere", 1, 0)


def test_what_is_pending_shows_beside_the_clean_corpus(clean_corpus: Path, tmp_path: Path) -> None:
    for name in ("00000.tar", "00000.parquet", "00000.receipt.json", "00000_stats.json"):
        shutil.copy(clean_corpus / "train" / name, tmp_path)
    found = read_status(str(tmp_path), str(clean_corpus / "train"))
    assert (found.corpora[0].done, found.corpora[0].pending) == (1, 2)
    assert not found.finished
    (tmp_path / "00000.parquet").unlink()
    found = read_status(str(tmp_path), str(clean_corpus / "train"))
    assert (found.corpora[0].done, found.corpora[0].pending) == (0, 3)


def test_a_pipeline_that_has_only_begun_shows_all_that_is_to_come(
    clean_corpus: Path, tmp_path: Path, smoke: RunConfig, read_tree: Callable[[Path], dict[str, bytes]]
) -> None:
    shutil.copytree(clean_corpus, tmp_path / "clean")
    (tmp_path / "run.json").write_text(smoke.model_dump_json())
    before = read_tree(tmp_path)
    found = read_status(str(tmp_path))
    pending = {corpus.place: corpus.pending for corpus in found.corpora}
    assert pending == {"clean/test": 0, "clean/train": 0, "clean/val": 0, "rows/mem/protected": 3}
    assert [(victim.place, victim.trained) for victim in found.victims] == [
        ("rows/clean/victim-0", False),
        ("rows/mem/victim-0", False),
    ]
    assert read_tree(tmp_path) == before  # looking changes nothing


def test_failed_samples_are_counted_by_reason(clean_corpus: Path, tmp_path: Path) -> None:
    for path in (clean_corpus / "train").glob("0000[01]*"):
        shutil.copy(path, tmp_path)
    for shard in ("00000", "00001"):
        (tmp_path / f"{shard}_stats.json").write_text('{"status_dict": {"the image is cut short": 2}}')
    assert read_status(str(tmp_path)).corpora[0].reasons == {"the image is cut short": 4}


def test_an_empty_place_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing of the kind"):
        read_status(str(tmp_path))


def test_a_damaged_note_of_a_run_hides_nothing(clean_corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(clean_corpus / "train", tmp_path / "corpus")
    for text in ("{", "[]", "{}"):
        (tmp_path / "corpus" / "_state").mkdir(exist_ok=True)
        (tmp_path / "corpus" / "_state" / "job.json").write_text(text)
        assert read_status(str(tmp_path / "corpus")).corpora[0].done


def test_a_fit_says_how_far_it_is(clean_corpus: Path, tmp_path: Path) -> None:
    job = {"clean": str(clean_corpus / "train"), "config": {"rounds": 4}}
    for name, text in (("job.json", json.dumps(job)), ("fit.txt", "ab")):
        (tmp_path / "_state").mkdir(exist_ok=True)
        (tmp_path / "_state" / name).write_text(text)
    for surrogates, fitting in ((0, (1, 4)), (1, (1, 4)), (2, (2, 4))):
        (tmp_path / "protector").mkdir(exist_ok=True)
        for number in range(surrogates):
            (tmp_path / f"protector/surrogate-{number:03d}.safetensors").touch()
        (corpus,) = read_status(str(tmp_path)).corpora
        assert (corpus.fitting, corpus.pending) == (fitting, 3)
    (tmp_path / "protector/protector.json").touch()
    assert read_status(str(tmp_path)).corpora[0].fitting is None


def test_a_fit_in_one_round_has_no_more(tmp_path: Path, clean_corpus: Path) -> None:
    job = {"clean": str(clean_corpus / "train"), "config": {"method": "uap", "rounds": 4}}
    (tmp_path / "_state").mkdir()
    for name, text in (("job.json", json.dumps(job)), ("fit.txt", "ab")):
        (tmp_path / "_state" / name).write_text(text)
    assert read_status(str(tmp_path)).corpora[0].fitting == (1, 1)
