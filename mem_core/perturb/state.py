"""What is known of a shard between two rounds: its noise, its triggers, how far it is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.data.shard_cache import LoadedShard
from mem_core.perturb.allowed_words import word_id
from mem_core.perturb.codebook import Topics, plain_ids, topic_ids
from mem_core.perturb.context import FitContext


@dataclass(frozen=True)
class ShardState:
    """noise: int8 [3, H, W] for each usable sample; trigger_ids: int64 [N, L]; rounds: how many are done.

    losses: the mean noise loss of every round done. topics: that of each sample, of a codebook alone; not stored, as
    they are the protector's.
    """

    noise: list[Tensor]
    trigger_ids: Tensor
    rounds: int = 0
    losses: tuple[float, ...] = ()
    topics: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """About how much memory the noise takes, once a step has filled it."""
        return sum(noise.numel() for noise in self.noise)

    def write(self, stream: BinaryIO, fingerprint: str) -> None:
        """Writes safetensors: all noise in one flat row, with the sizes beside it.

        The same bytes as the library's, which would copy the noise of a whole shard three times on the way.
        """
        sizes = torch.tensor([noise.shape[1:] for noise in self.noise], dtype=torch.int32).reshape(-1, 2)
        noise = self.noise or [torch.zeros(0, dtype=torch.int8)]
        rows = {  # in the file's order, the widest numbers first
            "trigger_ids": _Row.of(self.trigger_ids),
            "sizes": _Row.of(sizes),
            "noise": _Row([self.nbytes], noise),
        }
        known = {"fingerprint": fingerprint, "rounds": self.rounds, "losses": self.losses, "sha256": _sha256(rows)}
        stream.write(_header(rows, {"state": json.dumps(known)}))
        for row in rows.values():
            for piece in row.pieces:
                stream.write(_memory(piece))

    @classmethod
    def from_bytes(cls, data: bytes, fingerprint: str, name: str) -> "ShardState | None":
        """The state, or None if it belongs to another run. Raises `MismatchError` if it is damaged."""
        try:
            tensors = load_tensors(data)
            known = json.loads(_metadata(data)["state"])
            if known["fingerprint"] != fingerprint:
                return None
            if known["sha256"] != _sha256({name: _Row.of(tensor) for name, tensor in tensors.items()}):
                raise ValueError("its bytes have changed since they were written")
            rounds, losses = int(known["rounds"]), tuple(map(float, known["losses"]))
            sizes = tensors["sizes"].tolist()
            pieces = tensors["noise"].split([3 * height * width for height, width in sizes])
        except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise MismatchError(f"expected the stored state of a shard in {name}, which is damaged: {error}") from error
        noise = [piece.view(3, height, width) for piece, (height, width) in zip(pieces, sizes, strict=True)]
        return cls(noise, tensors["trigger_ids"], rounds, losses)


_NUMBERS = {torch.int8: "I8", torch.int32: "I32", torch.int64: "I64"}
"""What safetensors calls them."""


class _Row(NamedTuple):
    """One tensor of a file: its shape, and the pieces that it is made of."""

    shape: list[int]
    pieces: Sequence[Tensor]

    @classmethod
    def of(cls, tensor: Tensor) -> "_Row":
        return cls(list(tensor.shape), [tensor])

    @property
    def dtype(self) -> torch.dtype:
        return self.pieces[0].dtype


def _header(rows: Mapping[str, _Row], metadata: dict[str, str]) -> bytes:
    """What a safetensors file begins with: where each tensor lies, as JSON of a length that 8 divides."""
    told: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name, row in rows.items():
        start, end = end, end + sum(piece.nbytes for piece in row.pieces)
        told[name] = {"dtype": _NUMBERS[row.dtype], "shape": row.shape, "data_offsets": [start, end]}
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _sha256(rows: Mapping[str, _Row]) -> str:
    digest = hashlib.sha256()
    for name in sorted(rows):
        digest.update(f"{name} {rows[name].shape} {rows[name].dtype}\n".encode())
        for piece in rows[name].pieces:
            digest.update(_memory(piece))
    return digest.hexdigest()


def _memory(tensor: Tensor) -> memoryview:
    return tensor.contiguous().numpy().reshape(-1).view(np.uint8).data


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]  # type: ignore[no-any-return]


def first_state(shard: LoadedShard, context: FitContext, topics: Topics | None = None) -> ShardState:
    """Where a shard starts: no noise yet, and the triggers that the method begins with (or ends with, for controls).

    topics: those of a codebook. Each image's is looked up here and nowhere else: words and wave follow from it.
    """
    none = torch.zeros(1, dtype=torch.int8)  # takes no memory of its own before the first step
    noise = [none.expand(3, picture.height, picture.width) for picture in shard.pictures]
    about = () if topics is None else tuple(topics.of(sample.captions, context.tokenizer) for sample in shard.samples)
    if topics is None or context.recipe.trigger != "topic":
        return ShardState(noise, _first_triggers(shard.name, shard.keys, context), topics=about)
    allowed = context.vocabulary.ids.tolist()
    words = topic_ids(topics, allowed, context.config.trigger, context.seed, context.tokenizer, context.draw)
    return ShardState(noise, torch.tensor(words)[list(about)], topics=about)


def _first_triggers(shard: str, keys: Sequence[str], context: FitContext) -> Tensor:
    """int64 [N, L]. The original code starts the search from random ids (the paper's text says: from "the")."""
    config, kind = context.config.trigger, context.recipe.trigger
    kind = config.start if kind == "optimised" else kind
    if kind == "constant":
        word_id(context.tokenizer, config.constant_word)  # an unusable word is named before the first sample
    allowed, length = context.vocabulary.ids.tolist(), 0 if kind == "none" else config.length
    rows = [plain_ids(kind, allowed, config, context.tokenizer, context.draw_seed, shard, key) for key in keys]
    return torch.tensor(rows, dtype=torch.int64).view(len(keys), length)
