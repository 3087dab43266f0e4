"""The stress test through its real flow: a short suite, a second run that does nothing, mistakes as sentences."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.stress import stress
from flows.trust import certify
from mem_core.audit.detectability import measure_detectability
from mem_core.audit.stress import stress_test
from mem_core.audit.stress.attacks import Attack, suite
from mem_core.audit.stress.stress_test import StressSettings
from mem_core.common.errors import DestinationError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, merge
from mem_core.experiments.config import RunConfig
from mem_core.protect.protection import Places, Protection
from tasks.as_json import stress_values
from tasks.stressing import StressJob, StressPlace, plan_stress
from tests.support.documented_fields import documented_fields

SHORT = ("as-published", "stop-early", "autoencoder", "mix-50")


@pytest.fixture(scope="module")
def protected(clean_corpus: Path, smoke: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random words in place of the captions' own and no noise: protected at once."""
    dest = tmp_path_factory.mktemp("protected")
    placed = {"method": "random-trigger", "trigger": {"placement": "replace"}}
    config = ProtectConfig.model_validate(merge(smoke.protect.model_dump(), placed))
    protection = Protection(
        Places(LocalFolder(clean_corpus / "train"), LocalFolder(dest)), config, smoke.runtime, seed=0
    )
    protection.begin()
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    return dest


def run(protected: Path, clean_corpus: Path, out: Path) -> StressPlace:
    clean, test = str(clean_corpus / "train"), str(clean_corpus / "test")
    return stress(
        str(protected),
        clean,
        test,
        str(out),
        str(clean_corpus / "val"),
        samples=40,
        preset="smoke",
    )


def test_a_stress_test_from_plan_to_page(
    prefect_api: str,
    protected: Path,
    clean_corpus: Path,
    smoke: RunConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_tree: Callable[[Path], dict[str, bytes]],
) -> None:
    def short(*asked: Any) -> list[Attack]:
        return [attack for attack in suite(*asked) if attack.name in SHORT]

    monkeypatch.setattr(stress_test, "suite", short)
    monkeypatch.setattr(stress_test, "measure_detectability", partial(measure_detectability, steps=5))
    place = run(protected, clean_corpus, tmp_path)
    assert {row.name for row in place.report.findings.rows} == set(SHORT)
    assert Path(place.page).is_file()
    assert set(stress_values(place)) == documented_fields("stress")
    files = read_tree(tmp_path)
    assert len([name for name in files if name.startswith("cells/")]) == 6
    assert not [name for name in files if name.startswith("scratch/")]
    assert {"detectability/purifier.safetensors", "detectability/detectability.json", "stress.png"} <= set(files)
    assert place.report.detectability is not None
    assert place.report.about["trained on"] == "40 pairs of 64"
    assert place.report.about["protected with"].endswith("tokens in place of the captions' own words")
    assert "No verdict: there are only " in Path(place.page).read_text()
    certified = certify(str(protected), str(tmp_path.parent / "certificate"), stress=str(tmp_path))
    assert "No verdict: there are only " in certified.headline
    assert "the clean victim is itself near chance (median rank at" in certified.headline
    assert certified.headline.endswith("0 of 3 tests can be judged.")
    assert "no longer what was written" in (tmp_path.parent / "certificate/certificate.html").read_text()
    run(protected, clean_corpus, tmp_path)
    assert read_tree(tmp_path) == files
    places = {"protected": protected, "clean": clean_corpus / "train", "test": clean_corpus / "test", "out": tmp_path}
    other = StressSettings(victim=smoke.victim, runtime=smoke.runtime, samples=41)
    with pytest.raises(DestinationError, match="is of another corpus, other settings or another version"):
        plan_stress.fn(StressJob(**{name: str(place) for name, place in places.items()}, settings=other))
    assert read_tree(tmp_path) == files


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"validation": "{nowhere}"}, SourceError, "expected shards"),
        ({"protected": "{clean}"}, SourceError, "expected a corpus that memshield protected"),
        ({"clean": "{nowhere}"}, SourceError, "expected shards"),
        ({"test": "{nowhere}"}, SourceError, "expected shards"),
        ({"out": "{protected}"}, DestinationError, "is the source"),
        (
            {"clean": "{test}"},
            MismatchError,
            r"clean shards that .* was made from in .*, but its shard 00000 is another",
        ),
        ({"validation": "{test}"}, SourceError, "share no image with the test pairs"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(
    protected: Path,
    clean_corpus: Path,
    smoke: RunConfig,
    tmp_path: Path,
    changes: dict[str, str],
    error: type[Exception],
    sentence: str,
) -> None:
    places = {
        "protected": protected,
        "clean": clean_corpus / "train",
        "test": clean_corpus / "test",
        "out": tmp_path / "out",
    }
    values = {name: str(place) for name, place in places.items()}
    for name, value in changes.items():
        for mark, place in {**places, "nowhere": tmp_path / "nowhere"}.items():
            value = value.replace(f"{{{mark}}}", str(place))
        values[name] = value
    with pytest.raises(error, match=sentence):
        settings = StressSettings(victim=smoke.victim, runtime=smoke.runtime, samples=40)
        plan_stress.fn(StressJob(**values, settings=settings))
