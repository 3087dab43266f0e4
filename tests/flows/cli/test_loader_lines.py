"""What `protect` says of loading what it published, and `index`."""

import json
import re
import shlex
from pathlib import Path
from shlex import quote

import pytest
from braceexpand import braceexpand
from webdataset.shardlists import expand_urls

from tests.support.command_line import Command


def quoted(path: Path) -> str:
    return quote(str(path))


_SMALL = ("--preset", "smoke", "--no-server", "--method", "random-noise")


@pytest.mark.usefixtures("prefect_api")
def test_the_printed_line_names_exactly_what_was_published(
    command: Command, clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    dest = tmp_path / "it's {out}"
    done = command("protect", clean_corpus / "train", dest, *_SMALL)
    assert done.exit_code == 0, done.output
    line, after, export, made, following = done.stdout.splitlines()
    assert export == f"pictures as files: memshield export {quoted(dest)} FOLDER --clean {clean_corpus}/train"
    assert made == f"64 samples in 3 shards: {dest}"
    assert following == f"next: memshield verify {clean_corpus}/train {quoted(dest)}"
    given = shlex.split(line)
    values = dict(
        zip(given[given.index("--train-data") :: 2], given[given.index("--train-data") + 1 :: 2], strict=True)
    )
    tars = sorted(str(path) for path in dest.glob("*.tar"))
    assert len(tars) == 3
    assert sorted(braceexpand(values["--train-data"])) == sorted(expand_urls(values["--train-data"])) == tars
    assert values["--train-num-samples"] == "64"
    assert values["--dataset-type"] == "webdataset"
    found = re.search(r"memshield index (.*)$", after)
    assert found is not None
    said = command("index", *shlex.split(found[1]), "--license", "cc0-1.0")
    assert said.exit_code == 0, said.output
    indexed, checked = said.stdout.splitlines()
    assert indexed.startswith("64 samples in 3 tars: wids.json, .nv-meta, README.md in ")
    assert checked == f"next: memshield verify COPY --published-only --against {quoted(dest)}"
    listed = json.loads((dest / "wids.json").read_text())["shardlist"]
    assert [str(dest / entry["url"]) for entry in listed] == tars
    again = command("protect", clean_corpus / "train", dest, *_SMALL)  # an index is nobody else's data
    assert again.stdout.splitlines()[0] == line
    assert command("verify", clean_corpus / "train", dest, "--no-server").exit_code == 0


def test_index_says_what_is_no_protected_corpus(command: Command, clean_corpus: Path) -> None:
    said = command("index", clean_corpus / "train")
    assert said.exit_code == 1
    assert "expected the manifest of a protected corpus" in said.stderr
