"""From any source to a clean corpus: one folder of shards for each split.

Streaming: what is held is one image and the rows of one open shard a split; the pairs of a pair corpus are shuffled on
disk before (`pair_order`). A second run does only what is missing: finished shards (those with a receipt) are compared
with the source, not written again.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import Any

from mem_core.common.errors import DestinationError, MismatchError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes, require_disjoint, write_bytes
from mem_core.config import CorpusConfig, fingerprint
from mem_core.data.corpus import SHARDING_NAME
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.data.readers import LeftOut, RawSample, SourceReader
from mem_core.data.receipt import has_receipt
from mem_core.data.sharding.candidate import candidates
from mem_core.data.sharding.clean_shard import shard_name, source_changed
from mem_core.data.sharding.held_out import Splits, require_held_out
from mem_core.data.sharding.left_out import write_left_out
from mem_core.data.sharding.pair_order import shuffled_pairs
from mem_core.data.sharding.split_writer import ShardingSummary, SplitWriter
from mem_core.data.texts import has_words

_MAX_SPLITS = 32

__all__ = ["SHARDING_NAME", "ShardingSummary", "TakenImages", "require_made_with", "shard_source"]


def shard_source(
    reader: SourceReader, dest: Folder, config: CorpusConfig, seed: int = 0, progress: Progress = silent
) -> dict[str, ShardingSummary]:
    """Writes `dest`/train, `dest`/test, ... and returns a summary of each split.

    A source without splits goes to train, or with `config.holdout` in part to test; images for validation may be held
    out of train (`held_out.py`). With `one_sample_per: pair` the pairs of each split are shuffled over its shards by
    the seed. Unusable samples become failed rows of their shard; what no sample has goes to `left_out.parquet`.

    `progress` is called with total 0: how much there is shows only at the end. Raises `SourceError` if there is no
    usable sample at all (then nothing is left behind), `DestinationError` if `dest` overlaps the source or holds other
    data, `MismatchError` if it was made with other settings or from other data.
    """
    require_disjoint(reader.uri, dest.uri)
    settings = {"source_format": reader.format, "seed": seed, "corpus": config.made_with()}
    mark = json.dumps(settings, indent=1, sort_keys=True)
    is_new = _check_mark(dest, mark)
    images = TakenImages(reader, config, seed)
    if not is_new:
        require_held_out(dest, images.splits)
    if config.one_sample_per == "pair":
        samples = shuffled_pairs(images, config, seed, progress)
    else:
        samples = (sample for raw in images for sample in candidates(raw, config))
    writers = _Writers(dest, config, fingerprint(config.made_with(), seed), images.counts)
    try:
        for count, sample in enumerate(samples, start=1):
            if count == 1 and is_new:
                write_bytes(dest, SHARDING_NAME, mark.encode() + b"\n")
            writers.of(sample.split).add(sample)
            if count % 100 == 0:
                progress(count, 0, f"{sample.split}: {sample.name}")
        summaries = writers.finish(reader, is_new=is_new)
    except BaseException:
        writers.abort()
        raise
    write_left_out(dest, [*reader.left_out, *images.left_out])
    progress(sum(s.samples + s.failed for s in summaries.values()), 0, "all shards are written")
    return summaries


class _Writers:
    """The split writers in use."""

    def __init__(self, dest: Folder, config: CorpusConfig, config_fingerprint: str, images: Counter[str]) -> None:
        """images: how many were taken of each split so far, counted by who takes them."""
        self._dest, self._config, self._fingerprint, self._images = dest, config, config_fingerprint, images
        self._splits: dict[str, SplitWriter] = {}
        self._concluded = any(name.endswith(f"/{MANIFEST_NAME}") for name in dest.names())

    def of(self, split: str) -> SplitWriter:
        """The writer of a split, made when it is first seen."""
        if split not in self._splits:
            if len(self._splits) >= _MAX_SPLITS:
                raise SourceError(f"expected at most {_MAX_SPLITS} splits, got {', '.join(self._splits)} and {split}")
            folder = self._dest.below(split)
            if self._concluded and not (folder.exists(MANIFEST_NAME) or has_receipt(folder, shard_name(0))):
                raise source_changed(folder, shard_name(0))
            self._splits[split] = SplitWriter(folder, self._config, self._fingerprint)
        return self._splits[split]

    def finish(self, reader: SourceReader, *, is_new: bool) -> dict[str, ShardingSummary]:
        """Finishes all splits, unless nothing at all is usable."""
        if not self._splits:
            raise SourceError(f"expected images with captions in {reader.uri} ({reader.format}), but it has none")
        if not any(writer.usable for writer in self._splits.values()):
            taken = sum(writer.taken for writer in self._splits.values())
            first = next((writer.reason for writer in self._splits.values() if writer.reason), "")
            if is_new:
                self._dest.delete(SHARDING_NAME)
            raise SourceError(f"expected usable samples in {reader.uri}, but all {taken} failed, the first: {first}")
        known = {name.partition("/")[0] for name in self._dest.names() if name.endswith(".receipt.json")}
        if gone := known - set(self._splits):
            raise MismatchError(
                f"expected the splits {', '.join(sorted(self._splits))} in {self._dest.uri}, but it also has "
                f"{', '.join(sorted(gone))}: the source has changed since; use another destination"
            )
        for writer in self._splits.values():
            writer.finish()
        return {split: writer.conclude(self._images[split]) for split, writer in sorted(self._splits.items())}

    def abort(self) -> None:
        """Leaves no shard half written."""
        for writer in self._splits.values():
            writer.abort()


class TakenImages:
    """The images of a source to shard, each with its split, up to the limit of each split: it counts images.

    counts: how many were taken of each split so far. left_out: captions with nothing to read in them beside others of
    their image, and images beyond the limit. Where a source without splits has given all that may be taken, the rest of
    it is not looked at: the first image of that rest says so.
    """

    def __init__(self, reader: SourceReader, config: CorpusConfig, seed: int) -> None:
        self._reader, self._config, self._seed = reader, config, seed
        self.counts: Counter[str] = Counter()
        self.left_out: list[LeftOut] = []

    @cached_property
    def splits(self) -> Splits:
        """Where each image goes; the source may be gone through once for it."""
        return Splits.of(self._reader, self._config, self._seed)

    def __iter__(self) -> Iterator[RawSample]:
        _ = self.splits  # first: it may go through the source, which says what its last iteration left out
        whole = {"train", "test"} if self._config.holdout else {"train"}
        for raw in self._reader:
            split = self.splits.split(raw)
            if not self._is_full(split):
                self.counts[split] += 1
                yield self._with_words(raw if raw.split == split else replace(raw, split=split))
                continue
            reason = f"expected at most {self.counts[split]} images for {split}, as corpus.limit says"
            is_end = not raw.split and all(map(self._is_full, whole))  # a source without splits gives nothing else
            stopped = "; reading stopped here, and what follows is not counted" if is_end else ""
            self.left_out.append(LeftOut(raw.name, "picture", "over-limit", reason + stopped))
            if is_end:
                return

    def _with_words(self, raw: RawSample) -> RawSample:
        """The image without captions that have nothing to read in them, unless it has no other."""
        kept = list(map(has_words, raw.captions))
        if all(kept) or not any(kept):
            return raw
        for number, caption in enumerate(raw.captions):
            if not kept[number]:
                place = f"{raw.places[number]}: " if raw.places else ""
                reason = f"{place}expected words in caption {number + 1} of {len(raw.captions)}, got {caption[:80]!r}"
                self.left_out.append(LeftOut(raw.name, "caption", "empty-caption", reason))
        return replace(raw, captions=tuple(compress(raw.captions, kept)), places=tuple(compress(raw.places, kept)))

    def _is_full(self, split: str) -> bool:
        config = self._config
        limit = config.limit if split == "train" else config.test_limit or config.limit
        return limit is not None and self.counts[split] >= limit


def require_made_with(dest: Folder, config: CorpusConfig) -> None:
    """Raises `MismatchError` for a corpus that was sharded with other settings, or when they meant something else."""
    if (mark := _read_mark(dest)) is not None:
        _require_equal(dest, mark["corpus"], config.made_with())


def _check_mark(dest: Folder, mark: str) -> bool:
    """Whether the destination is empty. Raises unless it is that or a corpus made with the same settings."""
    found = _read_mark(dest)
    if found is None:
        if other := next(dest.names(), None):
            raise DestinationError(f"expected an empty destination, but {dest.uri} holds other data: {other}")
        return True
    _require_equal(dest, *({**each["corpus"], **each, "corpus": None} for each in (found, json.loads(mark))))
    return False


def _read_mark(dest: Folder) -> dict[str, Any] | None:
    """The mark of a sharded corpus, None if there is none. Raises `MismatchError` if it is damaged."""
    try:
        found = json.loads(read_bytes(dest, SHARDING_NAME))
        return {"source_format": found["source_format"], "seed": found["seed"], "corpus": dict(found["corpus"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise MismatchError(f"expected {SHARDING_NAME} in {dest.uri} as memshield wrote it: {error!r}") from error


def _require_equal(dest: Folder, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = [
        f"{key} {wanted.get(key)} (it was {found.get(key)})"
        for key in sorted(wanted.keys() | found.keys())
        if wanted.get(key) != found.get(key)
    ]
    if differing:
        raise MismatchError(
            f"expected the settings that {dest.uri} was sharded with, got {', '.join(differing)}: use those, or "
            "another destination"
        )
