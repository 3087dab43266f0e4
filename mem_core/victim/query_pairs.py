"""Clean test pairs as models of one size are asked them: decoded, resized and tokenised once for all their looks."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import RuntimeConfig
from mem_core.data.corpus import list_shards
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.device import autocast, resolve_device, resolve_precision
from mem_core.models.image_batch import seen_at_centre
from mem_core.models.placement import placed
from mem_core.models.token_rows import without_padding
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.retrieval import both_ranks
from mem_core.victim.validation_set import ValidationSet, image_digest

_SHARE = 0.5  # of `cache_mb`, beside it: what resized images may take; those of further shards are decoded at each look


class QueryPairs:
    """The pairs of a clean test corpus, for frozen models of one architecture on one device.

    captions: all of them, and owners the number of each one's image; both are known once the images were seen. In a
    corpus with a sample for each pair the samples of a photograph are one image, whose captions are all right.
    keep: whether the resized images stay for later looks, as far as there is room.
    """

    def __init__(
        self,
        test: Folder,
        model: OpenClipEncoder,
        config: EvaluateConfig,
        runtime: RuntimeConfig,
        *,
        chosen_on: ValidationSet | None = None,
        keep: bool = False,
    ) -> None:
        self.test, self.captions, self.owners = test, list[str](), list[int]()
        self._config, self._chosen_on, self._side = config, chosen_on, model.image_size
        self._tokenizer, self._device = tokenizer_for(model), resolve_device(runtime)
        self._precision = resolve_precision(runtime, self._device)
        self._shards, self._images = list_shards(test), dict[str, int]()
        self._fresh: dict[str, tuple[str, list[int]]] = {}  # hash of a shard, places of the images not met before it
        self._kept: dict[str, list[Tensor]] = {}
        self._room = int(_SHARE * runtime.cache_mb * 2**20) if keep else 0

    def image_features(self, models: Sequence[OpenClipEncoder], progress: Progress = silent) -> list[Tensor]:
        """float32 [I, D] of each model; of what is not kept, one shard's pixels in memory at a time.

        Raises `SourceError` for a corpus without a usable pair, for an image that an epoch was chosen on, and for a
        shard that is another one at a later look.
        """
        found: list[list[Tensor]] = [[] for _ in models]
        for number, name in enumerate(self._shards, start=1):
            for seen in self._kept.get(name) or self._seen(name):
                images = seen.to(self._device, non_blocking=True)
                with torch.no_grad(), autocast(self._device, self._precision):
                    for own, model in zip(found, models, strict=True):
                        own.append(model.encode_image(images))
            progress(number, len(self._shards), "test images")
        if not self.captions:
            raise SourceError(f"expected at least one usable pair in the test corpus {self.test.uri}, got none")
        return [torch.cat(own) for own in found]

    def text_features(self, model: OpenClipEncoder, words: Sequence[str] = ()) -> Tensor:
        """float32 [C, D] of the captions: bare, or with neutral words where the config places them."""
        placement = self._config.prefix_placement
        asked = [placed(words, caption, placement) for caption in self.captions] if words else self.captions
        pieces = self._tokenizer.encode(asked).split(self._config.batch_size)
        with torch.no_grad(), autocast(self._device, self._precision):
            return torch.cat([model.encode_text(without_padding(piece).to(self._device)) for piece in pieces])

    def median_ranks(self, model: OpenClipEncoder) -> tuple[float, float]:
        """Image to text and text to image, of bare queries: an evaluation's, without what else that computes."""
        (images,) = self.image_features([model])
        texts = self.text_features(model)
        require_numbers(model, images, texts)
        to_text, to_image = both_ranks(images, texts, torch.tensor(self.owners))
        return float(np.median(to_text)), float(np.median(to_image))

    def _seen(self, name: str) -> Iterator[Tensor]:
        """The images of a shard that were not met before, batch by batch, float32 [B, 3, S, S]."""
        shard = load_shard(self.test, name, max_pixels=2**40)
        places = self._places(shard)
        size = 4 * 3 * self._side**2 * len(places)
        kept: list[Tensor] | None = [] if size <= self._room else None
        for first in range(0, len(places), self._config.batch_size):
            pixels = [shard.pixels(place) for place in places[first : first + self._config.batch_size]]
            seen = seen_at_centre(pixels, self._side, self._device)
            if kept is not None:
                kept.append(seen.cpu().pin_memory() if self._device.type == "cuda" else seen)
            yield seen
        if kept is not None:
            self._kept[name] = kept
            self._room -= size

    def _places(self, shard: LoadedShard) -> list[int]:
        """Where the images not met before are; captions and owners of a shard are noted once."""
        if shard.name in self._fresh:
            sha256, places = self._fresh[shard.name]
            if sha256 != shard.sha256:
                raise SourceError(
                    f"expected the test corpus {self.test.uri} to stay as it is while models are queried with it, but "
                    f"shard {shard.name} is another one now"
                )
            return places
        if self._chosen_on is not None:
            self._chosen_on.require_apart(shard.samples, self.test.uri)
        places = []
        for place, sample in enumerate(shard.samples):
            met = len(self._images)
            owner = self._images.setdefault(image_digest(sample), met)
            places += [place] if owner == met else []
            self.captions += sample.captions
            self.owners += [owner] * len(sample.captions)
        self._fresh[shard.name] = shard.sha256, places
        return places


def require_numbers(model: OpenClipEncoder, *features: Tensor) -> None:
    """Raises `ConfigError` for features of a model that has diverged."""
    if not all(bool(found.isfinite().all()) for found in features):
        raise ConfigError(f"expected features that are numbers from {model.architecture}, but it has diverged")
