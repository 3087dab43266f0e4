"""Clean validation pairs: what a trainer looks at after each epoch, and keeps the best one by.

Images and captions are made ready once a training. A pair is an image with its first caption, so both directions rank
as many items, and the sum of both median ranks orders epochs as the mean of their shares of chance level does.
The test set is never looked at here: it must share no image with the validation pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_of
from mem_core.data.corpus import input_sha256_of, list_shards
from mem_core.data.receipt import read_receipt
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.shard_cache import load_shard
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.device import autocast
from mem_core.models.image_batch import seen_at_centre
from mem_core.models.token_rows import without_padding
from mem_core.victim.retrieval import best_ranks
from mem_core.victim.validation_set import ValidationSet, image_digest

_BATCH = 256


def require_apart(chosen: ValidationSet, test: Folder) -> None:
    """Reads the test corpus without decoding it. Raises `SourceError` for an image in both."""
    for name in list_shards(test):
        with open_tar(test, name) as stream:
            found = read_shard(stream, f"{name} in {test.uri}")
            chosen.require_apart((sample for sample in found if isinstance(sample, Sample)), test.uri)


def require_held_out(validation: Folder, corpus: Folder) -> None:
    """Raises `SourceError` where a shard of the validation corpus is trained on, as it is or protected.

    The epoch that is best on pairs that are learned by heart is none that a trainer would keep.
    """
    trained: set[str] = set()
    for name in list_shards(corpus):
        receipt, tar = read_receipt(corpus, name), f"{name}.tar"
        trained.add(sha256_of(corpus, tar) if receipt is None else receipt.outputs[tar])
        if receipt is not None and not receipt.is_clean:
            trained.add(receipt.input_sha256)
    for name in list_shards(validation):
        if input_sha256_of(validation, name) in trained:
            raise SourceError(
                f"expected validation pairs that no victim is trained on, but shard {name} of {validation.uri} is in "
                f"{corpus.uri}, as it is or protected: name a validation split of its own"
            )


def validation_images(corpus: Folder, count: int) -> ValidationSet:
    """The first `count` different images of a corpus, none decoded: enough to compare with test pairs beforehand."""
    found: dict[str, None] = {}
    for name in list_shards(corpus):
        with open_tar(corpus, name) as stream:
            for sample in read_shard(stream, f"{name} in {corpus.uri}"):
                if len(found) < count and isinstance(sample, Sample):
                    found[image_digest(sample)] = None
        if len(found) >= count:
            break
    return ValidationSet(corpus=corpus.uri, images=tuple(found))


@dataclass(frozen=True)
class ValidationPairs:
    """images: float32 [N, 3, S, S] in about 0..1, as the model sees them. rows: int64 [N, T], a caption of each."""

    about: ValidationSet
    images: Tensor
    rows: Tensor

    @classmethod
    def load(cls, corpus: Folder, count: int, model: OpenClipEncoder, device: torch.device) -> "ValidationPairs":
        """The first `count` different images of a clean corpus, each with its first caption.

        Raises `SourceError` if there are fewer than two, which no epoch can be chosen by.
        """
        digests: dict[str, None] = {}
        seen: list[Tensor] = []
        captions: list[str] = []
        for name in list_shards(corpus):
            shard = load_shard(corpus, name, max_pixels=2**40)
            fresh: list[Tensor] = []
            for place, sample in enumerate(shard.samples):
                digest = image_digest(sample)
                if len(digests) < count and digest not in digests:  # of a sample for each pair the first is enough
                    digests[digest] = None
                    fresh.append(shard.pixels(place))
                    captions.append(sample.captions[0])
            if fresh:
                seen.append(seen_at_centre(fresh, model.image_size, device).cpu())
            if len(digests) >= count:
                break
        if len(digests) < 2:
            raise SourceError(
                f"expected at least 2 usable validation pairs in {corpus.uri}, got {len(digests)} of the {count} that "
                "victim.validation_pairs asks for: name a validation split with more, or set it to 0 to keep the last "
                "epoch only"
            )
        rows = without_padding(tokenizer_for(model).encode(captions))
        about, images = ValidationSet(corpus=corpus.uri, images=tuple(digests)), torch.cat(seen)
        return cls(about, images.pin_memory() if device.type == "cuda" else images, rows)

    def median_ranks(self, model: OpenClipEncoder, device: torch.device, precision: torch.dtype) -> tuple[float, float]:
        """Image to text and text to image, plain queries, with a model that is frozen and on the device."""
        with torch.no_grad(), autocast(device, precision):
            images = torch.cat(
                [model.encode_image(part.to(device, non_blocking=True)) for part in self.images.split(_BATCH)]
            )
            texts = torch.cat([model.encode_text(part.to(device)) for part in self.rows.split(_BATCH)])
        if not bool(images.isfinite().all() and texts.isfinite().all()):
            raise ConfigError(f"expected features that are numbers from {model.architecture}, but it has diverged")
        return _median(images, texts), _median(texts, images)


def _median(queries: Tensor, items: Tensor) -> float:
    """float [N, D] each; the right item of query n is item n."""
    right: Sequence[Sequence[int]] = [[place] for place in range(len(queries))]
    return float(np.median(best_ranks(queries, items, right)))
