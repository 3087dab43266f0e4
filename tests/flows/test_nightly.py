"""Nights: only what is new, with the stored protector; what fails waits for `retry`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.advice import about_failed_shards
from flows.mapping import ShardsFailed
from flows.nightly import nightly
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RunnerConfig
from mem_core.data.manifest import read_manifest
from mem_core.data.receipt import read_receipt
from mem_core.data.table import read_rows
from mem_core.protect.failures import read_failures
from tasks.artifacts import artifact_key
from tasks.status import read_status
from tests.support.command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")
SETTINGS = ("--preset", "smoke", "--no-server")
Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def crawl(clean_corpus: Path, tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """A crawl/ with one shard that is protected in protected/, for tests to copy."""
    from flows.protect import protect

    place = tmp_path_factory.mktemp("nights")
    arrive(clean_corpus, place / "crawl", "00000")
    protect(str(place / "crawl"), str(place / "protected"), "smoke")
    return place


@pytest.fixture
def nights(crawl: Path, tmp_path: Path) -> Path:
    """A copy of the first night's crawl/ and protected/."""
    import shutil

    return Path(shutil.copytree(crawl, tmp_path / "nights"))


def arrive(source: Path, crawl: Path, *shards: str) -> None:
    crawl.mkdir(parents=True, exist_ok=True)
    for path in (source / "train").iterdir():
        if path.name.partition(".")[0].removesuffix("_stats") in shards:
            (crawl / path.name).write_bytes(path.read_bytes())


def test_two_nights_leave_what_one_run_leaves(
    nights: Path, clean_corpus: Path, command: Command, read_tree: Tree
) -> None:
    crawl, dest, other = nights / "crawl", nights / "protected", nights / "other"
    first = {path.name: path.stat().st_mtime_ns for path in dest.glob("00000*")}
    for shard in ("00002", "00001"):  # in any order
        arrive(clean_corpus, crawl, shard)
        done = command("nightly", crawl, dest, *SETTINGS)
        assert done.exit_code == 0, done.output
        assert "1 shards protected" in done.output
    nothing = command("nightly", crawl, dest, *SETTINGS)
    assert (nothing.exit_code, "0 shards protected" in nothing.output) == (0, True)
    assert first == {path.name: path.stat().st_mtime_ns for path in dest.glob("00000*")}
    manifest = read_manifest(LocalFolder(dest))
    assert manifest is not None
    assert [entry.name for entry in manifest.shards] == ["00000", "00001", "00002"]

    protector = dest / "protector"
    assert command("protect", crawl, other, "--protector", protector, *SETTINGS).exit_code == 0
    of_shards = [{n: data for n, data in read_tree(place).items() if n.startswith("0")} for place in (dest, other)]
    assert of_shards[0] == of_shards[1]
    assert command("verify", crawl, dest, "--no-server").exit_code == 0


def test_a_tar_that_cannot_be_read_holds_up_no_other_and_is_retried(
    nights: Path, clean_corpus: Path, command: Command
) -> None:
    crawl, dest = nights / "crawl", nights / "protected"
    arrive(clean_corpus, crawl, "00002")
    whole = (clean_corpus / "train/00001.tar").read_bytes()
    (crawl / "00001.tar").write_bytes(whole[:3000])  # cut short, as by a crawler that died
    failed = command("nightly", crawl, dest, *SETTINGS)
    assert failed.exit_code == 1
    said = failed.stderr.strip().splitlines()[-1]
    assert said.startswith("memshield: 1 shard failed")
    assert "00001" in said
    assert read_receipt(LocalFolder(dest), "00002") is not None  # the other one is done and listed
    (corpus,) = read_status(str(dest)).corpora
    assert (corpus.done, corpus.pending, list(corpus.failed)) == (2, 0, ["00001"])
    advice = about_failed_shards(str(dest))
    assert said.endswith(advice)
    shown = command("status", dest).stdout
    assert "00001 failed" in shown
    assert advice in shown

    again = command("retry", dest, *SETTINGS)  # nothing has changed
    assert (again.exit_code, again.stderr.strip().endswith(advice)) == (1, True)
    (crawl / "00001.tar").write_bytes(whole)
    finished = (dest / "00002.tar").stat().st_mtime_ns
    retried = command("retry", dest, *SETTINGS)  # and it knows by itself where the shards come from
    assert retried.exit_code == 0, retried.output
    assert "1 shards protected" in retried.output
    assert finished == (dest / "00002.tar").stat().st_mtime_ns
    assert not read_failures(LocalFolder(dest)).shards
    assert command("verify", crawl, dest, "--no-server").exit_code == 0


def test_the_ui_has_a_page_of_the_night(nights: Path, clean_corpus: Path, command: Command, prefect_api: str) -> None:
    crawl, dest = nights / "crawl", nights / "protected"
    arrive(clean_corpus, crawl, "00002")
    (crawl / "00001.tar").write_bytes((clean_corpus / "train/00001.tar").read_bytes()[:3000])
    with pytest.raises(ShardsFailed):
        nightly(str(crawl), str(dest), runtime=RunnerConfig(device="cpu"))
    text = page_of(dest)
    assert text.startswith("**1 shards protected (16 protected), 1 failed, 2 in the manifest**")
    assert "| 00001 | failed | - | - | - | - | expected a whole tar" in text
    least = min(row.psnr for row in read_rows(LocalFolder(dest), "00002") if row.psnr is not None)
    assert f"| 00002 | new | 16 | 0 | {least:.1f} dB | 0." in text
    assert text.count("(data:image/png;base64,") == 1
    assert f"hand out | `{dest}` on " in text

    for path in crawl.glob("00001*"):
        path.unlink()
    assert nightly(str(crawl), str(dest), runtime=RunnerConfig(device="cpu")).protected == 0
    assert page_of(dest).startswith("**0 shards protected, nothing to do: 2 in the manifest**\n\n| what |")


def page_of(dest: Path) -> str:
    """What the last night into a destination shows at its top run."""
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    key = ArtifactFilter(key=ArtifactFilterKey(any_=[artifact_key("night", str(dest))]))
    with get_client(sync_client=True) as client:
        shown = max(client.read_artifacts(artifact_filter=key), key=lambda artifact: str(artifact.created))
        assert shown.flow_run_id is not None
        run = client.read_flow_run(shown.flow_run_id)
    assert (run.name, run.parent_task_run_id) == (f"nightly into {dest}", None)
    return str(shown.data)


def test_failed_samples_are_retried_when_their_shard_was_replaced(
    nights: Path, clean_corpus: Path, command: Command
) -> None:
    crawl, dest = nights / "crawl", nights / "protected"
    whole = (clean_corpus / "train/00001.tar").read_bytes()
    png = whole.index(b"\x89PNG")
    (crawl / "00001.tar").write_bytes(whole[:png] + bytes(8) + whole[png + 8 :])  # one image is none any more
    spoilt = command("nightly", crawl, dest, *SETTINGS)
    assert spoilt.exit_code == 0, spoilt.output
    receipt = read_receipt(LocalFolder(dest), "00001")
    assert receipt is not None
    assert receipt.counts["failed"] == 1
    same = command("retry", dest, "--clean", crawl, *SETTINGS)
    assert (same.exit_code, "their input has not changed" in same.output) == (0, True)
    assert read_receipt(LocalFolder(dest), "00001") == receipt

    (crawl / "00001.tar").write_bytes(whole)
    mended = command("retry", dest, "--clean", crawl, *SETTINGS)
    assert mended.exit_code == 0, mended.output
    receipt = read_receipt(LocalFolder(dest), "00001")
    assert receipt is not None
    assert not receipt.counts.get("failed")
    assert command("verify", crawl, dest, "--no-server").exit_code == 0


def test_a_retry_with_nothing_to_do_succeeds_and_says_so(nights: Path, command: Command) -> None:
    done = command("retry", nights / "protected", *SETTINGS)
    assert (done.exit_code, "nothing to try again: no run has noted a failed shard" in done.output) == (0, True)


def test_shards_may_wait_for_their_statistics(nights: Path, clean_corpus: Path, command: Command) -> None:
    crawl, dest = nights / "crawl", nights / "protected"
    arrive(clean_corpus, crawl, "00001")
    (crawl / "00001_stats.json").unlink()
    waiting = command("nightly", crawl, dest, "--ready", "stats", *SETTINGS)
    assert (waiting.exit_code, "1 not complete yet" in waiting.output) == (0, True)
    assert read_receipt(LocalFolder(dest), "00001") is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nightly", "{crawl}", "{tmp}/new"], "run `memshield protect {crawl} {tmp}/new` once, and then `nightly`"),
        (["nightly", "{crawl}", "{dest}", "--protector", "{tmp}/nowhere"], "expected a finished protector in {tmp}"),
        (["nightly", "{tmp}/nowhere", "{dest}"], "expected shards"),
        (["nightly", "{dest}", "{dest}"], "is the source"),
        (["nightly", "{dest}", "{tmp}/new", "--protector", "{dest}/protector"], "was protected with mem: protecting"),
        (["retry", "{tmp}/nowhere"], "name the clean corpus with --clean"),
    ],
)
def test_mistakes_end_as_one_sentence(
    crawl: Path, tmp_path: Path, command: Command, arguments: list[str], sentence: str
) -> None:
    places = {"{crawl}": crawl / "crawl", "{dest}": crawl / "protected", "{tmp}": tmp_path}
    for mark, place in places.items():
        arguments = [argument.replace(mark, str(place)) for argument in arguments]
        sentence = sentence.replace(mark, str(place))
    result = command(*arguments, *SETTINGS)
    assert result.exit_code == 1
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("memshield: ")
    assert sentence in said


def test_a_method_that_learns_nothing_has_no_nights(crawl: Path, tmp_path: Path, command: Command) -> None:
    clean, dest = crawl / "crawl", tmp_path / "words"
    assert command("protect", clean, dest, "--method", "random-trigger", *SETTINGS).exit_code == 0
    said = command("nightly", clean, dest, *SETTINGS).stderr.strip().splitlines()[-1]
    assert "its shards were made with random-trigger, without one" in said
    assert said.endswith(
        f"`memshield protect {clean} {dest}`, with the settings of before, makes the shards that are new"
    )


def test_notes_that_cannot_be_read_are_named(nights: Path, command: Command) -> None:
    (nights / "protected/_state").mkdir(exist_ok=True)
    (nights / "protected/_state/failures.json").write_text("{")
    said = command("status", nights / "protected").stderr
    assert "delete them, nothing is lost" in said.replace("\n", " ")
