"""Commands, and the mistakes that people make with them: one sentence, exit code 1."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command_line import Command
from tests.support.source_making import write_images

pytestmark = pytest.mark.usefixtures("prefect_api")


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    write_images(tmp_path / "source", ["images/0.jpg", "images/1.jpg"])
    table = tmp_path / "source" / "bilder.csv"
    rows = "images/0.jpg;ein M\xe4dchen\nimages/1.jpg;ein Hund\n"
    table.write_text(f"Datei;Beschreibung\n{rows}")
    before = sorted(tmp_path.rglob("*"))
    refused = command("shard", tmp_path / "source", "--dry-run")
    assert (refused.exit_code, "name columns with --image-key and --caption-key" in refused.stderr) == (1, True)
    table.write_text(f"image;caption\n{rows}")
    seen = command("shard", tmp_path / "source", "--dry-run")
    assert (seen.exit_code, sorted(tmp_path.rglob("*"))) == (0, before), seen.output
    assert "format: csv" in seen.stdout
    assert "train: 2 images, 2 captions" in seen.stdout
    assert "sample: images/0.jpg: ein M\xe4dchen" in seen.stdout
    assert command("shard", tmp_path / "source").exit_code == 2


def test_the_single_commands_one_after_the_other(command: Command, drawn_source: Path, tmp_path: Path) -> None:
    settings = ("--preset", "smoke", "--set", "corpus.samples_per_shard=48", "--no-server")
    clean, protected, victim = tmp_path / "clean", tmp_path / "protected", tmp_path / "victim"
    sharded = command("shard", drawn_source, clean, *settings)
    assert sharded.exit_code == 0
    assert f"next: memshield protect {clean}/train PROTECTED" in sharded.stdout
    done = command("protect", clean / "train", protected, "--method", "random-trigger", *settings)
    assert done.exit_code == 0, done.output
    verified = command("verify", clean / "train", protected, "--no-server")
    assert (verified.exit_code, "0 problems" in verified.stdout) == (0, True)
    shown = command("status", protected, "--clean", clean / "train")
    assert "64 protected" in shown.stdout
    looked_at = ("--test", clean / "test", "--validation", clean / "val")
    assert command("train", protected, victim, *looked_at, *settings).exit_code == 0
    evaluated = command("evaluate", victim, clean / "test", *settings)
    assert (evaluated.exit_code, "by chance" in evaluated.stdout) == (0, True)

    ours = command("verify", protected, "--published-only", "--no-server")
    assert (ours.exit_code, "00000.parquet: not to be handed out" in ours.stdout) == (1, True)
    out = tmp_path / "out"
    assert f"cp {protected}/*.tar DEST/" in ours.stdout
    shutil.copytree(protected, out, ignore=shutil.ignore_patterns("*.json", "*.parquet"))
    for private in ((), ("--against", protected)):
        handed_out = command("verify", out, "--published-only", *private, "--no-server")
        assert (handed_out.exit_code, "0 problems" in handed_out.stdout) == (0, True), handed_out.output
    for wrong in ((clean,), (clean, protected, "--published-only"), (clean, protected, "--against", protected)):
        assert command("verify", *wrong).exit_code == 2

    damaged = protected / "00000.tar"
    data = bytearray(damaged.read_bytes())
    data[1000] ^= 1  # in the first image
    damaged.write_bytes(data)
    verified = command("verify", clean / "train", protected, "--no-server")
    assert verified.exit_code == 1
    assert "00000" in verified.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["shard", "{nowhere}", "{tmp}/out"], "does not exist"),
        (["shard", "s3://", "{tmp}/out"], "expected s3://bucket/prefix"),
        (["shard", "{source}", "{source}"], "is the source"),
        (["shard", "{source}", "{source}/inside"], "lies inside"),
        (["protect", "{clean}", "{clean}"], "is the source"),
        (["protect", "{clean}", "{clean}/inside"], "lies inside"),
        (["protect", "{clean}", "{clean}/.."], "lies inside it"),
        (["protect", "{clean}", ""], "got an empty one"),
        (["protect", "{nowhere}", "{tmp}/out"], "expected shards"),
        (["protect", "~nosuchuser/x", "{tmp}/out"], "the home folder that ~nosuchuser/x begins with is not known"),
        (["protect", "{clean}", "{tmp}/out", "--strategy", "replay"], "needs a protector"),
        (["protect", "{clean}", "{tmp}/out", "--protector", "{nowhere}"], "expected a finished protector"),
        (["protect", "{clean}", "{tmp}/out", "--method", "magic"], "protect.method"),
        (["protect", "{clean}", "{tmp}/out", "--set", "protect.surrogate.architecture=RN51"], "expected a model name"),
        (["protect", "{clean}", "{tmp}/out", "--set", "protect.noise.epsilon=300/255"], "between 1/255 and 64/255"),
        (["protect", "{clean}", "{tmp}/out", "--reuse", "{clean}"], "only noise-only and trigger-only"),
        (["protect", "ftp://host/clean", "{tmp}/out"], "a local path or an s3:// address"),
        (["protect", "s3://", "{tmp}/out"], "expected s3://bucket/prefix"),
        (["protect", "{source}", "{tmp}/out"], "`memshield shard {source} DEST` makes shards of them"),
        (["train", "{nowhere}", "{tmp}/out"], "expected shards"),
        (["train", "{clean}/..", "{tmp}/out"], "did you mean {clean}/../test or {clean}/../train or {clean}/../val?"),
        (["evaluate", "{nowhere}", "{clean}"], "run `train` first"),
        (["report", "{nowhere}"], "expected evaluated victims"),
        (["status", "{nowhere}"], "there is nothing of the kind"),
        (["pipeline", "{source}", "{tmp}/out", "--preset", "smok"], "expected a preset out of"),
        (["pipeline", "{source}", "{tmp}/out", "--set", "rowz=[clean]"], "did you mean rows?"),
    ],
)
def test_mistakes_end_as_one_sentence(
    command: Command, clean_corpus: Path, drawn_source: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    places = {
        "{clean}": clean_corpus / "train",
        "{source}": drawn_source,
        "{nowhere}": tmp_path / "nowhere",
        "{tmp}": tmp_path,
    }
    for mark, place in places.items():
        arguments = [argument.replace(mark, str(place)) for argument in arguments]
        sentence = sentence.replace(mark, str(place))
    takes_settings = arguments[0] not in ("verify", "report", "status") and "--preset" not in arguments
    no_server = [] if arguments[0] == "status" else ["--no-server"]
    result = command(*arguments, *(["--preset", "smoke"] if takes_settings else []), *no_server)
    assert result.exit_code == 1
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("memshield: ")
    assert sentence in said
    assert "Traceback" not in result.output


def test_wrong_usage_has_its_own_exit_code(command: Command) -> None:
    assert command("protect").exit_code == 2
    assert command("protekt").exit_code == 2


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "import sys, flows.cli; sys.exit(len({'torch', 'prefect', 'open_clip', 'boto3', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
    started = time.monotonic()
    shown = subprocess.run(
        [sys.executable, "-m", "flows.cli.app", "--help"], capture_output=True, text=True, check=True
    )
    assert "pipeline" in shown.stdout
    assert time.monotonic() - started < 5  # under a second on an idle machine


def test_presets_can_be_read(command: Command) -> None:
    assert "smoke" in command("presets", "list").stdout
    assert "epsilon" in command("presets", "show", "demo").stdout


@pytest.mark.parametrize("other_name", ["link", "{clean}/../../clean/train", "{clean}/"])
def test_the_source_under_another_name_is_not_written_over(
    command: Command, clean_corpus: Path, tmp_path: Path, other_name: str
) -> None:
    foreign = tmp_path / "clean" / "train"  # tars without receipts, as img2dataset leaves them
    foreign.mkdir(parents=True)
    before = (clean_corpus / "train" / "00000.tar").read_bytes()
    (foreign / "00000.tar").write_bytes(before)
    (tmp_path / "link").symlink_to(foreign)
    dest = tmp_path / "link" if other_name == "link" else other_name.replace("{clean}", str(foreign))
    result = command("protect", foreign, dest, "--preset", "smoke", "--method", "random-noise", "--no-server")
    assert (result.exit_code, "is the source" in result.stderr) == (1, True)
    assert [path.name for path in foreign.iterdir()] == ["00000.tar"]
    assert (foreign / "00000.tar").read_bytes() == before


def test_a_protected_corpus_is_not_protected_again(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    settings = ("--preset", "smoke", "--method", "random-noise", "--no-server")
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert command("protect", clean_corpus / "train", once, *settings).exit_code == 0
    result = command("protect", once, twice, *settings)
    assert (result.exit_code, "was protected with random-noise" in result.stderr) == (1, True)
    assert not twice.exists()


def test_a_test_corpus_that_is_not_there_is_noticed_before_training(
    command: Command, clean_corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "victim"
    result = command(
        "train", clean_corpus / "train", out, "--test", tmp_path / "no", "--preset", "smoke", "--no-server"
    )
    assert (result.exit_code, "expected shards" in result.stderr) == (1, True)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "command_name"), [("rows/mem/victim-0/evaluation.json", "report"), ("run.json", "status")]
)
def test_damaged_files_of_ours_are_named_in_one_line(
    command: Command, tmp_path: Path, name: str, command_name: str
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{")
    result = command(command_name, tmp_path, *([] if command_name == "status" else ["--no-server"]))
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines()[-1].startswith("memshield: expected ")
    assert name in result.stderr.strip().splitlines()[-1]


def test_trouble_with_a_place_is_one_sentence(command: Command, tmp_path: Path) -> None:
    result = command("status", tmp_path / ("long" * 100))
    assert result.exit_code == 1
    assert "cannot be used: File name too long" in result.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_sentence(unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        listed = [sys.executable, "-m", "flows.cli", "presets", "list"]
        own = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(listed, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=own)
    said = "memshield: No space left on device where output is written to: make room and run the same command again\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_an_interrupted_command_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.cli.presets.preset_text", interrupt)
    result = command("presets", "show", "smoke")
    assert (result.exit_code, "run the same command again" in result.stderr) == (130, True)


def test_what_protect_offers_for_finished_work_is_said_by_protect(
    command: Command, clean_corpus: Path, tmp_path: Path
) -> None:
    words = ("protect", clean_corpus / "train", tmp_path / "words", "--method", "random-trigger", "--preset", "smoke")
    fitted = ("protect", clean_corpus / "train", tmp_path / "fitted", "--method", "codebook", "--preset", "smoke")
    for first, change, offers in (
        (words, "protect.trigger.length=5", "destination, or have such shards made again with `--on-mismatch redo`"),
        (fitted, "protect.noise.topics=5", "redo`, or protect with it as it is with `--strategy replay`"),
    ):
        done = command(*first, "--no-server")
        assert done.exit_code == 0, done.output
        refused = command(*first, "--set", change, "--no-server")
        assert (refused.exit_code, refused.stderr.rstrip().endswith(offers)) == (1, True), refused.output
        redone = command(*first, "--set", change, "--on-mismatch", "redo", "--no-server")
        assert redone.exit_code == 0, redone.output
