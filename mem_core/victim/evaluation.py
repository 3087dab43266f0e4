"""Querying a model on clean test pairs: bare captions, and captions with a neutral prefix.

The result of a victim is kept beside its weights, as evaluation.json.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, RuntimeConfig, fingerprint
from mem_core.config.stored import read_record, write_record
from mem_core.data.corpus import corpus_fingerprint, list_shards
from mem_core.data.shard_cache import load_shard
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.device import autocast, resolve_device, resolve_precision
from mem_core.models.image_batch import seen_at_centre
from mem_core.models.token_rows import without_padding
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.metrics import RetrievalResult, chance
from mem_core.victim.record import load_victim, read_victim
from mem_core.victim.retrieval import retrieve

EVALUATION_NAME = "evaluation.json"


class EpochResult(Frozen):
    """Retrieval of a victim with the weights of one epoch, counted from 1."""

    epoch: int
    bare: RetrievalResult
    prefixed: RetrievalResult


class Evaluation(Frozen):
    """Retrieval of one model on one clean test corpus.

    bare, prefixed: with the weights of the last epoch. best: with those of the epoch that a trainer would keep, chosen
    on clean validation pairs; None where there were none.
    """

    format: int = 1
    test: str
    images: int
    captions: int
    prefix: str
    bare: RetrievalResult
    prefixed: RetrievalResult
    chance: RetrievalResult
    best: EpochResult | None = None
    fingerprint: str = ""  # of settings, victim and test corpus, where a caller keeps the result


def evaluate_victim(
    folder: Folder, test: Folder, config: EvaluateConfig, runtime: RuntimeConfig, progress: Progress = silent
) -> Evaluation:
    """Queries the victim in a folder and keeps the result beside it; an equal one is not made again.

    Raises `SourceError` where there is no victim or no usable pair.
    """
    record = read_victim(folder)
    identity = fingerprint(config, record.fingerprint if record else "", corpus_fingerprint(test))
    known = read_evaluation(folder)
    if known is not None and known.fingerprint == identity and known.bare.image_to_text.median_rank_draws:
        return known  # one without draws is of a version that kept none: without them there is no interval
    found = query_model(load_victim(folder)[0], test, config, runtime, progress)
    found = found.model_copy(update={"fingerprint": identity})
    write_record(folder, EVALUATION_NAME, found)
    return found


def read_evaluation(folder: Folder) -> Evaluation | None:
    """The stored result of a victim, None if there is none. Raises `MismatchError` if it cannot be read."""
    return read_record(folder, EVALUATION_NAME, Evaluation, "an evaluation")


def query_model(
    model: OpenClipEncoder,
    test: Folder,
    config: EvaluateConfig,
    runtime: RuntimeConfig,
    progress: Progress = silent,
) -> Evaluation:
    """Both directions over all pairs of a clean test corpus, one shard's pixels in memory at a time.

    The model must be frozen; it is moved to the device. Raises `SourceError` if the corpus holds no usable pair.
    """
    device = resolve_device(runtime)
    precision = resolve_precision(runtime, device)
    model.to(device)
    prefix = " ".join([config.prefix_word] * config.prefix_length)
    images: list[Tensor] = []
    captions: list[str] = []
    owner: list[int] = []
    count = 0
    shards = list_shards(test)
    for number, name in enumerate(shards):
        shard = load_shard(test, name, max_pixels=2**40)
        pixels = [shard.pixels(i) for i in range(len(shard.samples))]
        for sample in shard.samples:
            owner += [count] * len(sample.captions)
            captions += sample.captions
            count += 1
        images += _image_features(model, pixels, config.batch_size, device, precision)
        progress(number + 1, len(shards), "test images")
    if not captions:
        raise SourceError(f"expected at least one usable pair in the test corpus {test.uri}, got none")
    image_features, of_text = torch.cat(images), torch.tensor(owner)
    texts = [
        _text_features(model, asked, config.batch_size, device, precision)
        for asked in (captions, [f"{prefix} {caption}" for caption in captions])
    ]
    if not all(bool(features.isfinite().all()) for features in (image_features, *texts)):
        raise ConfigError(f"expected features that are numbers from {model.architecture}, but it has diverged")
    bare, prefixed = (retrieve(image_features, features, of_text) for features in texts)
    counts = torch.bincount(of_text).tolist()
    return Evaluation(
        test=test.uri,
        images=len(counts),
        captions=len(captions),
        prefix=prefix,
        bare=bare,
        prefixed=prefixed,
        chance=chance(len(counts), counts),
    )


def _image_features(
    model: OpenClipEncoder, pixels: Sequence[Tensor], size: int, device: torch.device, precision: torch.dtype
) -> list[Tensor]:
    found = []
    for first in range(0, len(pixels), size):
        seen = seen_at_centre(pixels[first : first + size], model.image_size, device)
        with torch.no_grad(), autocast(device, precision):
            found.append(model.encode_image(seen))
    return found


def _text_features(
    model: OpenClipEncoder, texts: Sequence[str], size: int, device: torch.device, precision: torch.dtype
) -> Tensor:
    rows = tokenizer_for(model).encode(texts)
    with torch.no_grad(), autocast(device, precision):
        return torch.cat([model.encode_text(without_padding(piece).to(device)) for piece in rows.split(size)])
