"""`protect --twins` and what follows it: nights, verification, and a key that no record of a run ever sees."""

import asyncio
import json
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.protect.coins import load_key
from mem_core.protect.twins import read_twins, read_twins_record
from tests.support.command_line import Command

SETTINGS = ("--preset", "smoke", "--no-server")
CODEBOOK = ("--method", "codebook", "--set", "protect.noise.topics=2")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, so that keys of other tests are not found."""
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def arrive(source: Path, crawl: Path, *shards: str) -> None:
    crawl.mkdir(parents=True, exist_ok=True)
    for path in (source / "train").iterdir():
        if path.name.partition(".")[0].removesuffix("_stats") in shards:
            (crawl / path.name).write_bytes(path.read_bytes())


def drawn(dest: Path) -> dict[str, int]:
    """Key -> the draw that is published, of each sample with a twin."""
    return {pair.key: pair.row.draw for pair in read_twins(LocalFolder(dest))}


def test_new_shards_of_a_night_get_coins_of_their_own(
    clean_corpus: Path, tmp_path: Path, home: Path, command: Command, prefect_api: str
) -> None:
    crawl, dest = tmp_path / "crawl", tmp_path / "dest"
    arrive(clean_corpus, crawl, "00000", "00001")
    done = command("protect", crawl, dest, "--twins", *CODEBOOK, *SETTINGS)
    assert done.exit_code == 0, done.output
    before = drawn(dest)
    arrive(clean_corpus, crawl, "00002")
    night = command("nightly", crawl, dest, *SETTINGS)
    assert night.exit_code == 0, night.output
    after = drawn(dest)
    assert {key: after[key] for key in before} == before
    assert len(after) == 64
    assert {draw for key, draw in after.items() if key.startswith("00002")} == {0, 1}
    assert command("nightly", crawl, dest, *SETTINGS).output.count("0 shards protected") == 1
    told = command("verify", crawl, dest, "--no-server")
    assert (told.exit_code, "warning" in told.output) == (0, False), told.output
    assert [path.suffix for path in sorted((home / "keys").iterdir())].count(".key") == 1


def test_a_night_without_the_key_stops_before_it_writes(
    clean_corpus: Path, tmp_path: Path, home: Path, command: Command, prefect_api: str
) -> None:
    crawl, dest = tmp_path / "crawl", tmp_path / "dest"
    arrive(clean_corpus, crawl, "00000")
    assert command("protect", crawl, dest, "--twins=0.5", *CODEBOOK, *SETTINGS).exit_code == 0
    (key,) = (home / "keys").glob("*.key")
    kept = key.rename(tmp_path / "kept.key")
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    arrive(clean_corpus, crawl, "00001")
    night = command("nightly", crawl, dest, *SETTINGS)
    assert night.exit_code == 1
    assert "expected the secret key of the twins in" in night.output.replace("\n", " ")
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before
    told = command("verify", crawl, dest, "--no-server")
    assert "the coins of the twins were not checked" in told.output.replace("\n", " ")
    found = command("nightly", crawl, dest, "--twins-key", kept, *SETTINGS)
    assert found.exit_code == 0, found.output
    assert {key[:5] for key in drawn(dest)} == {"00000", "00001"}
    assert command("verify", crawl, dest, "--twins-key", kept, "--no-server").exit_code == 0


def test_a_share_is_as_asked_for_and_a_mistake_is_one_sentence(
    clean_corpus: Path, tmp_path: Path, command: Command, prefect_api: str
) -> None:
    crawl, dest = tmp_path / "crawl", tmp_path / "dest"
    arrive(clean_corpus, crawl, "00000")
    words = ("--method", "random-trigger", *SETTINGS)
    assert command("protect", crawl, dest, "--twins", "0.4", *words).exit_code == 0
    record = read_twins_record(LocalFolder(dest))
    assert record is not None
    assert record.share == 0.4
    assert 0 < len(drawn(dest)) < 24
    other = command("protect", crawl, dest, *words)
    assert other.exit_code == 1
    assert "or add --twins" in other.output.replace("\n", " ")
    for wrong in (("--twins", "0"), ("--twins", "1.5"), ("--twins-key", tmp_path / "a.key")):
        assert command("protect", crawl, tmp_path / "new", *wrong, *words).exit_code == 2
    assert not (tmp_path / "new").exists()
    refused = command("protect", crawl, tmp_path / "new", "--twins", "--method", "constant-trigger", *SETTINGS)
    assert "constant-trigger draws none" in refused.output.replace("\n", " ")


def test_no_record_of_a_run_has_the_key(clean_corpus: Path, tmp_path: Path, home: Path, prefect_api: str) -> None:
    """Parameters, task inputs, logs, artifacts and states of the run, as the server keeps them."""
    from flows.cli.presets import load_preset
    from flows.protect import protect

    crawl, dest = tmp_path / "crawl", tmp_path / "dest"
    arrive(clean_corpus, crawl, "00000")
    config = load_preset("smoke", ["protect.method=random-trigger"])
    protect(str(crawl), str(dest), config=config.protect, runtime=config.runtime, twins=1.0)
    record = read_twins_record(LocalFolder(dest))
    assert record is not None
    secret = load_key(home / "keys" / f"{record.corpus}.key").secret
    kept = asyncio.run(all_records())
    assert str(dest) in kept
    assert secret.hex() not in kept
    assert record.draws
    assert record.draws not in kept
    assert str(secret) not in kept
    assert json.dumps(list(secret)) not in kept


async def all_records() -> str:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        runs = await client.read_flow_runs()
        tasks = await client.read_task_runs()
        logs = await client.read_logs()
        artifacts = await client.read_artifacts()
    return "\n".join(one.model_dump_json() for one in (*runs, *tasks, *logs, *artifacts))
