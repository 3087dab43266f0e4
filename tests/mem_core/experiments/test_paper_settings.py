"""The paper's profile, scale and preset equal its authors' settings, value by value, and one another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig
from mem_core.experiments.config import RunConfig
from mem_core.experiments.reproduce import Study, load_scale

PRESET = Path(__file__).parents[3] / "deployments/presets/paper-flickr8k.yaml"

PROTECT = {  # setting: (the authors' value, where it stands in their code below src/, or in the paper)
    "rounds": (20, "poison_train.py: range(0, 20)"),
    "batch_size": (128, "parser.py: batch_size; paper 4.1"),
    "loss_threshold": (0.01, "paper 4.1; the code never stops early"),
    "noise.epsilon": (8 / 255, "parser.py: epsilon; paper 4.1"),
    "noise.step_size": (1 / 255, "poison_train.py: step_size"),
    "noise.num_steps": (8, "poison_train.py: num_steps"),
    "noise.caption_draws": (8, "poison_train.py: a fresh randperm in each of the 8 steps; paper eq. 5"),
    "noise.views": ("centre", "pkgs/openai/clip.py: Resize, CenterCrop"),
    "noise.own_captions": (0.0, "poison_train.py: every step shuffles; paper eq. 5"),
    "trigger.length": (3, "operation.txt: token_num 3, and 5 in the row mem-5; paper 4.1"),
    "trigger.rounds": (5, "poison_train.py: text_t < 5"),
    "trigger.candidates": (16, "poison_train.py: num_candidates"),
    "trigger.beam": (1, "utils.py: beam_size"),
    "trigger.scoring": ("batch", "utils.py: the loss of the batch decides for all"),
    "trigger.vocabulary": ("all", "attacks.py: all embeddings"),
    "trigger.placement": ("front", "poison_train.py: input_ids[1 : 1 + n]; paper 3.3"),
    "trigger.start": ("random", "poison_train.py: torch.randint"),
    "surrogate.architecture": ("RN50-quickgelu", "parser.py: RN50; pkgs/openai/model.py: QuickGELU"),
    "surrogate.pretrained": ("", "operation.txt: no --pretrained"),
    "surrogate.steps_per_round": (200, "poison_train.py: range(0, 200)"),
    "surrogate.batch_size": (128, "parser.py: batch_size"),
    "surrogate.learning_rate": (1e-4, "operation.txt: --lr 1e-4, constant, as poison_train.py calls no scheduler"),
    "surrogate.weight_decay": (0.2, "parser.py: weight_decay; paper 4.1"),
    "surrogate.optimizer.betas": ((0.9, 0.999), "parser.py: beta1, beta2"),
    "surrogate.optimizer.eps": (1e-8, "parser.py: eps"),
    "surrogate.optimizer.decay": ("names", "poison.py: bn, ln, bias, logit_scale do not decay"),
    "surrogate.captions": ("matched", "poison_train.py: the surrogate's steps shuffle nothing"),
}
VICTIM = {
    "architecture": ("RN50-quickgelu", "parser.py: RN50; pkgs/openai/model.py: QuickGELU"),
    "pretrained": ("", "operation.txt: no --pretrained; paper 4.1: from scratch"),
    "epochs": (32, "parser.py: epochs; paper 4.1"),
    "batch_size": (128, "parser.py: batch_size; paper 4.1"),
    "learning_rate": (5e-4, "operation.txt: --lr 5e-4; paper 4.1"),
    "weight_decay": (0.2, "parser.py: weight_decay; paper 4.1"),
    "optimizer.betas": ((0.9, 0.999), "parser.py: beta1, beta2"),
    "optimizer.eps": (1e-8, "parser.py: eps"),
    "optimizer.decay": ("names", "main.py: bn, ln, bias, logit_scale do not decay"),
    "warmup_steps": (10_000, "parser.py: num_warmup_steps"),
    "warmup": ("exact", "scheduler.py: as long as it says"),
    "rate_ahead": (1, "train.py: step = num_batches * epoch + index, with epochs from 1"),
    "views": ("centre", "pkgs/openai/clip.py: Resize, CenterCrop"),
    "captions": ("trigger-ids", "data.py: input_ids[1 : 1 + n] = token"),
    "samples": (None, "data.py: all pairs"),
    "countermeasures": ((), "main.py: none"),
    "finetune": (None, "main.py: none"),
}
CORPUS = {
    "one_sample_per": ("pair", "data.py: a row of the CSV is a pair"),
    "resize": (224, "pkgs/openai/clip.py: Resize(224, bicubic), CenterCrop(224)"),
    "limit": (None, "data.py: all of it"),
}
RUNTIME = {"precision": ("float32", "pkgs/openai/clip.py: convert_models_to_fp32")}
FACES_PROTECT = {
    "rounds": (10, "poison_train_finetune.py: range(0, 10)"),
    "trigger.rounds": (2, "poison_train_finetune.py: text_time < 2"),
    "trigger.candidates": (6, "poison_train_finetune.py: num_candidates"),
    "noise.num_steps": (8, "poison_train_finetune.py: num_steps"),
    "surrogate.architecture": ("RN50-quickgelu", "operation.txt: RN50; paper 4.4"),
    "surrogate.pretrained": ("openai", "operation.txt: --pretrained; paper 4.4"),
    "surrogate.steps_per_round": (50, "poison_train_finetune.py: range(0, 50)"),
    "surrogate.learning_rate": (5e-4, "operation.txt: --lr 5e-4"),
}
FACES_VICTIM = {
    "pretrained": ("openai", "operation.txt: --pretrained; paper 4.4"),
    "epochs": (10, "operation.txt: --epoch 10; paper 4.4"),
    "learning_rate": (1e-5, "paper 4.4 (operation.txt: 5e-4 in a warm-up of 10,000 steps)"),
}
FACES_CORPUS = {
    "captions": ("one", "paper figure 7 and the test list: a caption for each photo"),
    "rename": (True, "paper 4.4: names are changed"),
}
Table = Mapping[str, tuple[Any, str]]


def differing(settings: Any, table: Table) -> list[str]:
    """What is not as the table says, one line each."""
    lines = []
    for name, (theirs, where) in table.items():
        ours = settings
        for part in name.split("."):
            ours = getattr(ours, part)
        if ours != theirs:
            lines.append(f"{name}: ours {ours!r}, theirs {theirs!r} ({where})")
    return lines


def preset() -> RunConfig:
    return RunConfig.model_validate(yaml.safe_load(PRESET.read_text()))


def test_the_profile_is_the_authors() -> None:
    assert differing(ProtectConfig.model_validate({"profile": "paper"}), PROTECT) == []


@pytest.mark.parametrize("source", ["scale", "preset"])
def test_scale_and_preset_are_the_authors(source: str) -> None:
    at = load_scale("paper") if source == "scale" else preset()
    checks: list[tuple[object, Table]] = [
        (at.protect, PROTECT),
        (at.victim, VICTIM),
        (at.corpus, CORPUS),
        (at.runtime, RUNTIME),
    ]
    assert [line for settings, table in checks for line in differing(settings, table)] == []


def test_scale_and_preset_agree_in_everything_that_a_result_depends_on() -> None:
    scale, run = load_scale("paper"), preset()
    assert (scale.protect, scale.victim, scale.evaluate) == (run.protect, run.victim, run.evaluate)
    changed = {"identities": scale.corpus.identities}  # those of the face case, which the preset is not
    assert run.corpus.model_copy(update=changed) == scale.corpus
    assert scale.runtime.precision == run.runtime.precision
    names = {row.name for row in run.table}
    assert {"clean", "em", "uap", "mem", "mem-5"} <= names  # the paper's rows of table 1


@pytest.mark.parametrize(("role", "architecture"), [("rn50", "RN50"), ("rn101", "RN101"), ("vit-b-32", "ViT-B-32")])
def test_the_victims_of_tables_2_and_4_are_openai_s_models(role: str, architecture: str) -> None:
    scale = load_scale("paper")
    expected = {**VICTIM, "architecture": (f"{architecture}-quickgelu", "parser.py: model_name")}
    assert differing(scale.victim_config(role), expected) == []
    faces = {**FACES_VICTIM, "architecture": expected["architecture"]}
    assert differing(scale.victim_config(f"faces-{role}"), faces) == []


def test_the_face_case_is_the_authors(tmp_path: Path) -> None:
    scale = load_scale("paper")
    study = Study(LocalFolder(tmp_path), scale)
    for name, length in (("faces-mem-3", 3), ("faces-mem-5", 5)):
        config = study.protect_config(study.row(name))
        assert differing(config, {**FACES_PROTECT, "trigger.length": (length, "operation.txt: --token_num")}) == []
    assert differing(scale.corpus.identities, FACES_CORPUS) == []
