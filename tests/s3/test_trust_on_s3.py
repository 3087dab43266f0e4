"""Preview, certificate and stress test where every folder is in an object store."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from mem_core.audit.detectability import measure_detectability
from mem_core.audit.stress import stress_test
from mem_core.audit.stress.attacks import Attack, suite
from mem_core.audit.stress.stress_test import StressSettings
from mem_core.common.errors import DestinationError
from mem_core.common.storage.folder import read_bytes, write_bytes
from mem_core.config import CorpusConfig
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.experiments.config import RunConfig
from mem_core.protect.protection import Places, Protection
from tasks.storage import open_folder
from tasks.stressing import StressJob, measure_cell, plan_stress, report_stress
from tasks.stressing import measure_detectability as detectability
from tasks.trust import certify_corpus, preview_corpus
from tests.support.corpora import RUNTIME, protect, small


@pytest.fixture
def places(bucket: str, drawn_source: Path) -> dict[str, str]:
    """A clean corpus, a protected one, and where results go."""
    root = f"s3://{bucket}/trust"
    shard_source(open_source(drawn_source), open_folder(f"{root}/corpus"), CorpusConfig(samples_per_shard=48))
    config = small(method="random-noise")
    clean = f"{root}/corpus/train"
    protect(Protection(Places(open_folder(clean), open_folder(f"{root}/protected")), config, RUNTIME, seed=3))
    return {"protected": f"{root}/protected", "clean": clean, "test": f"{root}/corpus/test", "out": f"{root}/out"}


def test_results_lie_in_the_store_and_are_never_written_over(
    places: dict[str, str], smoke: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    protected, clean, out = places["protected"], places["clean"], open_folder(places["out"])
    shown = preview_corpus.fn(protected, clean, f"{out.uri}/preview", 3)
    certificate = certify_corpus.fn(protected, f"{out.uri}/certificate", clean)
    assert out.exists("certificate/certificate.html")
    certify_corpus.fn(protected, f"{out.uri}/certificate", clean)  # the same once more is no other
    first = read_bytes(out, f"preview/{shown.page}")
    with pytest.raises(DestinationError, match=r"expected no other preview\.(png|html) in s3://"):
        preview_corpus.fn(protected, clean, f"{out.uri}/preview", 5)
    assert read_bytes(out, f"preview/{shown.page}") == first
    assert certificate.page == f"{out.uri}/certificate/certificate.html"

    def short(*asked: Any) -> list[Attack]:
        return [attack for attack in suite(*asked) if attack.name in ("as-published", "autoencoder")]

    monkeypatch.setattr(stress_test, "suite", short)
    monkeypatch.setattr(stress_test, "measure_detectability", partial(measure_detectability, steps=2))
    settings = StressSettings(victim=smoke.victim, runtime=smoke.runtime, samples=16)
    work = tmp_path / "work"
    job = StressJob(**{**places, "out": f"{out.uri}/stress"}, work=str(work), settings=settings)
    plan = plan_stress.fn(job)
    found = detectability.fn(job)
    (work / "detectability/purifier.safetensors").unlink()  # another machine goes on
    results = [measure_cell.fn(job, plan, cell) for cell in plan.cells]
    place = report_stress.fn(job, plan, results, found)
    assert place.page == f"{out.uri}/stress/stress.html"
    names = set(out.below("stress").names())
    assert {"stress.html", "stress.json", "stress.png", "detectability/purifier.safetensors"} < names
    assert not any(name.startswith("scratch/") for name in names)
    assert not work.exists()
    write_bytes(open_folder(places["protected"]), "note.txt", b"unrelated")
    assert plan_stress.fn(job).expected.victims == 0
