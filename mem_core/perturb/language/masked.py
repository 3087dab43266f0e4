"""A masked language model from three files; weights are safetensors, nothing is unpickled, no code is fetched."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.paths import whole_path
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_of
from mem_core.perturb.language.library import download, libraries

FILES = ("config.json", "tokenizer.json", "model.safetensors")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_ROWS = 256
_MAX_TOKENS = 64  # of a caption with its trigger; the rest says nothing about the gap


class MaskedLanguageModel:
    """A BERT-like model with its WordPiece tokens, frozen. sha256: of its three files."""

    def __init__(self, model: Any, tokenizer: Any, sha256: str, device: torch.device) -> None:
        self._model, self._tokenizer, self._device = model.eval().requires_grad_(False).to(device), tokenizer, device
        self.sha256 = sha256
        ids = {token: tokenizer.token_to_id(token) for token in SPECIALS}
        self.pad_id, _, self.start_id, self.end_id, self.mask_id = ids.values()
        self._longest = min(_MAX_TOKENS, int(model.config.max_position_embeddings))

    @property
    def room(self) -> int:
        """How many tokens of a text the model looks at, start and end not counted."""
        return self._longest - 2

    def word_id(self, word: str) -> int | None:
        """The id of a word that is one whole token, None for others."""
        found = self._tokenizer.token_to_id(word)
        return None if found is None else int(found)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, without start and end."""
        return [found.ids for found in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def scores(self, rows: Sequence[Sequence[int]], places: Sequence[int]) -> Tensor:
        """Log-probabilities float32 [N, V], on the CPU, of what stands at one place of each row of token ids.

        Rows come without start and end; places count from 0. What is too long loses its end, or what is far from a
        place beyond the middle.
        """
        firsts = [max(0, min(at - self.room // 2, len(row) - self.room)) for row, at in zip(rows, places, strict=True)]
        seen = [list(row)[first : first + self.room] for row, first in zip(rows, firsts, strict=True)]
        where = torch.tensor([at - first for at, first in zip(places, firsts, strict=True)]) + 1  # behind the start
        pieces = [slice(first, first + _MAX_ROWS) for first in range(0, len(rows), _MAX_ROWS)]
        return torch.cat([self._scores(seen[piece], where[piece]) for piece in pieces])

    def _scores(self, rows: list[list[int]], where: Tensor) -> Tensor:
        width = max(map(len, rows)) + 2
        tokens = torch.full((len(rows), width), self.pad_id)
        for place, row in enumerate(rows):
            tokens[place, : len(row) + 2] = torch.tensor([self.start_id, *row, self.end_id])
        tokens = tokens.to(self._device)
        with torch.no_grad():
            logits = self._model(input_ids=tokens, attention_mask=(tokens != self.pad_id).long()).logits
            chosen = logits[torch.arange(len(rows)), where.to(self._device)]
        return chosen.float().log_softmax(-1).cpu()  # type: ignore[no-any-return]


def pseudo_perplexity(model: MaskedLanguageModel, texts: Sequence[str]) -> list[float]:
    """How well each text reads (Salazar et al. 2020, "Masked Language Model Scoring"): low reads well.

    That is exp of minus the mean log-probability of its tokens, each masked alone.
    Of longer texts as many tokens as the model looks at.
    Raises ValueError for a text without tokens.
    """
    rows = [ids[: model.room] for ids in model.ids(texts)]
    if not all(rows):
        raise ValueError(f"expected words to score, got {texts[[bool(row) for row in rows].index(False)]!r}")
    masked = [[*row[:place], model.mask_id, *row[place + 1 :]] for row in rows for place in range(len(row))]
    places = [place for row in rows for place in range(len(row))]
    right = torch.tensor([token for row in rows for token in row])
    found = model.scores(masked, places).gather(1, right.unsqueeze(1)).squeeze(1)
    return [math.exp(-piece.mean().item()) for piece in found.split([len(row) for row in rows])]


def open_language_model(name_or_path: str) -> Folder:
    """The folder of a model: a local one, or that of a name on the Hugging Face hub. Raises `ConfigError`."""
    path = whole_path(name_or_path)
    return LocalFolder(path if path.is_dir() else download(name_or_path, FILES))


def load_language_model(folder: Folder, device: torch.device) -> MaskedLanguageModel:
    """The model in a folder.

    Raises `ConfigError` if a file is missing or of another kind of model, `MismatchError` if one is damaged.
    """
    missing = [name for name in FILES if not folder.exists(name)]
    if missing:
        raise ConfigError(f"expected a masked language model ({', '.join(FILES)}) in {folder.uri}, got no {missing[0]}")
    transformers, tokenizers = libraries()
    try:
        tokenizer = tokenizers.Tokenizer.from_str(read_bytes(folder, "tokenizer.json").decode())
    except Exception as error:  # the library raises plain Exception for what is no tokenizer
        raise MismatchError(f"expected a tokenizer in {folder.uri}/tokenizer.json, got: {_short(error)}") from error
    absent = [token for token in SPECIALS if tokenizer.token_to_id(token) is None]
    if absent or type(tokenizer.model).__name__ != "WordPiece":
        kind = f"one without {absent[0]}" if absent else f"a {type(tokenizer.model).__name__}"
        raise ConfigError(f"expected BERT's WordPiece tokens in {folder.uri}/tokenizer.json, got {kind}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with TemporaryDirectory() as place:
        for name in FILES:
            (Path(place) / name).write_bytes(read_bytes(folder, name))
        try:
            model, report = transformers.AutoModelForMaskedLM.from_pretrained(
                place, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:  # a wrong description, cut or foreign weights: the library has no common class
            raise MismatchError(f"expected a masked language model in {folder.uri}, got: {_short(error)}") from error
    if report["missing_keys"] or model.config.vocab_size < tokenizer.get_vocab_size():
        raise MismatchError(
            f"expected the weights of a whole masked language model in {folder.uri}, but some are missing"
        )
    return MaskedLanguageModel(model, tokenizer, language_model_sha256(folder), device)


def language_model_sha256(folder: Folder) -> str:
    """One hash of the model's three files."""
    return hashlib.sha256("".join(sha256_of(folder, name) for name in FILES).encode()).hexdigest()


def copy_language_model(source: Folder, dest: Folder) -> None:
    """Puts the model into another folder, as a protector needs it; what is there already stays."""
    for name in FILES:
        if not dest.exists(name):
            write_bytes(dest, name, read_bytes(source, name))


def _short(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())[:160]}"
