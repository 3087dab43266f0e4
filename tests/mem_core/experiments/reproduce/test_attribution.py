"""Laws of the attributions: completeness, a map by hand, captum's own Grad-CAM; and of the map of features."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from mem_core.common.errors import ConfigError
from mem_core.experiments.reproduce.attribution import _last_spatial, grad_cam, integrated_gradients
from mem_core.experiments.reproduce.feature_map import tsne_map
from mem_core.models import OpenClipEncoder, build_model, tokenizer_for

CAPTION = "a small red dog, in the park"


@pytest.fixture(scope="module", params=["tiny-resnet-32", "tiny-vit", "tiny-siglip-32"])
def model(request: pytest.FixtureRequest) -> OpenClipEncoder:
    return build_model(request.param, seed=3).freeze()


def _picture(model: OpenClipEncoder, count: int = 1) -> torch.Tensor:
    side = model.image_size
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def _cosine(model: OpenClipEncoder, image: torch.Tensor, tokens: torch.Tensor) -> float:
    return float((model.encode_image(image) * model.encode_text(tokens)).sum())


def test_the_parts_of_all_words_add_up_to_the_cosine(model: OpenClipEncoder) -> None:
    image = _picture(model)
    parts = integrated_gradients(model, image[0], CAPTION)
    assert [word for word, _ in parts] == ["a", "small", "red", "dog", ",", "in", "the", "park"]
    tokens = tokenizer_for(model).encode([CAPTION])
    empty = tokens.clone()
    empty[0, 1:9] = 0
    whole = _cosine(model, image, tokens) - _cosine(model, image, empty)
    assert sum(part for _, part in parts) == pytest.approx(whole, abs=2e-3)


def test_maps_cover_each_image_alone(model: OpenClipEncoder) -> None:
    images = _picture(model, 3)
    captions = [CAPTION, "a blue car", "two cats"]
    maps = grad_cam(model, images, captions)
    assert maps.shape == (3, model.image_size, model.image_size)
    assert maps.min() >= 0
    assert maps.max() <= 1
    alone = grad_cam(model, images[1:2], captions[1:2])
    torch.testing.assert_close(maps[1:2], alone, atol=1e-3, rtol=1e-3)


def test_a_resnets_map_is_captums() -> None:
    model = build_model("tiny-resnet-32", seed=3).freeze()
    image = _picture(model).requires_grad_()
    text = model.encode_text(tokenizer_for(model).encode([CAPTION]))
    oracle = LayerGradCam(lambda seen: (model.encode_image(seen) * text).sum(1), _last_spatial(model))
    wanted = nn.functional.interpolate(oracle.attribute(image).relu(), (32, 32), mode="bilinear")[0, 0].detach()
    found = grad_cam(model, image.detach(), [CAPTION])[0]
    torch.testing.assert_close(found, wanted / wanted.max().clamp(min=1e-12), atol=1e-5, rtol=1e-4)


class _Tower(nn.Module):
    """An image tower whose stages change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3, self.layer4 = (nn.Identity() for _ in range(4))


def test_a_map_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosine = mean(c0) - mean(c1) / 2 on a 4 x 4 picture: weights 1/16 and -1/32 at every place."""
    model = build_model("tiny-resnet-32", seed=3).freeze()
    tower = _Tower()
    monkeypatch.setattr(model, "image_size", 4)
    monkeypatch.setitem(model.clip._modules, "visual", tower)

    def encode_image(images: torch.Tensor) -> torch.Tensor:
        kept = tower.layer1(images)
        value = kept[:, 0].mean((1, 2)) - kept[:, 1].mean((1, 2)) / 2
        return torch.stack([value, torch.zeros_like(value)], dim=1)

    monkeypatch.setattr(model, "encode_image", encode_image)
    monkeypatch.setattr(model, "encode_text", lambda tokens: torch.tensor([[1.0, 0.0]]).expand(len(tokens), -1))
    image = torch.zeros(1, 3, 4, 4)
    image[0, 0, 1, 2], image[0, 1, 3, 3], image[0, 0, 0, 0] = 1.0, 1.0, 0.5
    wanted = torch.zeros(4, 4)
    wanted[1, 2], wanted[0, 0] = 1.0, 0.5  # (3, 3) has a negative part, which is left out
    torch.testing.assert_close(grad_cam(model, image, ["a dog"])[0], wanted)


def test_other_towers_are_refused() -> None:
    model = build_model("tiny-resnet-32", seed=3).freeze()
    model.clip._modules["visual"] = nn.Identity()
    with pytest.raises(ConfigError, match="expected an image tower of CLIP's ResNets or transformers"):
        grad_cam(model, torch.zeros(1, 3, 32, 32), ["a dog"])


def test_clusters_stay_together_and_equal_seeds_give_equal_places() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = torch.eye(16)[:3].repeat_interleave(12, 0)
    features = nn.functional.normalize(centres + 0.05 * torch.randn(36, 16, generator=draw), dim=1)
    places = tsne_map(features, seed=1)
    assert places.shape == (36, 2)
    np.testing.assert_array_equal(places, tsne_map(features, seed=1))
    groups = places.reshape(3, 12, 2)
    spread = np.linalg.norm(groups - groups.mean(1, keepdims=True), axis=2).max()
    middles = groups.mean(1)
    apart = min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert spread < apart
    with pytest.raises(ConfigError, match="at least 8 samples"):
        tsne_map(features[:7], seed=1)
