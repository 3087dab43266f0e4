"""The snippets of docs/loaders.md, run as they stand there, on corpora of all kinds: every sample, its own caption."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.loaders.conftest import Corpus
from tests.support.own_venv import ROOT

_SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OPEN_CLIP = """
import shlex
from open_clip_train.data import get_wds_dataset
from open_clip_train.params import parse_args
from torchvision.transforms import ToTensor

given = shlex.split({line!r})[3:] + ["--batch-size", "1", "--workers", "{workers}"]
args = parse_args(given)
args.world_size = 1
info = get_wds_dataset(args, ToTensor(), is_train=True, tokenizer=lambda text: [text])
assert info.dataloader.num_samples == args.train_num_samples
pairs = ((images[0], texts[0]) for images, texts in info.dataloader)
"""


def snippets() -> dict[str, str]:
    """By the first word of the section; a second one in it with its number."""
    found: dict[str, str] = {}
    for title, text in _SECTION.findall((ROOT / "docs/loaders.md").read_text()):
        name = title.split()[0].strip(":").lower()
        for number, (language, code) in enumerate(_CODE.findall(text), start=1):
            found[name if number == 1 else f"{name}-{number}"] = code if language == "python" else _open_clip(code)
    return found


def _open_clip(line: str) -> str:
    return _OPEN_CLIP.format(line=line.strip(), workers=0)


SNIPPETS = snippets()


def run_snippets(python: Path, code: dict[Path, str], scratch: Path) -> list[list[list[str]]]:
    """The pairs that each piece of code leaves in its folder."""
    runner, found = Path(__file__).with_name("run_snippets.py"), scratch / "found.json"
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "hf"), "RAY_USAGE_STATS_ENABLED": "0"}
    offline["RAY_ADDRESS"] = "local"  # else Ray joins the cluster of another test on this machine, and falls with it
    given = json.dumps([[str(folder), text] for folder, text in code.items()])
    command = [str(python), str(runner), str(found)]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env=os.environ | offline, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-5000:]
    pairs: list[list[list[str]]] = json.loads(found.read_text())
    return pairs


def test_all_loaders_are_in_the_docs() -> None:
    assert set(SNIPPETS) >= {"webdataset", "open_clip", "hugging", "hugging-3", "wids", "ray", "megatron-energon"}


@pytest.mark.parametrize("loader", SNIPPETS)
def test_every_sample_arrives_with_its_own_caption(
    loader: str, loaders_python: Path, corpora: dict[str, Corpus], tmp_path: Path
) -> None:
    code = {corpus.folder: corpus.adapted(SNIPPETS[loader]) for corpus in corpora.values()}
    found = run_snippets(loaders_python, code, tmp_path)
    for (name, corpus), pairs in zip(corpora.items(), found, strict=True):
        assert sorted(map(tuple, pairs)) == sorted(corpus.pairs.items()), name


_ENERGON = """
import sqlite3, struct, json
from pathlib import Path
from megatron.energon.flavors import BaseWebdatasetFactory

ours, theirs = Path("protected"), Path("prepared")
names = sorted(json.loads((ours / ".nv-meta/.info.json").read_text())["shard_counts"])
theirs.mkdir()
for name in names:
    (theirs / name).write_bytes((ours / name).read_bytes())
BaseWebdatasetFactory.prepare_dataset(theirs, names, split_parts_ratio=[("train", 1)], shuffle_seed=None, workers=1)

def rows(folder):
    database = sqlite3.connect(folder / ".nv-meta/index.sqlite")
    tables = [database.execute(f"SELECT * FROM {table}").fetchall() for table in ("samples", "sample_parts")]
    info = json.loads((folder / ".nv-meta/.info.json").read_text())["shard_counts"]
    return [*tables, info, *((folder / name).with_suffix(".tar.idx").read_bytes() for name in names)]

assert rows(ours) == rows(theirs)
schema = "SELECT name, replace(replace(sql, ' ', ''), char(10), '') FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1"
found = [sqlite3.connect(folder / ".nv-meta/index.sqlite").execute(schema).fetchall() for folder in (ours, theirs)]
assert [name for name, _ in found[0]] == [name for name, _ in found[1]]
pairs = []
"""


def test_the_index_is_what_energon_makes_itself(
    loaders_python: Path, corpora: dict[str, Corpus], tmp_path: Path
) -> None:
    run_snippets(loaders_python, {corpus.folder: _ENERGON for corpus in corpora.values()}, tmp_path)
