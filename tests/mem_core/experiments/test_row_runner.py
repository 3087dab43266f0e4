"""The plan of a row names everything below its run's folder; run by direct calls it leaves just that, and proves it."""

from pathlib import Path

import pytest

from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import StopRun
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import RuntimeConfig, parse_config
from mem_core.experiments.config import RunConfig
from mem_core.experiments.direct_steps import DirectSteps
from mem_core.experiments.row_runner import plan_run, run_row
from tests.support.corpora import tiny_corpus

SMALL = {
    "victim": {"architecture": "tiny-resnet-32", "epochs": 1, "batch_size": 8},
    "protect": {"trigger": {"length": 2}},
    "runtime": {"device": "cpu"},
}


def run(*rows: object, **more: object) -> RunConfig:
    return parse_config(RunConfig, {"rows": rows, **SMALL, **more}, "test")


def test_a_plan_names_corpora_and_victims_and_whose_ingredient_is_taken() -> None:
    fitted = {"name": "mem-part", "method": "mem", "fit_shards": 1, "corpus": "pair"}
    plans = {p.row.name: p for p in plan_run(run("noise-only", "clean", "mem", fitted, victim_seeds=(4, 5)))}
    assert list(plans) == ["clean", "mem", "mem-part", "noise-only"]
    assert {name: plan.corpus for name, plan in plans.items()} == {
        "clean": "clean/train",
        "mem": "rows/mem/protected",
        "mem-part": "rows/mem-part/protected",
        "noise-only": "rows/noise-only/protected",
    }
    assert [plan.clean for plan in plans.values()] == ["clean/train", "clean/train", "clean-pair/train", "clean/train"]
    assert {plan.test for plan in plans.values()} == {"clean/test"}
    assert {name: plan.reuse for name, plan in plans.items() if plan.reuse} == {"noise-only": "rows/mem/protected"}
    assert [(v.out, v.seed) for v in plans["mem"].victims] == [("rows/mem/victim-4", 4), ("rows/mem/victim-5", 5)]
    assert {victim.queries.prefix_length for plan in plans.values() for victim in plan.victims} == {2}


def test_a_row_fitted_on_a_part_is_replayed_on_all_and_its_victim_queried(tmp_path: Path) -> None:
    tiny_corpus(tmp_path / "clean/train", 8, 8)
    tiny_corpus(tmp_path / "clean/test", 6)
    little = {"rounds": 1, "surrogate": {"architecture": "tiny-resnet-32", "steps_per_round": 1, "batch_size": 4}}
    config = run({"name": "part", "method": "uap", "fit_shards": 1, "protect": little})
    (plan,) = plan_run(config)
    ((record, evaluation),) = run_row(plan, DirectSteps(LocalFolder(tmp_path), config.runtime, 0))
    tars = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "rows").rglob("0*.tar"))
    assert tars == [
        f"rows/part/{name}.tar" for name in ("fitted/00000", "part/00000", "protected/00000", "protected/00001")
    ]
    assert (record.seed, record.corpus) == (0, str(tmp_path / "rows/part/protected"))
    assert (evaluation.images, evaluation.test) == (6, str(tmp_path / "clean/test"))
    assert (tmp_path / "rows/part/victim-0/victim.json").is_file()


class Damaging(DirectSteps):
    """Changes a byte of the first shard before it is proven."""

    def verify(self, clean: str, protected: str, record: str) -> VerifyReport:
        folder = self.folder.below(protected)
        data = bytearray(read_bytes(folder, "00000.tar"))
        data[600] ^= 1
        write_bytes(folder, "00000.tar", bytes(data))
        return super().verify(clean, protected, record)


def test_a_corpus_that_is_not_what_it_claims_trains_nobody(tmp_path: Path) -> None:
    tiny_corpus(tmp_path / "clean/train", 8)
    (plan,) = plan_run(run("random-trigger"))
    with pytest.raises(StopRun, match=r"expected rows/random-trigger/protected to verify, but .* in shard 00000"):
        run_row(plan, Damaging(LocalFolder(tmp_path), RuntimeConfig(device="cpu"), 0))
    assert not (tmp_path / "rows/random-trigger/victim-0").exists()
