"""The experiments that look at samples or start from pretrained weights, really run on drawn data."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.corpus import corpus_fingerprint
from mem_core.data.readers.identities import DEFAULT_TEMPLATES
from mem_core.experiments.reproduce import Section, Shown, Study, StudyPlan, load_scale, run_study, write_study
from mem_core.experiments.reproduce.attribution import overlaid
from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper.figures56 import FIGURE5, FIGURE6
from mem_core.experiments.reproduce.paper.table1 import TABLE1
from mem_core.experiments.reproduce.paper.table3 import TABLE3
from mem_core.experiments.reproduce.paper.table4 import TABLE4
from mem_core.experiments.reproduce.pretraining import PretrainedModels
from mem_core.experiments.reproduce.sample_pairs import shown_pairs
from mem_core.protect.surrogates import Surrogates
from mem_core.victim.config import VictimConfig
from mem_core.victim.weights import load_victim

FLUENT = replace(TABLE3, rows=("clean", "mem-3", "mem-3-fluent"))
ADVERSARIAL = replace(TABLE1, rows=("clean", "uap"))
FACES = replace(TABLE4, rows=("untrained", "faces-mem-3"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A few rows of tables 1, 3 and 4 at scale smoke, measured. Not to be changed."""
    made = Study(LocalFolder(tmp_path_factory.mktemp("study")), load_scale("smoke"))
    cells = [*FLUENT.cells(made, 0), *FACES.cells(made, 0), *ADVERSARIAL.cells(made, 0)]
    assert run_study(made, StudyPlan((FLUENT, FACES, ADVERSARIAL), tuple(cells))) == 0
    return made


def _shown(study: Study, experiment: Experiment, *others: Experiment) -> Section:
    cells = [cell for each in (experiment, *others) for cell in each.cells(study, 0)]
    found = experiment.section(Shown(study, tuple(r for c in cells if (r := study.result(c)) is not None)))
    assert found is not None
    return found


def test_fluent_triggers_are_marked_and_read_better(study: Study, tmp_path: Path) -> None:
    retrieval, reading, examples = _shown(study, FLUENT).tables
    assert [row[0] for row in retrieval.rows[1:]] == ["Clean", "MEM-3", "MEM-3, fluent trigger words"]
    scores = {row[0]: float(row[2].replace(",", "")) for row in reading.rows}
    assert scores["MEM-3, fluent trigger words"] < scores["MEM-3"]
    assert {len(row[1].split()) for row in examples.rows} == {3}
    page = write_study(study, StudyPlan((FLUENT,), tuple(FLUENT.cells(study, 0))), LocalFolder(tmp_path))
    shown = (tmp_path / page.page).read_text()
    assert all(f"<mark>{row[1]}</mark>" in shown for row in examples.rows)
    assert f"| **{examples.rows[0][1]}** |" in (tmp_path / page.markdown).read_text()


def test_the_face_case_starts_from_a_model_of_portraits(study: Study) -> None:
    (table,) = _shown(study, FACES).tables
    assert [row[0] for row in table.rows] == ["faces-rn50"] * 2
    assert [row[2] for row in table.rows] == ["Pretrained, not fine-tuned", "MEM-3, pretrained surrogate"]
    (cell, _) = FACES.cells(study, 0)
    pretrained = LocalFolder(study.folder.below("starts").below("pretrained-pocket-resnet-32").uri)
    ours, theirs = (load_victim(folder)[0].clip.state_dict() for folder in (study.victim(cell), pretrained))
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    test = shown_pairs(study.test("pubfig"), 100)
    assert len(test) == 6  # one photo of each person
    starts = tuple(template.partition("{name}")[0] for template in DEFAULT_TEMPLATES)
    assert all(pair.caption.startswith(starts) for pair in test)


def test_adversarial_noise_is_made_with_a_model_trained_as_the_clean_victims_are(study: Study) -> None:
    clean, adversarial = ADVERSARIAL.cells(study, 0)
    (_, victim), (model, surrogate) = (
        load_victim(folder) for folder in (study.victim(clean), study.folder.below("starts/clean-flickr8k"))
    )
    assert surrogate.corpus_fingerprint == victim.corpus_fingerprint == corpus_fingerprint(study.train(clean))
    assert (surrogate.steps, surrogate.samples) == (victim.steps, victim.samples)
    assert surrogate.config == victim.config.model_copy(update={"evaluate_every": 0})
    assert surrogate.seed not in range(study.scale.seeds)  # the victims' own start is nobody's to know
    kept = study.train(adversarial).below("protector")
    used = Surrogates(kept, "pocket-resnet-32", torch.device("cpu")).of_round(0).model.clip.state_dict()
    assert all(used[name].equal(value) for name, value in model.clip.state_dict().items())


@pytest.mark.parametrize("experiment", [replace(FIGURE5, rows=("clean", "mem-3")), FIGURE6])
def test_figures_of_samples_are_pictures_of_some_size(study: Study, experiment: Experiment) -> None:
    (picture,) = _shown(study, experiment).pictures
    with Image.open(io.BytesIO(picture.png)) as image:
        assert min(image.size) > 600
        assert np.asarray(image).std() > 5


def test_without_results_there_is_no_section(study: Study) -> None:
    for experiment in (TABLE3, TABLE4, FIGURE5, FIGURE6):
        assert experiment.section(Shown(study)) is None


def test_heat_brightens_what_is_looked_at() -> None:
    pixels = np.full((2, 2, 3), 100, np.uint8)
    shown = overlaid(pixels, np.array([[1, 0], [0, 0]], np.float32)).mean(2)
    assert shown[0, 0] > shown[0, 1] == shown[1, 1]


def test_portraits_need_people_in_the_scale(tmp_path: Path) -> None:
    scale = load_scale("smoke", {"people": None})
    starts = PretrainedModels(LocalFolder(tmp_path), scale)
    with pytest.raises(ConfigError, match="expected a local study with `people` in its scale"):
        starts.of_victim(VictimConfig(architecture="tiny-resnet-32", pretrained="portraits"))


def test_what_is_started_from_is_part_of_a_results_identity(tmp_path: Path) -> None:
    first, second = (
        Study(LocalFolder(tmp_path), load_scale("smoke", {"people": {"epochs": epochs}})) for epochs in (1, 2)
    )
    (face, _), (plain, *_) = FACES.cells(first, 0), FLUENT.cells(first, 0)
    assert first.identity(face) != second.identity(face)
    assert first.identity(plain) == second.identity(plain)
