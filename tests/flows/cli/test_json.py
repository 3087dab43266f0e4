"""`--json`: one object on standard output, with the fields that are documented, and the exit codes of always."""

import os
import shutil
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.protect.failures import Failures, write_failures
from tests.support.command_line import Command
from tests.support.documented_fields import as_documented

pytestmark = pytest.mark.usefixtures("prefect_api")
SMOKE = ("--preset", "smoke", "--no-server")
LONG_AGO = 1_600_000_000  # seconds


@pytest.fixture
def protected(command: Command, clean_corpus: Path, tmp_path: Path) -> Path:
    """Three shards with random words, protected at once."""
    dest = tmp_path / "protected"
    done = command("protect", clean_corpus / "train", dest, "--method", "random-trigger", *SMOKE)
    assert done.exit_code == 0, done.output
    return dest


def test_verify(command: Command, clean_corpus: Path, protected: Path) -> None:
    found = command("verify", clean_corpus / "train", protected, "--json", "--no-server")
    values = as_documented(found.stdout, "verify")
    assert (found.exit_code, values["ok"], values["shards"], values["problems"]) == (0, True, 3, [])
    data = bytearray((protected / "00000.tar").read_bytes())
    data[1000] ^= 1
    (protected / "00000.tar").write_bytes(data)
    found = command("verify", clean_corpus / "train", protected, "--json", "--no-server")
    values = as_documented(found.stdout, "verify")
    assert (found.exit_code, values["ok"], values["problems"][0]["shard"]) == (1, False, "00000")
    found = command("verify", protected, "--published-only", "--json", "--no-server")
    assert (found.exit_code, as_documented(found.stdout, "verify")["ok"]) == (1, False)


def test_status(command: Command, clean_corpus: Path, protected: Path, tmp_path: Path) -> None:
    clean = Path(shutil.copytree(clean_corpus / "train", tmp_path / "clean"))
    checked = ("status", protected, "--clean", clean, "--check", "--json")
    found = command(*checked)
    values = as_documented(found.stdout, "status")
    assert (found.exit_code, values["finished"], values["problems"]) == (0, True, [])
    assert values["corpora"][0]["source"] == str(clean)
    assert values["corpora"][0]["longest_waiting"] is None

    shutil.copy(clean / "00000.tar", clean / "00003.tar")  # just arrived
    found = command(*checked)
    values = as_documented(found.stdout, "status")
    assert (found.exit_code, values["finished"], values["problems"]) == (0, False, [])
    assert values["corpora"][0]["longest_waiting"]["shard"] == "00003"
    os.utime(clean / "00003.tar", (LONG_AGO, LONG_AGO))
    found = command(*checked)
    (problem,) = as_documented(found.stdout, "status")["problems"]
    assert (found.exit_code, problem["kind"], problem["shards"]) == (1, "waiting", 1)
    assert command(*checked, "--max-age", "90000d").exit_code == 0
    found = command("status", protected, "--clean", clean, "--json")
    assert (found.exit_code, as_documented(found.stdout, "status")["problems"]) == (0, None)

    write_failures(LocalFolder(protected), Failures(clean=str(clean), shards={"00003": "it is cut short"}))
    found = command(*checked)
    (problem,) = as_documented(found.stdout, "status")["problems"]
    assert (found.exit_code, problem["kind"], problem["what"]) == (1, "failed", "1 shard failed on every attempt")


def test_a_check_in_words(command: Command, clean_corpus: Path, protected: Path) -> None:
    found = command("status", protected, "--check")
    assert found.exit_code == 1
    assert "is not known: name the clean corpus with --clean" in found.stdout
    assert command("status", clean_corpus / "train", "--check").exit_code == 0  # is made from no other
    found = command("status", protected, "--check", "--max-age", "soon")
    assert (found.exit_code, found.stderr.strip()) == (
        1,
        "memshield: expected a time as 90m, 26h or 2d, got 'soon'",
    )


def test_estimate_and_evaluate(
    command: Command, clean_corpus: Path, protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    found = command("estimate", clean_corpus / "train", "--set", "protect.method=random-noise", "--json", *SMOKE)
    values = as_documented(found.stdout, "estimate")
    assert found.exit_code == 0
    assert values["total"]["seconds"] == pytest.approx(sum(stage["seconds"] for stage in values["stages"]))
    assert set(values["total"]) == set(values["stages"][0]) - {"name", "passing"} | {"fullest"}

    victim = tmp_path / "victim"
    assert command("train", protected, victim, "--validation", clean_corpus / "val", *SMOKE).exit_code == 0
    found = command("evaluate", victim, clean_corpus / "test", "--json", *SMOKE)
    values = as_documented(found.stdout, "evaluate")
    assert (found.exit_code, "draws" in found.stdout) == (0, False)
    assert values["share_of_chance"]["best"]["value"] > 0
    assert values["chance"]["text_to_image"]["median_rank"] == 8.5


def test_an_error_leaves_standard_output_empty(command: Command, tmp_path: Path) -> None:
    found = command("status", tmp_path / "nowhere", "--json")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("memshield: expected shards or a pipeline's folders")
