"""Cells: measured once, scratch removed, killed ones go on; what is not a protected corpus has a sentence."""

import shutil
from pathlib import Path

import pytest

from mem_core.audit.stress.attacks import AS_PUBLISHED, Attack
from mem_core.audit.stress.cells import StressCell, cells_of, read_cell, read_subject
from mem_core.audit.stress.cost import stress_cost
from mem_core.audit.stress.stress_test import StressSettings, StressTest
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder, LocalFolder, write_bytes
from mem_core.config import RuntimeConfig
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.clean_pairs import MixClean, Recaption
from tests.support.corpora import RUNTIME, SAVED_OFTEN, Cut, Failing, contents, tiny_corpus

VICTIM = VictimConfig(architecture="tiny-resnet-32", epochs=2, batch_size=8, warmup_steps=2)
ATTACK = Attack(name="recaption", label="re-captioned", countermeasures=(Recaption(),))
CELL = StressCell(attack=ATTACK, trained_on="protected", seed=1)


def stress(protected: Folder, clean: Folder, out: Folder, runtime: RuntimeConfig = RUNTIME) -> StressTest:
    return StressTest(protected, clean, clean, out, StressSettings(victim=VICTIM, runtime=runtime, samples=20))


def test_a_cell_killed_in_training_goes_on_and_leaves_one_file(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path
) -> None:
    out, whole = LocalFolder(tmp_path / "out"), LocalFolder(tmp_path / "whole")
    with pytest.raises(Cut):
        stress(mem, clean, Failing(out, 2), SAVED_OFTEN).measure(CELL)
    result = stress(mem, clean, out).measure(CELL)
    undisturbed = stress(mem, clean, whole).measure(CELL)
    assert result.evaluation == undisturbed.evaluation
    assert (result.samples, result.steps) == (20, 6)
    assert set(contents(out)) == {"cells/recaption-protected-1.json"}
    assert read_cell(out, CELL) == result
    before = contents(out)
    assert stress(mem, clean, out).measure(CELL) == result
    assert contents(out) == before
    relabelled = CELL.model_copy(update={"attack": ATTACK.model_copy(update={"label": "another name"})})
    assert stress(mem, clean, out).measure(relabelled).cell == relabelled
    assert contents(out) == before
    assert stress(clean, clean, out).measure(CELL).fingerprint != result.fingerprint


def test_a_mix_and_its_control_take_the_steps_that_were_estimated_on_as_many_pairs_as_there_are(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path
) -> None:
    out = LocalFolder(tmp_path)
    cells = cells_of([Attack(name="mix-75", label="a quarter clean", countermeasures=(MixClean(protected=0.75),))], [1])
    place = stress(mem, clean, out)
    mix, control = (place.measure(cell) for cell in cells)
    assert (mix.cell.trained_on, control.cell.trained_on) == ("protected", "clean")
    assert (mix.samples, mix.steps) == (20, 6)
    assert control.samples < 20 / 2
    assert control.steps == mix.steps
    expected = stress_cost(cells, VICTIM, RUNTIME, samples=20, test_samples=10)
    assert (expected.victims, expected.steps) == (2, mix.steps + control.steps)


def test_the_control_of_a_mix_never_sees_a_protected_pair(mem: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    """Its keys are those of the published corpus, and all else comes from the clean one."""
    attack = Attack(name="mix-75", label="a quarter clean", countermeasures=(MixClean(protected=0.75),))
    cell = StressCell(attack=attack, trained_on="clean", seed=1)
    of_mem = stress(mem, clean, LocalFolder(tmp_path / "mem")).measure(cell)
    of_clean = stress(clean, clean, LocalFolder(tmp_path / "clean")).measure(cell)
    assert of_mem.evaluation == of_clean.evaluation


def test_a_mix_measured_before_it_had_a_control_of_its_own_is_not_measured_again(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path
) -> None:
    out = LocalFolder(tmp_path)
    new = StressCell(
        attack=Attack(name="mix-50", label="half", countermeasures=(MixClean(),)), trained_on="protected", seed=1
    )
    old = new.model_copy(update={"attack": new.attack.model_copy(update={"control": AS_PUBLISHED})})
    stress(mem, clean, out).measure(old)
    before = contents(out)
    assert stress(mem, clean, out).measure(new).cell == new
    assert contents(out) == before


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    write_bytes(LocalFolder(tmp_path), CELL.file, b"{")
    with pytest.raises(MismatchError, match=r"expected a cell of a stress test in .*cells/recaption-protected-1\.json"):
        read_cell(LocalFolder(tmp_path), CELL)


def test_the_subject_is_read_from_receipts(mem: LocalFolder) -> None:
    found = read_subject(mem)
    assert (found.method, found.trigger_length, found.epsilon_levels, found.samples) == ("mem", 2, 8, 23)


def test_data_of_another_origin_has_a_sentence(mem: LocalFolder, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a corpus that memshield protected in .*shard 00000 has no receipt"):
        read_subject(tiny_corpus(tmp_path / "foreign", 4))
    shutil.copytree(mem.path, tmp_path / "half")
    (tmp_path / "half" / "00002.receipt.json").unlink()
    with pytest.raises(SourceError, match="shard 00002 has no receipt"):
        read_subject(LocalFolder(tmp_path / "half"))


def test_an_estimate_counts_steps_and_grows_with_the_work() -> None:
    def of(count: int, samples: int) -> tuple[int, float]:
        cells = [StressCell(attack=ATTACK, trained_on="protected", seed=seed) for seed in range(count)]
        found = stress_cost(cells, VICTIM, RUNTIME, samples=samples, test_samples=10)
        assert found.victims == count
        return found.steps, found.seconds

    assert of(3, 20)[0] == 3 * 2 * 3
    assert of(0, 20) == (0, 0)
    assert of(1, 20)[1] > 0
