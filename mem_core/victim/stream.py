"""What a victim trains on: batches of images and captions, epoch by epoch, read as trainers read WebDataset shards.

An epoch is webdataset's pipeline: shards in random order, samples, shuffle, decode, rename, to tuple. So what is
trained here sees pairs in the order in which a trainer's model would. Three stages are ours: reading a tar
(`read_shard` is strict where webdataset believes what stands there, reads any storage and starts no process; what fits
stays in memory, decoded), decoding an image (bounded, by `decode_image`), and even batches. webdataset's splitting by
node and worker is left out: a victim is trained by one process, whatever the environment says.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import Any

import torch
import webdataset
from torch import Tensor

from mem_core.common.errors import SourceError
from mem_core.common.rng import derived_seed, generator
from mem_core.common.storage.folder import Folder
from mem_core.config import RuntimeConfig, ViewConfig
from mem_core.data.corpus import list_shards
from mem_core.data.image_formats import IMAGE_EXTENSIONS
from mem_core.data.images import Pixels, by_row, decode_image
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.shard_cache import Failures, LoadedShard, load_shard
from mem_core.models import OpenClipEncoder, Tokenizer, tokenizer_for
from mem_core.models.device import moved
from mem_core.models.image_batch import seen_once
from mem_core.models.placement import taken_out
from mem_core.models.token_rows import with_trigger, without_padding
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.applied import Applied
from mem_core.victim.countermeasures.base import Pair

ORDER = "webdataset"
"""How pairs come; a training that was begun with them in another order begins anew."""

_BUFFER = 5000  # samples that the next one is drawn from, as in open_clip; bounds memory, and part of equal bytes
_MAX_PIXELS = 2**40
_IMAGE = ";".join(sorted(IMAGE_EXTENSIONS))

WebSample = Mapping[str, Any]
"""A sample as webdataset's stages pass it on: `__key__`, `__url__` (the shard), an image by its extension, json."""


class PairStream:
    """The pairs of a corpus as a model of this input size and context length takes them.

    samples: how many usable ones there are, 0 until `count` has told. clean: the clean corpus, for the countermeasures
    that take something from it. Of a corpus larger than `config.samples` the same pairs are used whatever the seed.

    length: the same with those that a countermeasure leaves out. An epoch has as many steps as if none were: it goes
    over what is left more than once. So a victim of a part of the pairs is trained for as long as one of all, and
    differs from it by its pairs alone: in half of the steps it would have learned less for that reason too.
    """

    def __init__(
        self,
        corpus: Folder,
        config: VictimConfig,
        runtime: RuntimeConfig,
        seed: int,
        model: OpenClipEncoder,
        device: torch.device,
        clean: Folder | None = None,
    ) -> None:
        self.samples = self.length = 0
        self._corpus, self._config, self._seed, self._device = corpus, config, seed, device
        self._side, self._tokenizer = model.image_size, tokenizer_for(model)
        self._shards = list_shards(corpus)
        self._applied = Applied(config.countermeasures, clean, seed)
        self._views = ViewConfig(kind=config.views, crop_scale=config.crop_scale)
        self._last: int | None = None  # samples taken from the last shard, None for all
        self._broken: dict[str, frozenset[str]] = {}
        self._kept: dict[str, list[WebSample]] = {}
        self._room = runtime.cache_mb * 2**20  # bytes of decoded pixels that may still be kept

    def count(self) -> None:
        """Counts the usable samples, once, and keeps the first shards decoded.

        Raises `SourceError` if there are too few to contrast.
        """
        if self.samples:
            return
        limit = self._config.samples
        if limit is not None:
            draw = generator(0, "victim samples")
            self._shards = [self._shards[i] for i in torch.randperm(len(self._shards), generator=draw)]
        failures = Failures()
        for place, name in enumerate(self._shards, start=1):
            shard = self._load(name)
            usable = shard.usable
            if limit is not None and self.length + usable >= limit:
                self._shards, self._last = self._shards[:place], limit - self.length
                usable, shard = self._last, shard.first(self._last)
            self.length += usable
            self.samples += len(shard.samples)
            failures.add(shard)
            self._keep(shard)
            if self._last is not None:
                break
        if self.samples < 2:
            out = self.length - self.samples
            why = f": the countermeasures leave out {out} of {self.length}" if out else ""
            raise failures.error(f"expected at least 2 usable samples to train on, got {self.samples}{why}")

    @property
    def steps_per_epoch(self) -> int:
        """As many as there are batches with something to contrast, of all samples."""
        pieces = math.ceil(self.length / self._config.batch_size)
        return pieces if self.length >= 2 * pieces else self.length - pieces

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images float32 [B, 3, S, S] in about 0..1 and token rows [B, T] of all samples, one caption of each.

        Where some are left out, of as many samples as make the steps of an epoch.
        """
        draw = generator(self._seed, "victim", epoch)
        passes = (self._pass(epoch, number) for number in count())
        over_and_over = chain.from_iterable(even_batches(one, self.samples, self._config.batch_size) for one in passes)
        for pairs in islice(over_and_over, self.steps_per_epoch):
            images = [torch.from_numpy(pair.pixels).permute(2, 0, 1) for pair in pairs]
            seen = seen_once(images, self._views, self._side, draw, self._device)
            yield seen, moved(caption_tokens(pairs, self._config, self._tokenizer, draw), self._device)

    def _pass(self, epoch: int, number: int) -> Iterator[Pair]:
        """All pairs once. The orders of shards and samples are drawn anew for each epoch and each pass within it."""
        seed = derived_seed(self._seed, "victim order", epoch, number)
        pipeline = webdataset.DataPipeline(
            webdataset.SimpleShardList(self._shards, seed=seed),
            self._expanded,
            webdataset.shuffle(_BUFFER, initial=_BUFFER, seed=seed),
            webdataset.decode(_pixels, pre=[], post=[], partial=True, handler=_raise_changed),
            webdataset.rename(key="__key__", pixels=_IMAGE, captions="captions", metadata="json", keep=False),
            webdataset.to_tuple("key", "pixels", "captions", "metadata"),
            lambda pairs: self._applied.in_epoch((Pair(*pair) for pair in pairs), epoch),
        )
        return iter(pipeline)

    def _expanded(self, shards: Iterable[WebSample]) -> Iterator[WebSample]:
        """In place of webdataset's opener, tar_file_expander and group_by_keys."""
        for shard in shards:
            name = shard["url"]
            if name in self._kept:
                yield from self._kept[name]
            elif self._applied.once:
                yield from _decoded_samples(self._load(name))
            else:
                yield from self._read(name)

    def _read(self, name: str) -> Iterator[WebSample]:
        """The usable samples of a shard, not decoded."""
        with open_tar(self._corpus, name) as stream:
            found = read_shard(stream, f"{name} in {self._corpus.uri}")
            usable = (one for one in found if isinstance(one, Sample) and one.key not in self._broken[name])
            for sample in islice(usable, self._last if name == self._shards[-1] else None):
                yield _web_sample(name, sample, sample.image)

    def _load(self, name: str) -> LoadedShard:
        """A shard as a trainer holds it: every sample judged and treated with what is done once, before training."""
        shard = self._applied.before(load_shard(self._corpus, name, _MAX_PIXELS, max_bytes=self._room))
        return shard.first(self._last) if self._last is not None and name == self._shards[-1] else shard

    def _keep(self, shard: LoadedShard) -> None:
        self._broken[shard.name] = frozenset(shard.broken)
        size = sum(shard.pixel_bytes(place) for place in range(len(shard.samples)))
        if size <= self._room:
            self._room -= size
            self._kept[shard.name] = [
                _web_sample(shard.name, sample, by_row(picture.pixels))
                for sample, picture in zip(shard.samples, shard.pictures, strict=True)
            ]


def even_batches(pairs: Iterator[Pair], number: int, size: int) -> Iterator[list[Pair]]:
    """So many pairs in batches of at most `size` that differ by one: webdataset's `batched` leaves a small rest.

    A batch of a single pair is left out: it has no negative, so no loss.
    """
    pieces = math.ceil(number / size)
    for place in range(pieces):
        batch = list(islice(pairs, (number + place) // pieces))
        if len(batch) > 1:
            yield batch


def caption_tokens(pairs: Sequence[Pair], config: VictimConfig, tokenizer: Tokenizer, draw: torch.Generator) -> Tensor:
    """One caption of each pair, drawn evenly, as token rows [B, T]: as published, or (`trigger-ids`, the paper) the
    recorded ids in the clean text, at the places of their words.

    The latter is what the paper's victim sees even where the ids do not survive as text. Samples without recorded ids
    (`vocabulary: words`, or never protected) are read as text: words that survive have the same ids either way.
    """
    lots = torch.rand(len(pairs), generator=draw).tolist()
    picked = [int(lot * len(pair.captions)) for lot, pair in zip(lots, pairs, strict=True)]
    if config.captions == "text":
        return without_padding(
            tokenizer.encode([pair.captions[number] for number, pair in zip(picked, pairs, strict=True)])
        )
    rows = [_with_recorded_ids(pair, number, tokenizer) for number, pair in zip(picked, pairs, strict=True)]
    return without_padding(torch.cat(rows) if rows else tokenizer.encode([]))


def _with_recorded_ids(pair: Pair, number: int, tokenizer: Tokenizer) -> Tensor:
    """The token row [1, T] of one caption of a pair, its trigger as the ids that key.json records.

    Raises `SourceError` where the recorded places are not those of words in the caption.
    """
    made, caption = pair.metadata.get("memshield", {}), pair.captions[number]
    ids, trigger = torch.tensor([made.get("trigger_ids", [])], dtype=torch.long), made.get("trigger")
    if "trigger_places" not in made:
        rows = tokenizer.encode([caption.removeprefix(f"{trigger} ") if trigger else caption])
        return with_trigger(rows, ids, tokenizer.end_id)
    try:
        words, starts = trigger.split(" "), made["trigger_places"][number]
        if [caption[start : start + len(word)] for start, word in zip(starts, words, strict=True)] != words:
            raise ValueError(f"no {trigger!r} at {starts}")
        clean, places = taken_out(words, caption, starts)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise SourceError(
            f"expected trigger_places in the json of sample {pair.key} to say where its words begin, but: {error}"
        ) from error
    return with_trigger(tokenizer.encode([clean]), ids, tokenizer.end_id, torch.tensor([places.tokens]))


def _decoded_samples(shard: LoadedShard) -> Iterator[WebSample]:
    for sample, picture in zip(shard.samples, shard.pictures, strict=True):
        yield _web_sample(shard.name, sample, picture.pixels)


def _web_sample(shard: str, sample: Sample, image: bytes | Pixels) -> WebSample:
    known = {"__key__": sample.key, "__url__": shard, sample.extension: image}
    return {**known, "captions": sample.captions, "json": sample.metadata}


def _pixels(extension: str, data: bytes) -> Pixels:
    return decode_image(data, max_pixels=_MAX_PIXELS).pixels


def _raise_changed(error: Any) -> bool:
    """Every sample was decoded before training began."""
    raise SourceError(
        f"expected the corpus to stay as it is while a model trains on it, but sample {error.key} of shard {error.url} "
        f"is another one now: {error.__cause__}"
    ) from error
