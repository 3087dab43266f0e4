"""Commands, and the mistakes that people make with them: one sentence, exit code 1."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")


def test_the_single_commands_one_after_the_other(command: Command, drawn_source: Path, tmp_path: Path) -> None:
    settings = ("--preset", "smoke", "--set", "corpus.samples_per_shard=48", "--no-server")
    clean, protected, victim = tmp_path / "clean", tmp_path / "protected", tmp_path / "victim"
    assert command("shard", drawn_source, clean, *settings).exit_code == 0
    done = command("protect", clean / "train", protected, "--method", "random-trigger", *settings)
    assert done.exit_code == 0, done.output
    verified = command("verify", clean / "train", protected, "--no-server")
    assert (verified.exit_code, "0 problems" in verified.stdout) == (0, True)
    shown = command("status", protected, "--clean", clean / "train")
    assert "64 protected" in shown.stdout
    assert command("train", protected, victim, "--test", clean / "test", *settings).exit_code == 0
    evaluated = command("evaluate", victim, clean / "test", *settings)
    assert (evaluated.exit_code, "by chance" in evaluated.stdout) == (0, True)

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
        (["shard", "s3://bucket/raw", "{tmp}/out"], "expected a local source"),
        (["shard", "{source}", "{source}"], "is the source"),
        (["shard", "{source}", "{source}/inside"], "lies inside"),
        (["protect", "{clean}", "{clean}"], "destination other than the source"),
        (["protect", "{nowhere}", "{tmp}/out"], "expected shards"),
        (["protect", "{clean}", "{tmp}/out", "--strategy", "replay"], "needs a protector"),
        (["protect", "{clean}", "{tmp}/out", "--protector", "{nowhere}"], "expected a finished protector"),
        (["protect", "{clean}", "{tmp}/out", "--method", "magic"], "protect.method"),
        (["protect", "{clean}", "{tmp}/out", "--set", "protect.surrogate.architecture=RN51"], "expected a model name"),
        (["protect", "{clean}", "{tmp}/out", "--set", "protect.noise.epsilon=300/255"], "between 1/255 and 64/255"),
        (["protect", "{clean}", "{tmp}/out", "--reuse", "{clean}"], "only noise-only and trigger-only"),
        (["protect", "ftp://host/clean", "{tmp}/out"], "a local path or an s3:// address"),
        (["protect", "s3://", "{tmp}/out"], "expected s3://bucket/prefix"),
        (["train", "{nowhere}", "{tmp}/out"], "expected shards"),
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
    shown = subprocess.run([sys.executable, "-m", "flows.cli", "--help"], capture_output=True, text=True, check=True)
    assert "pipeline" in shown.stdout
    assert time.monotonic() - started < 5  # under a second on an idle machine


def test_presets_can_be_read(command: Command) -> None:
    assert "smoke" in command("presets", "list").stdout
    assert "epsilon" in command("presets", "show", "demo").stdout
