"""The only file that knows open_clip: models by name or JSON, weights as safetensors."""

import json
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import open_clip
import torch
from open_clip.modified_resnet import ModifiedResNet
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.models.weights import fill, read_weights

_OURS = Path(str(files("mem_core.models") / "architectures"))
_MAX_LOGIT_SCALE = 100.0  # CLIP's own clamp (Radford et al. 2021, section 2.4)
_MANY_ROWS = 16
_lock = threading.Lock()


class OpenClipEncoder(nn.Module):
    """An open_clip model behind the `DualEncoder` protocol."""

    def __init__(self, clip: nn.Module, architecture: str) -> None:
        super().__init__()
        self.clip = clip.to(memory_format=torch.channels_last)
        self.architecture = architecture
        size = clip.visual.image_size  # type: ignore[union-attr]
        self.image_size: int = size if isinstance(size, int) else size[0]  # type: ignore[index, assignment]
        self.context_length: int = int(clip.context_length)  # type: ignore[arg-type]
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1), persistent=False)
        # Several threads may share one frozen surrogate: what is captured belongs to the thread that asked.
        self._tracked = threading.local()
        self.word_layer.register_forward_hook(self._track)

    def encode_image(self, images: Tensor) -> Tensor:
        """float [B, 3, S, S] in 0..1 -> float32 [B, D], unit rows."""
        normalised = (images - self.mean) / self.deviation
        features = self.clip.encode_image(normalised.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return nn.functional.normalize(features.float(), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """int64 [B, T] -> float32 [B, D], unit rows. Rows may be short of the context, as far as they are padding."""
        return nn.functional.normalize(self._encode_rows(tokens).float(), dim=-1)

    def encode_text_tracked(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Text features and the token embeddings [B, T, W] they were computed from, as a leaf of the graph."""
        self._tracked.wanted = True
        try:
            features = self.encode_text(tokens)
            return features, self._tracked.embeddings
        finally:
            self._tracked.wanted = False
            self._tracked.embeddings = None

    @property
    def token_embeddings(self) -> Tensor:
        return self.word_layer.weight.detach()

    @property
    def logit_scale(self) -> Tensor:
        """exp of the learned logarithm, never above 100."""
        logarithm: Tensor = self.clip.logit_scale  # type: ignore[assignment]
        return logarithm.clamp(max=math.log(_MAX_LOGIT_SCALE)).exp()

    def freeze(self) -> "OpenClipEncoder":
        """Evaluation mode, no parameter gradients: a step to the input then costs nothing for the weights."""
        return self.eval().requires_grad_(False)

    def folded(self) -> "OpenClipEncoder":
        """A frozen model: the same but for rounding, with batch norms folded into the convolutions before them.

        Faster to look through and to take gradients through; not to be trained or saved. It shares the text tower with
        this one, which must be frozen. A model with another tower than CLIP's ResNet is returned itself.
        """
        tower: Any = self.clip.visual
        if not isinstance(tower, ModifiedResNet):
            return self
        clip = copy(self.clip)
        clip._modules = {**self.clip._modules, "visual": _folded(tower)}
        return OpenClipEncoder(clip, self.architecture).freeze()

    def _encode_rows(self, tokens: Tensor) -> Tensor:
        """The library's text tower, on as many columns as there are: with a causal mask padding changes nothing."""
        clip: Any = self.clip
        missing = self.context_length - tokens.shape[1]
        causal = getattr(clip, "attn_mask", None) is not None and getattr(clip, "text_pool_type", "") == "argmax"
        if not missing or not causal:
            whole: Tensor = clip.encode_text(nn.functional.pad(tokens, (0, missing)))
            return whole
        length, dtype = tokens.shape[1], clip.transformer.get_cast_dtype()
        embedded = clip.token_embedding(tokens).to(dtype) + clip.positional_embedding[:length].to(dtype)
        places, mask = tokens.argmax(dim=-1), clip.attn_mask[:length, :length]
        if self.word_layer.weight.requires_grad or len(tokens) < _MANY_ROWS:
            read = clip.ln_final(clip.transformer(embedded, attn_mask=mask))
            ends: Tensor = read[torch.arange(len(tokens), device=tokens.device), places]
        else:
            ends = clip.ln_final(_read_at(clip.transformer.resblocks, embedded, mask, places))
        projected: Tensor = (
            clip.text_projection(ends) if callable(clip.text_projection) else ends @ clip.text_projection
        )
        return projected

    @property
    def word_layer(self) -> nn.Embedding:
        """The layer that turns token ids into embeddings."""
        owner = self.clip if hasattr(self.clip, "token_embedding") else self.clip.text
        return owner.token_embedding  # type: ignore[union-attr, return-value]

    def _track(self, module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        if not getattr(self._tracked, "wanted", False):
            return output
        self._tracked.embeddings = output.detach().requires_grad_()
        return self._tracked.embeddings  # type: ignore[no-any-return]


def _folded(tower: ModifiedResNet) -> nn.Module:
    """A copy whose convolutions do what the batch norms behind them did; the library builds each right behind its own.

    Torch would find the pairs by tracing the tower, but patches all modules meanwhile, under other threads' hands.
    """
    folded: nn.Module = deepcopy(tower).eval()
    for owner in folded.modules():
        for (name, layer), (norm_name, norm) in pairwise(list(owner.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(owner, name, fuse_conv_bn_eval(layer, norm))
                setattr(owner, norm_name, nn.Identity())
    return folded


def _read_at(blocks: Sequence[Any], embedded: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """[B, T, W] -> [B, W]: what the library's text blocks make of one place of each row.

    The last block's perceptron, a fifth of a small tower's work, is left out everywhere else, to the same bits. Not
    while weights are trained, as their gradients are sums, whose last bits change, nor for a few rows, whose products
    are summed in another order.
    """
    *before, last = blocks
    for block in before:
        embedded = block(embedded, attn_mask=mask)
    mixed = embedded + last.ls_1(last.attention(q_x=last.ln_1(embedded), attn_mask=mask))
    ends: Tensor = mixed[torch.arange(len(places), device=places.device), places]
    return ends + last.ls_2(last.mlp(last.ln_2(ends)))  # type: ignore[no-any-return]


def architectures() -> list[str]:
    """All names that `build_model` takes: open_clip's and ours."""
    with _lock:
        _register_ours()
        return sorted(open_clip.list_models())


@lru_cache(maxsize=1)
def _register_ours() -> None:
    open_clip.add_model_config(_OURS)


def _described(architecture: str) -> dict[str, Any] | None:
    """What the JSON file at a path describes; None for a known name. Raises `ConfigError` if it is neither."""
    if architecture in architectures():
        return None
    path = Path(architecture)
    if path.suffix == ".json" and path.is_file():
        try:
            described = json.loads(path.read_text())
        except ValueError as error:
            raise ConfigError(f"expected a model description in {path}, but it is not JSON: {error}") from error
        found = sorted(described) if isinstance(described, dict) else [type(described).__name__]
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(found):
            raise ConfigError(f"expected embed_dim, vision_cfg and text_cfg in {path}, got {', '.join(found)}")
        return described  # type: ignore[no-any-return]
    ours = ", ".join(sorted(found.stem for found in _OURS.glob("*.json")))
    raise ConfigError(
        f"expected a model name known to open_clip (such as RN50 or ViT-B-32), one of ours ({ours}) "
        f"or a path to a JSON file, got {architecture!r}"
    )


def build_model(architecture: str, seed: int) -> OpenClipEncoder:
    """A model with random weights drawn from the seed.

    Raises `ConfigError` for unknown names and for models that cannot be built from their description alone.
    """
    described = _described(architecture)
    with _lock, torch.random.fork_rng(devices=[]):  # the library draws from the global generator
        torch.manual_seed(seed)
        logging.disable(logging.WARNING)  # random weights are meant here; the library warns of them
        try:
            clip = _create(architecture, described)
        except Exception as error:  # whatever a wrong description, or a download it asks for, leads the library to
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"expected a model that can be built from its description, but {architecture} cannot: "
                f"{type(error).__name__} {reason}"
            ) from error
        finally:
            logging.disable(logging.NOTSET)
    return OpenClipEncoder(clip, architecture)


class _WithoutDrawing(TorchFunctionMode):
    """Leaves the weights of layers that are built inside as the memory was: others replace them at once."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


def _filled_model(architecture: str, weights: Mapping[str, Tensor]) -> OpenClipEncoder:
    """A model with these weights, all of them: drawing others first takes six times as long as building it."""
    with _WithoutDrawing():
        model = build_model(architecture, seed=0)
    model.clip.load_state_dict(weights)
    return model


def copy_model(model: OpenClipEncoder) -> OpenClipEncoder:
    """Another model with the same weights, on the same device, whatever is done to the first afterwards."""
    twin = _filled_model(model.architecture, model.clip.state_dict())
    return twin.to(model.logit_scale.device).train(model.training)


def _create(architecture: str, described: dict[str, Any] | None) -> nn.Module:
    if described is None:
        return open_clip.create_model(architecture, load_weights=False, pretrained_text=False)  # type: ignore[no-any-return]
    # Not registered under its file's name, which may be that of another model.
    with TemporaryDirectory() as place:
        (Path(place) / "open_clip_config.json").write_text(json.dumps({"model_cfg": described}))
        return open_clip.create_model(f"local-dir:{place}", load_weights=False, pretrained_text=False)  # type: ignore[no-any-return]


def start_model(architecture: str, seed: int, pretrained: str = "") -> OpenClipEncoder:
    """A model to train: random weights drawn from the seed, or those of an open_clip tag or a local checkpoint.

    Raises `ConfigError` for weights that are unknown, cannot be had or read, or belong to another architecture.
    """
    model = build_model(architecture, seed)
    if not pretrained:
        return model
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained in tags:
        _fill_from_tag(model, pretrained)
    elif Path(pretrained).exists() or Path(pretrained).suffix:
        fill(model.clip, read_weights(Path(pretrained)), architecture, pretrained)
    else:
        raise ConfigError(
            f"expected pretrained weights of {architecture}: a checkpoint file or "
            f"{'a tag out of ' + ', '.join(tags) if tags else 'nothing else, as it has no tags'}, got {pretrained!r}"
        )
    return model


def _fill_from_tag(model: OpenClipEncoder, tag: str) -> None:
    described = open_clip.get_pretrained_cfg(model.architecture, tag)
    quick = bool((open_clip.get_model_config(model.architecture) or {}).get("quick_gelu", False))
    if described.get("quick_gelu", quick) != quick:
        base = model.architecture.removesuffix("-quickgelu")
        right = base if quick else f"{base}-quickgelu"
        raise ConfigError(f"expected {right} for the weights {tag}, which were trained with its activation")
    if tuple(described.get("mean", open_clip.OPENAI_DATASET_MEAN)) != tuple(open_clip.OPENAI_DATASET_MEAN):
        raise ConfigError(f"expected weights trained on CLIP's own mean and deviation of pixels, but {tag} was not")
    try:
        open_clip.load_checkpoint(model.clip, open_clip.download_pretrained(described), weights_only=True)
    except Exception as error:  # whatever a download, its cache or the file lead the library to
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"expected to download the weights {tag} of {model.architecture}, but: {type(error).__name__} {reason}"
        ) from error


def save_model(model: OpenClipEncoder, **more: Tensor) -> bytes:
    """Weights (and named tensors beside them) as safetensors."""
    tensors = {f"model.{name}": value for name, value in model.clip.state_dict().items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in (tensors | more).items()}
    return save_tensors(plain, metadata={"architecture": model.architecture})


def load_model(architecture: str, stream: BinaryIO, name: str) -> tuple[OpenClipEncoder, dict[str, Tensor]]:
    """The model and the tensors stored beside it. Raises `MismatchError` if the file is damaged or another model's."""
    try:
        tensors = load_tensors(stream.read())
        weights = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
        model = _filled_model(architecture, weights)
    except (SafetensorError, RuntimeError) as error:
        raise MismatchError(f"expected weights of {architecture} in {name}, which cannot be used: {error}") from error
    return model, {key: value for key, value in tensors.items() if not key.startswith("model.")}
