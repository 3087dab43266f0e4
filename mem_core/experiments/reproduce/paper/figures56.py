"""Figures 5 and 6: what victims of different corpora look at, and where clean and protected samples lie for them."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch

from mem_core.common.storage.folder import Folder
from mem_core.experiments.reproduce.attribution import ExplainedPair, draw_looks, grad_cam, integrated_gradients
from mem_core.experiments.reproduce.experiment import Experiment, Shown, StudyPicture
from mem_core.experiments.reproduce.feature_map import PairPlane, draw_pairs, tsne_map
from mem_core.experiments.reproduce.photo_pairs import PhotoFeatures, features_of_photos, pairs_of, whole_photos
from mem_core.experiments.reproduce.sample_pairs import ShownPair, seen_by, shown_pairs
from mem_core.models import OpenClipEncoder
from mem_core.report.figures import png
from mem_core.victim.weights import load_victim

_LOOKED_AT = 2  # pairs of the test corpus, and as many of the training corpora
_PHOTOS, _NEIGHBOURS = 8, 9.0  # on a plane; a photograph has five images and five captions
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
    yield StudyPicture(f"{experiment.name}-{dataset}", png(draw_looks(looks, labels)), caption, photos=True)


def show_planes(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[StudyPicture]:
    """Clean pairs under the clean model, and protected ones under the victim of the protected corpus."""
    models = _models(experiment, shown, dataset)
    if set(models) != set(experiment.rows):
        return
    kind = shown.study.kind(shown.study.row(_PROTECTED))
    photos = whole_photos(shown.study.clean(dataset, kind).below("train"), _PHOTOS)
    seed, planes = shown.study.scale.seed, []
    for letter, row, what in zip("ab", experiment.rows, ("clean", "protected"), strict=True):
        corpus = shown.study.clean(dataset, kind).below("train") if row == "clean" else _corpus(shown, dataset, row)
        config = shown.study.plan(shown.of(dataset, row)[0].cell).victims[0].config
        found = features_of_photos(models[row], config, pairs_of(corpus, photos), seed)
        label = shown.study.row(row).label
        planes.append(_plane(f"({letter}) {what} pairs, model trained on {label}", found, seed))
    each = " or ".join(str(number) for number in sorted(set(Counter(planes[0].photos).values())))
    caption = (
        f"{dataset}: t-SNE of {len(photos)} photographs, a colour each, with {each} pairs of each, and a crop of its "
        "own for every pair. Images and captions lie in one plane; a line joins the two of a pair."
    )
    yield StudyPicture(f"{experiment.name}-{dataset}", png(draw_pairs(planes)), caption)


def _models(experiment: Experiment, shown: Shown, dataset: str) -> dict[str, OpenClipEncoder]:
    """Row -> the victim of its first seed, for the rows that were measured."""
    found = {}
    for row in experiment.rows:
        results = shown.of(dataset, row)
        if results:
            found[row] = load_victim(shown.study.victim(results[0].cell), "best")[0]
    return found


def _corpus(shown: Shown, dataset: str, row: str) -> Folder:
    return shown.study.train(shown.of(dataset, row)[0].cell)


def _look(model: OpenClipEncoder, pair: ShownPair) -> ExplainedPair:
    images = seen_by(model, [pair])
    heat = grad_cam(model, images, [pair.caption])[0]
    shown = images[0].clamp(0, 1)  # a bicubic resize goes beyond black and white at edges
    pixels = (shown.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return ExplainedPair(pixels, heat.numpy().astype(np.float32), integrated_gradients(model, images[0], pair.caption))


def _plane(title: str, found: PhotoFeatures, seed: int) -> PairPlane:
    places = tsne_map(torch.cat([found.images, found.texts]), seed, neighbours=_NEIGHBOURS)
    count = len(found.photos)
    return PairPlane(title, found.photos.tolist(), places[:count], places[count:])


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
    title="Figure 6: pairs in the space of features",
    about="As the paper draws it: under the model trained on clean pairs (a) the images and captions of a photograph "
    "lie together; under one that learned a shortcut (b) those of a photograph drift apart, and only the two of a pair "
    "stay near. A model that learned little shows neither.",
    rows=("clean", _PROTECTED),
    show=show_planes,
)
