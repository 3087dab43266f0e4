"""Querying a model on clean test pairs: bare captions, and captions with neutral words where a trigger would stand.

The result of a victim is kept beside its weights, as evaluation.json.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import RuntimeConfig, fingerprint
from mem_core.config.stored import write_record
from mem_core.data.corpus import corpus_fingerprint
from mem_core.models import OpenClipEncoder
from mem_core.models.device import resolve_device
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.metrics import RetrievalResult, chance
from mem_core.victim.query_pairs import QueryPairs, require_numbers
from mem_core.victim.record import read_victim
from mem_core.victim.result import EVALUATION_NAME, EpochResult, Evaluation, read_evaluation
from mem_core.victim.retrieval import retrieve
from mem_core.victim.validation_set import ValidationSet
from mem_core.victim.weights import load_victim


def evaluate_victim(
    folder: Folder, test: Folder, config: EvaluateConfig, runtime: RuntimeConfig, progress: Progress = silent
) -> Evaluation:
    """Queries the victim in a folder and keeps the result beside it; an equal one is not made again.

    Raises `SourceError` where there is no victim or no usable pair.
    """
    record = read_victim(folder)
    tested_on = corpus_fingerprint(test)
    identity = fingerprint(config, record.fingerprint if record else "", tested_on)
    known = read_evaluation(folder)
    if known is not None and known.fingerprint == identity and known.bare.image_to_text.median_rank_draws:
        return known  # one without draws is of a version that kept none: without them there is no interval
    found = query_victim(folder, test, config, runtime, progress)
    found = found.model_copy(update={"fingerprint": identity, "tested_on": tested_on})
    write_record(folder, EVALUATION_NAME, found)
    return found


def query_victim(
    folder: Folder, test: Folder, config: EvaluateConfig, runtime: RuntimeConfig, progress: Progress = silent
) -> Evaluation:
    """The victim in a folder with its last weights and with those a trainer keeps; the test pairs are read once.

    Raises `SourceError` where there is no victim, no usable pair, or a test image that the best epoch was chosen on.
    """
    last, record = load_victim(folder)
    best = record.best_epoch
    models = [last] if best in (None, len(record.history)) else [last, load_victim(folder, "best")[0]]
    found = _query(models, test, config, runtime, progress, record.validation)
    if best is None:
        return found[0]
    kept = EpochResult(epoch=best, bare=found[-1].bare, prefixed=found[-1].prefixed)
    return found[0].model_copy(update={"best": kept})


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
    return _query([model], test, config, runtime, progress)[0]


def _query(
    models: Sequence[OpenClipEncoder],
    test: Folder,
    config: EvaluateConfig,
    runtime: RuntimeConfig,
    progress: Progress,
    chosen_on: ValidationSet | None = None,
) -> list[Evaluation]:
    """Models of one architecture on the same pairs, which are read, resized and tokenised once for all of them."""
    device = resolve_device(runtime)
    for model in models:
        model.to(device)
    pairs = QueryPairs(test, models[0], config, runtime, chosen_on=chosen_on)
    images = pairs.image_features(models, progress)
    prefix = " ".join([config.prefix_word] * config.prefix_length)
    counts = torch.bincount(torch.tensor(pairs.owners)).tolist()
    found = []
    for model, own in zip(models, images, strict=True):
        bare, prefixed = (_retrieved(model, own, pairs, asked) for asked in ([], prefix.split(" ")))
        found.append(
            Evaluation(
                test=test.uri,
                images=len(counts),
                captions=len(pairs.captions),
                prefix=prefix,
                bare=bare,
                prefixed=prefixed,
                chance=chance(len(counts), counts),
            )
        )
    return found


def _retrieved(model: OpenClipEncoder, images: Tensor, pairs: QueryPairs, words: Sequence[str]) -> RetrievalResult:
    """Features of images -> what they and the captions, with neutral words or without any, find."""
    texts = pairs.text_features(model, words)
    require_numbers(model, images, texts)
    return retrieve(images, texts, torch.tensor(pairs.owners))
