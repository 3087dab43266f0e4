"""The example of docs/python.md, run as it stands there, and what it leaves."""

import re
from pathlib import Path
from typing import Any

import pytest

from mem_core import api
from mem_core.common.errors import ConfigError, SourceError
from mem_core.config import ProtectConfig, RuntimeConfig
from tests.support.corpora import encoded, photo, small
from tests.support.own_venv import ROOT

CPU = RuntimeConfig(device="cpu")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder that the example worked in, and its names."""
    place = tmp_path_factory.mktemp("example")
    (place / "photos").mkdir()
    for number in range(60):
        (place / f"photos/{number}.png").write_bytes(encoded(photo(number)))
        (place / f"photos/{number}.txt").write_text(f"a thing with the number {number}")
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        exec(code, names)
    return place, names


def test_the_example_shards_protects_trains_and_measures(example: tuple[Path, dict[str, Any]]) -> None:
    place, names = example
    assert set(names["made"]) == {"train", "val", "test"}
    assert sum(split.samples for split in names["made"].values()) == 60
    assert names["found"].images == names["made"]["test"].samples
    assert api.results(place / "victim") == names["found"]
    rows = list(api.samples(place / "protected"))
    assert [row.status for row in rows] == ["protected"] * names["made"]["train"].samples
    assert all(len(row.trigger.split()) == 3 for row in rows)


def test_a_second_call_makes_nothing_again(example: tuple[Path, dict[str, Any]]) -> None:
    place, names = example
    before = {path: path.stat().st_mtime_ns for path in (place / "protected").iterdir() if path.suffix == ".tar"}
    summaries = api.protect(place / "corpus/train", place / "protected", names["SETTINGS"], CPU, seed=1)
    assert all(summary.repeated for summary in summaries)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_protector_is_applied_to_shards_that_come_later(example: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    corpus = example[0] / "corpus"
    settings = small(method="codebook", noise={"topics": 2})
    api.protect(corpus / "train", tmp_path / "first", settings, CPU, seed=1)
    api.apply(tmp_path / "first/protector", corpus / "test", tmp_path / "later", CPU)
    assert api.verify(corpus / "test", tmp_path / "later").ok
    assert not api.verify(corpus / "test", tmp_path / "first").ok


def test_mistakes_are_sentences(example: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected"):
        api.protect(tmp_path / "nothing", tmp_path / "out", ProtectConfig(method="random-trigger"), CPU)
    with pytest.raises((ConfigError, SourceError), match="protector"):
        api.apply(tmp_path, example[0] / "corpus/test", tmp_path / "out", CPU)
    assert api.results(tmp_path) is None
