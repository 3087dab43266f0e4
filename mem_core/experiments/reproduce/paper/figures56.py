"""Figures 5 and 6: what victims of different corpora look at, and where clean and protected samples lie for them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mem_core.common.storage.folder import Folder
from mem_core.experiments.reproduce.attribution import ExplainedPair, draw_looks, grad_cam, integrated_gradients
from mem_core.experiments.reproduce.experiment import Experiment, Shown, StudyPicture
from mem_core.experiments.reproduce.feature_map import FeaturePlane, draw_planes, tsne_map
from mem_core.experiments.reproduce.sample_pairs import ShownPair, features_of, seen_by, shown_pairs
from mem_core.models import OpenClipEncoder
from mem_core.report.figures import png
from mem_core.victim.record import load_victim

_LOOKED_AT = 2  # pairs of the test corpus, and as many of the training corpora
_ON_PLANE = 200
_PROTECTED = "mem-3"


def show_attributions(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[StudyPicture]:
    """Grad-CAM and Integrated Gradients of each model, on clean test pairs and on what it was trained on itself."""
    models = _models(experiment, shown, dataset)
    if len(models) < 2:
        return
    test = shown_pairs(shown.study.test(dataset), _LOOKED_AT)
    rows = [("clean test pair", [pair] * len(models)) for pair in test]
    keys = [pair.key for pair in shown_pairs(_corpus(shown, dataset, next(iter(models))), _LOOKED_AT)]
    own = [shown_pairs(_corpus(shown, dataset, row), _LOOKED_AT, keys) for row in models]
    if all(len(pairs) == len(keys) for pairs in own):
        rows += [("training pair, as each\nmodel was given it", list(pairs)) for pairs in zip(*own, strict=True)]
    looks = [(title, [_look(m, p) for m, p in zip(models.values(), pairs, strict=True)]) for title, pairs in rows]
    labels = [shown.study.row(row).label for row in models]
    caption = (
        f"{dataset}: heat, where the cosine of image and caption comes from (Grad-CAM); words, red for it and "
        "blue against it (Integrated Gradients), the strongest word of each caption in full colour."
    )
    yield StudyPicture(f"{experiment.name}-{dataset}", png(draw_looks(looks, labels)), caption)


def show_planes(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[StudyPicture]:
    """t-SNE of clean and protected samples under the model of each row."""
    models = _models(experiment, shown, dataset)
    if _PROTECTED not in models:
        return
    protected = shown_pairs(_corpus(shown, dataset, _PROTECTED), _ON_PLANE)
    kind = shown.study.kind(shown.study.row(_PROTECTED))
    clean = shown_pairs(shown.study.clean(dataset, kind).below("train"), len(protected), [p.key for p in protected])
    features = [(features_of(model, clean), features_of(model, protected)) for model in models.values()]
    labels = [shown.study.row(row).label for row in models]
    planes = [
        _plane(f"{what}, model trained on: {label}", before[tower], after[tower], shown.study.scale.seed)
        for tower, what in enumerate(("images", "captions"))
        for label, (before, after) in zip(labels, features, strict=True)
    ]
    caption = f"{dataset}: {len(protected)} samples before and after protection; neighbours stay near."
    yield StudyPicture(f"{experiment.name}-{dataset}", png(draw_planes(planes, len(models))), caption)


def _models(experiment: Experiment, shown: Shown, dataset: str) -> dict[str, OpenClipEncoder]:
    """Row -> the victim of its first seed, for the rows that were measured."""
    found = {}
    for row in experiment.rows:
        results = shown.of(dataset, row)
        if results:
            found[row] = load_victim(shown.study.victim(results[0].cell))[0]
    return found


def _corpus(shown: Shown, dataset: str, row: str) -> Folder:
    return shown.study.train(shown.of(dataset, row)[0].cell)


def _look(model: OpenClipEncoder, pair: ShownPair) -> ExplainedPair:
    images = seen_by(model, [pair])
    heat = grad_cam(model, images, [pair.caption])[0]
    shown = images[0].clamp(0, 1)  # a bicubic resize goes beyond black and white at edges
    pixels = (shown.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return ExplainedPair(pixels, heat.numpy().astype(np.float32), integrated_gradients(model, images[0], pair.caption))


def _plane(title: str, clean: Tensor, protected: Tensor, seed: int) -> FeaturePlane:
    places = tsne_map(torch.cat([clean, protected]), seed)
    return FeaturePlane(title, {"clean": places[: len(clean)], "protected": places[len(clean) :]})


FIGURE5 = Experiment(
    name="figure5",
    title="Figure 5: what the models look at",
    about="A model that learned a shortcut looks at the trigger in its training pairs, and at nothing in particular "
    "where there is none.",
    rows=("clean", "em", "uap", "mem-3"),
    show=show_attributions,
)

FIGURE6 = Experiment(
    name="figure6",
    title="Figure 6: clean and protected samples in the space of features",
    about="t-SNE of the features of the same samples before and after protection, for each tower by itself. Where a "
    "model tells them apart, it has learned what was added.",
    rows=("clean", "mem-3"),
    show=show_planes,
)
