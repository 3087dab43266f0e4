"""Whether a model learned the shortcut of a protected corpus: does it pair an image's noise with that image's trigger?

For every protected pair, the *noise feature* is what the noise adds to the image's feature (protected less clean), the
*trigger feature* that of the trigger words without the caption. Both are centred, then compared by cosine. A model that
learned the shortcut puts a trigger near its own noise; one that did not has no reason to prefer it to another image's.

The null distribution comes from permutations of the different triggers among the same images. The p-value is the
share of permutations, the true one among them, that agree at least as well. Pairs that the model was not trained on
(protected with the stored protector and never published) show that it learned the method's shortcut, and not these very
pairs.

The p-value is exact where noise and trigger words were made independently of each other, as a codebook's are. MEM's
come from one surrogate, and a model that merely resembles it may agree a little without having seen a pair. So a small
p-value of one model is no verdict: it takes models that never saw the pairs beside it (docs/certificate.md).
"""

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import generator
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import RuntimeConfig
from mem_core.config.base import Frozen
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import read_receipt
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import read_rows
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.device import autocast, resolve_device, resolve_precision
from mem_core.models.image_batch import seen_at_centre
from mem_core.report.claims import missing_for_detection, no_verdict

_AT_ONCE = 128
_FEWEST, _FEWEST_TRIGGERS = 20, 6  # six triggers have 720 permutations
_SAME = 1e-6  # one less the cosine of features of the same words


class Ownership(Frozen):
    """What the test found. agreement: mean cosine of noise and own trigger; expected, deviation: under permutation.

    hit_at_1: share of noises whose own trigger is the nearest of all different `triggers`; by chance one of them.
    """

    pairs: int
    triggers: int
    permutations: int
    agreement: float
    expected: float
    deviation: float
    p_value: float = Field(gt=0, le=1)
    hit_at_1: float


def detection_note(found: Ownership) -> str:
    """What the test of one model does not say."""
    return (
        f"{no_verdict(missing_for_detection(found.pairs))} p is not exact where one surrogate made noise and trigger "
        "words, as MEM does: of seven models that never saw the pairs, three had p between 0.009 and 0.05."
    )


def detect_shortcut(
    model: OpenClipEncoder,
    protected: Folder,
    clean: Folder,
    runtime: RuntimeConfig,
    *,
    seed: int = 0,
    permutations: int = 9999,
    progress: Progress = silent,
) -> Ownership:
    """Tests a frozen model on all pairs that both corpora have.

    Raises `SourceError` for a corpus without triggers or noise, or with too few pairs; `MismatchError` if the protected
    corpus was not made from the clean one.
    """
    noises, triggers = pair_features(model, protected, clean, runtime, progress)
    return permutation_test(noises, triggers, seed=seed, permutations=permutations)


def pair_features(
    model: OpenClipEncoder, protected: Folder, clean: Folder, runtime: RuntimeConfig, progress: Progress = silent
) -> tuple[Tensor, Tensor]:
    """Noise and trigger features [N, D] of all pairs that both corpora have; raises as `detect_shortcut`."""
    noises, triggers = [], []
    device = resolve_device(runtime)
    model.to(device)
    shards = list_shards(protected)
    for number, name in enumerate(shards):
        found = _shard_features(model, protected, clean, name, device, resolve_precision(runtime, device))
        noises.append(found[0])
        triggers.append(found[1])
        progress(number + 1, len(shards), f"shard {name}")
    return torch.cat(noises), torch.cat(triggers)


def permutation_test(noises: Tensor, triggers: Tensor, *, seed: int = 0, permutations: int = 9999) -> Ownership:
    """float [N, D] noise and trigger features, row by row of one pair -> the test. Raises `SourceError` for too few.

    Pairs with the same trigger, as a codebook's of one topic, stay together: the different triggers are permuted.
    Permuted pair by pair, any model that tells the gratings apart would seem to know their trigger words.
    """
    if len(noises) < _FEWEST:
        raise SourceError(f"expected at least {_FEWEST} protected pairs with noise to test with, got {len(noises)}")
    rows = [normalize(part.double() - part.double().mean(0), dim=1).cpu() for part in (noises, triggers)]
    first, own = _different(rows[1])
    count = len(first)
    if count < _FEWEST_TRIGGERS:
        raise SourceError(f"expected at least {_FEWEST_TRIGGERS} different triggers to test with, got {count}")
    cosines = rows[0] @ rows[1][first].T
    sums = torch.zeros(count, count, dtype=torch.float64).index_add_(0, own, cosines)
    draw, places = generator(seed, "permutations"), torch.arange(count)
    permuted = torch.stack([sums[places, torch.randperm(count, generator=draw)].sum() for _ in range(permutations)])
    permuted, agreement = permuted / len(own), sums.diagonal().sum() / len(own)
    return Ownership(
        pairs=len(own),
        triggers=count,
        permutations=permutations,
        agreement=float(agreement),
        expected=float(permuted.mean()),
        deviation=float(permuted.std()),
        p_value=(1 + int((permuted >= agreement - 1e-12).sum())) / (1 + permutations),
        hit_at_1=float((cosines.argmax(dim=1) == own).double().mean()),
    )


def _different(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Unit rows [N, D] -> where each different one comes first [K], and which of those each row is [N]."""
    same = rows @ rows.T > 1 - _SAME
    first, own = torch.unique(same.int().argmax(dim=1), return_inverse=True)
    return first, own


def _shard_features(
    model: OpenClipEncoder,
    protected: Folder,
    clean: Folder,
    name: str,
    device: torch.device,
    precision: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Noise and trigger features [N, D] of the pairs of one shard."""
    receipt = read_receipt(protected, name)
    if receipt is None or not receipt.trigger_length:
        what = "has no receipt" if receipt is None else f"was made by {receipt.method}, without triggers"
        raise SourceError(f"expected pairs with noise and trigger in {protected.uri}, but shard {name} {what}")
    pairs, noises, triggers = _pairs(protected, clean, name), [], []
    for first in range(0, len(pairs), _AT_ONCE):
        before, after, words = zip(*pairs[first : first + _AT_ONCE], strict=True)
        tokens = tokenizer_for(model).encode(words).to(device)
        seen = [seen_at_centre(pixels, model.image_size, device) for pixels in (before, after)]
        with torch.no_grad(), autocast(device, precision):
            plain, noised = map(model.encode_image, seen)
            noises.append((noised - plain).float().cpu())
            triggers.append(model.encode_text(tokens).float().cpu())
    return (torch.cat(noises), torch.cat(triggers)) if pairs else (torch.zeros(0, 1), torch.zeros(0, 1))


def _pairs(protected: Folder, clean: Folder, name: str) -> list[tuple[Tensor, Tensor, str]]:
    """Clean pixels, protected pixels and trigger of each sample that has noise.

    Raises `MismatchError` for a clean shard that it was not made from.
    """
    rows = {row.key: row for row in read_rows(protected, name)}
    before, after = load_shard(clean, name, 2**40), load_shard(protected, name, 2**40)
    places = {key: i for i, key in enumerate(before.keys)}
    pairs = []
    for i, key in enumerate(after.keys):
        row, place = rows.get(key), places.get(key)
        if row is None or row.status != "protected":
            continue
        if place is None or before.pictures[place].pixels.shape != after.pictures[i].pixels.shape:
            raise MismatchError(f"expected sample {key} of {protected.uri} in {clean.uri}, in the same size")
        if row.sha256_in != sha256_bytes(before.samples[place].image):
            raise MismatchError(
                f"expected sample {key} in {clean.uri} to be the one that {protected.uri} was made from"
            )
        if row.trigger and not torch.equal(before.pixels(place), after.pixels(i)):
            pairs.append((before.pixels(place), after.pixels(i), row.trigger))
    return pairs
