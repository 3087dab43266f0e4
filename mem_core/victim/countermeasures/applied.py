"""Countermeasures on shards: what a trainer holds in place of what was published."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import Folder
from mem_core.config import fingerprint
from mem_core.data.corpus import input_hashes
from mem_core.data.images import Picture
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.models import weights_identity
from mem_core.victim.countermeasures import AnyCountermeasure
from mem_core.victim.countermeasures.base import Clean, Pair, drawing
from mem_core.victim.countermeasures.images import Autoencoder


class Applied:
    """The countermeasures of one training, in their order; those drawn again in each epoch follow the others.

    once: whether there are others. Raises `ConfigError` if one of them needs clean pairs and no clean corpus is named.
    """

    def __init__(self, countermeasures: Sequence[AnyCountermeasure], clean: Folder | None, seed: int) -> None:
        self._once = [one for one in countermeasures if not one.every_epoch]
        self._each_epoch = [one for one in countermeasures if one.every_epoch]
        self.once = bool(self._once)
        self._clean, self._seed = clean, seed
        needy = [one.kind for one in countermeasures if one.needs_clean]
        if needy and clean is None:
            raise ConfigError(f"the countermeasure {needy[0]} needs the clean corpus", hint="name the clean corpus")

    def before(self, shard: LoadedShard) -> LoadedShard:
        """The shard as it is kept for training."""
        if not self._once:
            return shard
        clean = None
        if self._clean is not None and any(one.needs_clean for one in self._once):
            originals = load_shard(self._clean, shard.name, max_pixels=2**40)
            clean = {pair.key: pair for pair in pairs_of(originals)}
        treated = list(self._treated(pairs_of(shard), self._once, -1, clean))
        published = {sample.key: sample for sample in shard.samples}
        samples = [
            replace(published[pair.key], captions=pair.captions, metadata=dict(pair.metadata)) for pair in treated
        ]
        return replace(shard, samples=samples, pictures=[Picture(pair.pixels) for pair in treated])

    def in_epoch(self, pairs: Iterable[Pair], epoch: int) -> Iterable[Pair]:
        """Kept pairs as one epoch sees them, in whatever order they come."""
        return self._treated(pairs, self._each_epoch, epoch, None)

    def _treated(
        self, pairs: Iterable[Pair], chain: Sequence[AnyCountermeasure], epoch: int, clean: Clean | None
    ) -> Iterable[Pair]:
        for place, one in enumerate(chain):
            pairs = one.pairs(pairs, drawing(self._seed, one.drawn_as or one.kind, place, epoch), clean)
        return pairs


def pairs_of(shard: LoadedShard) -> list[Pair]:
    """The usable samples of a shard as countermeasures take them."""
    return [
        Pair(sample.key, picture.pixels, sample.captions, sample.metadata)
        for sample, picture in zip(shard.samples, shard.pictures, strict=True)
    ]


def taken_from(countermeasures: Sequence[AnyCountermeasure], clean: Folder | None, *, also: bool = False) -> str:
    """What a training depends on besides its corpus and config, as a hash; "" if nothing. also: clean pairs anyway."""
    weights = [weights_identity(one.weights) for one in countermeasures if isinstance(one, Autoencoder)]
    wants_clean = also or any(one.needs_clean for one in countermeasures)
    hashes = input_hashes(clean) if wants_clean and clean is not None else {}
    return fingerprint(*weights, hashes) if weights or hashes else ""
