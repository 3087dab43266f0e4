"""A small masked language model, trained on a corpus's own captions: for machines that cannot download one."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from mem_core import __version__
from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen, RuntimeConfig, fingerprint
from mem_core.config.stored import read_record, write_record
from mem_core.data.corpus import list_shards
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.models.device import resolve_device
from mem_core.models.token_rows import batches
from mem_core.models.training import own_checkpoint, require_finite, save_checkpoint
from mem_core.perturb.language.library import libraries
from mem_core.perturb.language.masked import FILES, SPECIALS

# Median pseudo-perplexity of 100 held-out captions of Flickr8k, and of the same with their words shuffled: learned from
# 100 captions 292 and 308, from 300 453 and 519, from 1,000 357 and 641, from 2,000 119 and 671, from 3,000 47 and 883.
# 60 epochs over the 1,000 give their own captions 17 and held-out ones 210: those are repeated. Drawn captions, of 150
# tokens in all, are learned sooner: from 1,000 16 and 62.
ENOUGH_CAPTIONS = 3000
_RECORD, _CHECKPOINT = "language-model.json", "checkpoint.pt"
_UNSCORED = -100  # the label of what is not asked for


class LanguageModelConfig(Frozen):
    """A BERT in small, and how it is trained."""

    vocabulary: int = Field(8000, ge=200, le=100_000, description="WordPiece tokens, at most")
    width: int = Field(192, ge=16, le=4096)
    layers: int = Field(4, ge=1, le=48)
    heads: int = Field(4, ge=1, le=64)
    context: int = Field(64, ge=8, le=512, description="tokens; longer captions lose their end")
    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(128, ge=1, le=65_536)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(0.01, ge=0, le=10)
    masked: float = Field(0.15, gt=0, lt=1, description="share of the tokens that are masked")

    @model_validator(mode="after")
    def _heads_fit(self) -> "LanguageModelConfig":
        if self.width % self.heads:
            raise ValueError(f"expected a width that {self.heads} heads divide, got {self.width}")
        return self


class LanguageModelRecord(Frozen):
    """What a finished model was trained on, and how its loss fell."""

    format: int = 1
    config: LanguageModelConfig
    seed: int
    corpus: str
    captions: int
    tokens: int = Field(description="size of its vocabulary")
    losses: tuple[float, ...] = Field(description="mean loss of each epoch")
    fingerprint: str
    code_version: str = __version__


def train_language_model(
    corpus: Folder,
    out: Folder,
    config: LanguageModelConfig,
    runtime: RuntimeConfig,
    *,
    seed: int,
    progress: Progress = silent,
) -> LanguageModelRecord:
    """Writes config.json, tokenizer.json, model.safetensors and, last, language-model.json into `out`.

    A finished model with equal fingerprint is left as it is; a killed training goes on after its last epoch.
    Raises `SourceError` for a corpus without captions.
    """
    captions = sorted(set(corpus_captions(corpus)))  # sorted: the order of shards changes nothing
    if not captions:
        raise SourceError(f"expected captions to learn from in {corpus.uri}, got none")
    identity = fingerprint(config, seed, __version__, *captions)
    known = read_language_model_record(out)
    if known is not None and known.fingerprint == identity:
        return known
    out.delete(_RECORD)  # of another training: it must not vouch for these weights
    training = _Training(captions, config, runtime, seed)
    losses = training.resume(out, identity)
    while len(losses) < config.epochs:
        losses.append(training.epoch(len(losses), progress))
        training.save(out, identity, losses)
    record = LanguageModelRecord(
        config=config,
        seed=seed,
        corpus=corpus.uri,
        captions=len(captions),
        tokens=training.tokenizer.get_vocab_size(),
        losses=tuple(losses),
        fingerprint=identity,
    )
    training.publish(out)
    write_record(out, _RECORD, record)
    out.delete(_CHECKPOINT)
    return record


def read_language_model_record(folder: Folder) -> LanguageModelRecord | None:
    """The record of a finished training, or None. Raises `MismatchError` if it cannot be read."""
    return read_record(folder, _RECORD, LanguageModelRecord, "a language model's record")


def corpus_captions(corpus: Folder) -> Iterator[str]:
    """Every caption of every readable sample; no image is decoded."""
    for shard in list_shards(corpus):
        with open_tar(corpus, shard) as stream:
            for sample in read_shard(stream, f"{shard} in {corpus.uri}"):
                if isinstance(sample, Sample):
                    yield from sample.captions


class _Training:
    """Tokens, model, optimiser and schedule."""

    def __init__(self, captions: list[str], config: LanguageModelConfig, runtime: RuntimeConfig, seed: int) -> None:
        self.config, self.seed, self.device = config, seed, resolve_device(runtime)
        self.tokenizer = _trained_tokenizer(captions, config.vocabulary)
        self.tokenizer.enable_truncation(config.context)
        self.rows = [
            {"input_ids": found.ids, "special_tokens_mask": [token < len(SPECIALS) for token in found.ids]}
            for found in self.tokenizer.encode_batch(captions)
        ]
        self.tokenizer.no_truncation()
        self.model = _new_model(config, self.tokenizer.get_vocab_size(), seed).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def epoch(self, epoch: int, progress: Progress) -> float:
        """One pass over the captions; returns the mean loss."""
        self.model.train()
        seed = derived_seed(self.seed, "language-model", epoch)
        masked = _masking(self.tokenizer, self.config.masked, seed)
        steps = math.ceil(len(self.rows) / self.config.batch_size)
        total = steps * self.config.epochs
        losses: list[Tensor] = []
        for places in batches(len(self.rows), self.config.batch_size, torch.Generator().manual_seed(seed)):
            done = epoch * steps + len(losses)
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate * min((done + 1) / min(100, total), 1 - done / total)
            losses.append(self._step(masked([self.rows[place] for place in places])))
            if len(losses) % 10 == 0 or len(losses) == steps:
                progress(done + 1, total, f"epoch {epoch + 1}, loss {losses[-1].item():.2f}")
        each = torch.stack(losses)
        require_finite(each.tolist(), f"the language model in epoch {epoch + 1}", self.config.learning_rate)
        return each.mean().item()

    def _step(self, batch: Mapping[str, Tensor]) -> Tensor:
        """batch: `input_ids` with gaps, `attention_mask` and `labels`, int64 [B, T] each."""
        if not bool((batch["labels"] != _UNSCORED).any()):  # of few words, none was drawn: one is asked for as it is
            batch["labels"][0, 1] = batch["input_ids"][0, 1]
        loss: Tensor = self.model(**{name: values.to(self.device) for name, values in batch.items()}).loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def save(self, out: Folder, identity: str, losses: list[float]) -> None:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(out, _CHECKPOINT, {"identity": identity, "losses": losses, **state})

    def resume(self, out: Folder, identity: str) -> list[float]:
        """The losses so far: empty if there is no checkpoint of this very training. Raises `MismatchError`."""
        state = own_checkpoint(out, _CHECKPOINT, identity, self.device)
        if state is None:
            return []
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return list(state["losses"])

    def publish(self, out: Folder) -> None:
        """The three files that `load_language_model`, and transformers itself, read."""
        with TemporaryDirectory() as place:
            self.model.save_pretrained(place)
            (Path(place) / "tokenizer.json").write_text(self.tokenizer.to_str(), encoding="utf-8")
            for name in FILES:
                write_bytes(out, name, (Path(place) / name).read_bytes())


def _trained_tokenizer(captions: list[str], size: int) -> Any:
    """BERT's tokens (lower case, WordPiece) for these captions: letters, and as many of the commonest words as fit.

    Departure: the library's own trainer breaks ties by the order of a hash table, another one in each process.
    """
    _, tokenizers = libraries()
    normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    splitter = tokenizers.pre_tokenizers.BertPreTokenizer()
    counts = Counter(
        word for caption in captions for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption))
    )
    letters = sorted({letter for word in counts for letter in word})
    words = sorted(counts, key=lambda word: (-counts[word], word))
    entries = dict.fromkeys((*SPECIALS, *letters, *(f"##{letter}" for letter in letters), *words))
    vocabulary = {entry: number for number, entry in enumerate(list(entries)[:size])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    )
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def _masking(tokenizer: Any, share: float, seed: int) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
    """BERT's gaps (Devlin et al. 2019), by transformers: of the chosen tokens 80 % masked, 10 % another, 10 % kept."""
    transformers, _ = libraries()
    names = {f"{token.strip('[]').lower()}_token": token for token in SPECIALS}
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    collator = transformers.DataCollatorForLanguageModeling(wrapped, mlm_probability=share)
    # Not as its `seed`: in a process that was started by another it takes that only within a DataLoader.
    collator.generator = torch.Generator().manual_seed(seed)
    return collator  # type: ignore[no-any-return]


def _new_model(config: LanguageModelConfig, tokens: int, seed: int) -> Any:
    transformers, _ = libraries()
    described = transformers.BertConfig(
        vocab_size=tokens,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,
        max_position_embeddings=config.context,
        hidden_dropout_prob=0.0,  # no draws but ours: a training gives equal bytes however often it is killed
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):  # the library draws from the global generator
        torch.manual_seed(derived_seed(seed, "language-model"))
        return transformers.BertForMaskedLM(described)
