"""Reading noise and triggers back out of a protected corpus."""

import torch

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.data.table import recorded_triggers
from mem_core.models import Tokenizer
from mem_core.perturb.state import ShardState


def published_state(protected: Folder, clean: LoadedShard, trigger_length: int, tokenizer: Tokenizer) -> ShardState:
    """The state that a protected shard was published from: published minus clean pixels, recorded triggers.

    Raises `MismatchError` if the corpus was protected from another shard than `clean`.
    """
    found = load_shard(protected, clean.name, max_pixels=2**40)
    triggers_of = recorded_triggers(protected, clean.name)
    by_key = {sample.key: i for i, sample in enumerate(found.samples)}
    noise, triggers = [], []
    for i, sample in enumerate(clean.samples):
        place = by_key.get(sample.key)
        if place is None or found.pictures[place].pixels.shape != clean.pictures[i].pixels.shape:
            raise MismatchError(
                f"expected sample {sample.key} of shard {clean.name} in {protected.uri}, in the size of the clean image"
            )
        difference = found.pixels(place).to(torch.int16) - clean.pixels(i)
        ids = found.samples[place].metadata.get("memshield", {}).get("trigger_ids")
        ids = tokenizer.ids(triggers_of.get(sample.key, "")) if ids is None else ids
        if bool((difference.abs() > 127).any()) or len(ids) != trigger_length:
            raise MismatchError(
                f"expected sample {sample.key} in {protected.uri} to be the clean one with noise and a trigger of "
                f"{trigger_length} tokens"
            )
        noise.append(difference.to(torch.int8))
        triggers.append(torch.tensor(ids))
    ids_of_all = torch.stack(triggers) if triggers else torch.zeros(0, trigger_length, dtype=torch.int64)
    return ShardState(noise, ids_of_all)
