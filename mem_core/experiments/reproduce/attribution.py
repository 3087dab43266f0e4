"""What a model looks at: Grad-CAM for the image, Integrated Gradients for the words (the paper's figure 5).

Both explain one number, the cosine between an image and a caption.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from mem_core.common.errors import ConfigError
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.report.figures import INK, SOFT

_STEPS = 64  # of the integral; completeness then holds to about a percent
_PADDING = 0
_FINEST = 4


def grad_cam(model: OpenClipEncoder, images: Tensor, captions: Sequence[str]) -> Tensor:
    """Where in each image the cosine with its caption comes from: float32 [B, S, S], each map from 0 to 1.

    images: float [B, 3, S, S] in 0..1. Selvaraju et al. 2017: the channels of the last spatial layer, weighted by
    their mean gradient, summed, negative parts left out, enlarged to the image. A transformer's tokens are laid out
    on their grid. A map without any positive part is zero.
    """
    tokens = tokenizer_for(model).encode(captions).to(images.device)
    with torch.no_grad():
        texts = model.encode_text(tokens)
    seen = images.detach().clone().requires_grad_()  # frozen weights ask for no gradient: something has to
    outputs: list[Tensor] = []
    with _last_spatial(model).register_forward_hook(lambda layer, arguments, output: outputs.append(output)):
        cosines = (model.encode_image(seen) * texts).sum(1)
    gradients = torch.autograd.grad(cosines.sum(), outputs)
    features, gradient = (_as_maps(value) for value in (outputs[0].detach(), gradients[0]))
    maps = (features * gradient.mean((2, 3), keepdim=True)).sum(1, keepdim=True).relu()
    maps = nn.functional.interpolate(maps.float(), images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-12)


def integrated_gradients(model: OpenClipEncoder, image: Tensor, caption: str) -> list[tuple[str, float]]:
    """Each word of the caption with its part of the cosine; word pieces and punctuation as CLIP splits them.

    image: float [3, S, S] in 0..1. Sundararajan et al. 2017, from a caption of padding tokens to this one; start and
    end stay, so the parts of all words add up to the cosine less that of the empty caption. Raises `ConfigError` where
    captum is not installed.
    """
    try:
        from captum.attr import LayerIntegratedGradients
    except ImportError as error:
        raise ConfigError("attributions need the package captum, which is not installed") from error
    tokenizer = tokenizer_for(model)
    tokens = tokenizer.encode([caption]).to(image.device)
    with torch.no_grad():
        features = model.encode_image(image.unsqueeze(0))

    def cosine(rows: Tensor) -> Tensor:
        return (model.encode_text(rows) * features).sum(1)

    is_word = (tokens != tokenizer.start_id) & (tokens != tokenizer.end_id) & (tokens != _PADDING)
    method = LayerIntegratedGradients(cosine, model.word_layer)
    parts = method.attribute(tokens, baselines=torch.where(is_word, _PADDING, tokens), n_steps=_STEPS)
    each = parts.sum(-1)[is_word].tolist()
    return [(tokenizer.decode([token]), part) for token, part in zip(tokens[is_word].tolist(), each, strict=True)]


def _last_spatial(model: OpenClipEncoder) -> nn.Module:
    """The deepest layer of the image tower that still tells places apart: a map of 4 x 4 or more, where there is one.

    (A small picture is a single place to the last stage of a ResNet.) Of a transformer: what its last block attends
    to, as behind it only the pooled token reaches the output. Raises `ConfigError` for towers of another kind.
    """
    visual: Any = model.clip.visual
    if hasattr(visual, "layer4"):
        stages = (visual.layer1, visual.layer2, visual.layer3, visual.layer4)
        fine = [stage for number, stage in enumerate(stages) if model.image_size // (4 * 2**number) >= _FINEST]
        return fine[-1] if fine else stages[0]  # type: ignore[no-any-return]
    if hasattr(visual, "transformer") and hasattr(visual.transformer, "resblocks"):
        return visual.transformer.resblocks[-1].ln_1  # type: ignore[no-any-return]
    if hasattr(visual, "trunk") and hasattr(visual.trunk, "blocks"):
        return visual.trunk.blocks[-1].norm1  # type: ignore[no-any-return]
    raise ConfigError(
        f"expected an image tower of CLIP's ResNets or transformers, but {model.architecture} has another"
    )


def _as_maps(values: Tensor) -> Tensor:
    """Tokens [B, N, C] (a class token first, or none) on their square grid: [B, C, H, H]; maps as they are."""
    if values.ndim == 4:
        return values
    side = math.isqrt(values.shape[1])
    tokens = values[:, values.shape[1] - side * side :]
    return tokens.transpose(1, 2).reshape(len(values), -1, side, side)


_HEAT, _PARTS = colormaps["inferno"], colormaps["RdBu_r"]
_WORDS_SHOWN = 22


@dataclass(frozen=True)
class ExplainedPair:
    """One model on one pair. pixels: uint8 [S, S, 3]; heat: float [S, S] in 0..1; words: each with its part."""

    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32]
    words: Sequence[tuple[str, float]]


def draw_looks(rows: Sequence[tuple[str, Sequence[ExplainedPair]]], models: Sequence[str]) -> Figure:
    """A row for each pair (title, a look of each model), a column for each model, before them the image itself."""
    columns = len(models) + 1
    figure = Figure(figsize=(2.1 * columns, 2.95 * len(rows) + 0.3), dpi=200)
    FigureCanvasAgg(figure)  # the width of words is measured while they are placed
    grid = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.42 / figure.get_figheight(), bottom=0.02, hspace=0.42)
    for number, (title, looks) in enumerate(rows):
        _show(grid[number][0], looks[0].pixels, "image" if number == 0 else "")
        grid[number][0].text(0.5, -0.04, title, transform=grid[number][0].transAxes, **_SMALL, color=SOFT)
        for axes, look, model in zip(grid[number][1:], looks, models, strict=True):
            _show(axes, overlaid(look.pixels, look.heat), model if number == 0 else "")
            _write_words(axes, look.words)
    return figure


_SMALL = {"fontsize": 7, "ha": "center", "va": "top", "wrap": True}


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """The image in grey under the heat: float [S, S, 3] in 0..1; where there is no heat, darkened grey."""
    grey = np.repeat(pixels.mean(2, keepdims=True) / 255, 3, axis=2)
    shown: NDArray[np.float64] = 0.4 * grey + 0.6 * _HEAT(heat)[..., :3]
    return shown


def _show(axes: Axes, pixels: NDArray[np.float64] | NDArray[np.uint8], title: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9, color=INK, fontweight="bold")


def _write_words(axes: Axes, words: Sequence[tuple[str, float]]) -> None:
    """Below the picture, broken into lines; red speaks for the pair, blue against it, the palest say nothing."""
    largest = max((abs(part) for _, part in words), default=0) or 1.0
    shown = [*words[:_WORDS_SHOWN], *([("\N{HORIZONTAL ELLIPSIS}", 0.0)] if len(words) > _WORDS_SHOWN else [])]
    x, y = 0.0, -0.05
    for word, part in shown:
        strength = part / largest
        text = axes.text(
            x,
            y,
            word,
            transform=axes.transAxes,
            fontsize=6.5,
            va="top",
            color="white" if abs(strength) > 0.6 else INK,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": _PARTS(0.5 + strength / 2), "edgecolor": "none"},
        )
        extent = text.get_window_extent().transformed(axes.transAxes.inverted())
        if extent.x1 > 1.0 and x > 0:
            x, y = 0.0, y - 0.105
            text.set_position((x, y))
        x += extent.width + 0.05
