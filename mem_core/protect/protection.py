"""Protecting one corpus: the rounds over its shards, and what each shard leaves behind.

The parts are separate calls, so that an orchestrator can map them over workers and a killed run can go on:

    begin -> (fit_round -> advance every shard) x rounds -> finish_fit -> publish every shard -> finish
    begin -> publish every shard -> finish                                  with a stored protector (replay), with
                                                                            a surrogate for each shard (independent),
                                                                            or with topics that begin learns (codebook)

What a shard becomes depends only on the shard itself, the surrogates and the seed: publishing from the state
that the rounds left and replaying the finished protector on the clean shard give the same bytes.
"""

from collections.abc import Sequence
from copy import copy
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, require_disjoint
from mem_core.config import Frozen, ProtectConfig, RuntimeConfig, fingerprint
from mem_core.config.methods import Recipe
from mem_core.data.corpus import input_hashes, input_sha256_of, list_shards
from mem_core.data.finished_shard import finished_manifest
from mem_core.data.manifest import Manifest
from mem_core.data.shard_cache import LoadedShard, ShardCache
from mem_core.models import Tokenizer, build_model, tokenizer_for
from mem_core.models.device import resolve_device, resolve_precision, retried
from mem_core.perturb.codebook import Topics
from mem_core.perturb.context import FitContext
from mem_core.perturb.fluent_words import FluentWords
from mem_core.perturb.language import load_language_model, open_language_model
from mem_core.perturb.language.masked import copy_language_model
from mem_core.perturb.rounds import advance
from mem_core.perturb.state import ShardState, first_state
from mem_core.perturb.vocabulary import Vocabulary, build_vocabulary
from mem_core.protect.destination import LANGUAGE_MODEL, PROTECTOR, STATE, claim
from mem_core.protect.finished import FinishedShards, OnMismatch, Plan
from mem_core.protect.fit import Fit, RoundSummary
from mem_core.protect.fit_codebook import fit_topics
from mem_core.protect.independent import fit_alone, forget_alone
from mem_core.protect.protector import Protector, effective_config, publishing_fingerprint, require_protector
from mem_core.protect.publish import PublishJob, publish_shard
from mem_core.protect.reuse import published_state
from mem_core.protect.surrogates import Surrogates

_TEXT_CONTEXT = 77  # for methods without a surrogate only the words matter, not the context


class ShardSummary(Frozen):
    """What became of one shard; `repeated` if its receipt was there before."""

    shard: str
    counts: dict[str, int]
    max_abs_difference: int
    repeated: bool = False


class Protection:
    """One corpus, one config, one destination.

    protector: the folder of a finished one, for `strategy: replay` alone; its settings and seed then hold. reuse: a
    corpus protected by `mem` that noise-only and trigger-only take their ingredient from. on_mismatch: what to do with
    a finished shard or fit that was made from other input or with other settings, or whose files are missing or have
    another size: `fail` with a sentence, or make it again.
    Raises `ConfigError`, `DestinationError` or `MismatchError` where these do not go together.
    """

    def __init__(
        self,
        clean: Folder,
        dest: Folder,
        config: ProtectConfig,
        runtime: RuntimeConfig,
        *,
        seed: int,
        protector: Folder | None = None,
        reuse: Folder | None = None,
        on_mismatch: OnMismatch = "fail",
    ) -> None:
        _check_places(clean, dest, config, protector, reuse)
        self.on_mismatch: OnMismatch = on_mismatch
        self._finished = FinishedShards(dest, self._expected, on_mismatch)
        self.clean, self.dest, self.runtime, self.reuse = clean, dest, runtime, reuse
        self.recipe: Recipe = config.recipe
        searches = self.recipe.needs_protector and reuse is None
        self.fits = searches and self.recipe.needs_surrogate and config.strategy == "rounds"
        self.sorts = searches and not self.recipe.needs_surrogate and config.strategy == "rounds"
        self.alone = searches and config.strategy == "independent"
        self.config, self.seed = config, seed
        self.protector_folder = dest.below(PROTECTOR) if protector is None else protector
        if searches and config.strategy == "replay":
            stored = require_protector(self.protector_folder)
            self.config, self.seed = effective_config(stored, config, self.protector_folder.uri), stored.seed
        self._cache = ShardCache(clean, config.max_pixels, runtime.cache_mb * 2**20)

    def on(self, device: str) -> "Protection":
        """The same protection on another device: models of its own, everything else shared, decoded shards too."""
        other = copy(self)
        other.runtime = self.runtime.model_copy(update={"device": device, "devices": ()})
        for of_a_device in ("context", "_fit", "_surrogates"):
            vars(other).pop(of_a_device, None)
        return other

    @cached_property
    def shards(self) -> list[str]:
        """The names of the clean shards."""
        return list_shards(self.clean)

    @cached_property
    def context(self) -> FitContext:
        """Config, words, seed and device in one piece. Raises `ConfigError` for unknown models and devices."""
        device = resolve_device(self.runtime)
        context = _context_length(self.config.surrogate.architecture) if self.recipe.needs_surrogate else _TEXT_CONTEXT
        if self.config.trigger.length + 3 > context:
            raise ConfigError(
                f"expected a trigger that leaves room in {context} tokens, got a length of {self.config.trigger.length}"
            )
        tokenizer = Tokenizer(context)
        vocabulary = build_vocabulary(tokenizer, self.config.trigger)
        precision = resolve_precision(self.runtime, device)
        fluent = self._fluent_words(tokenizer, vocabulary, device)
        words = vocabulary if fluent is None else fluent.vocabulary
        return FitContext(self.config, tokenizer, words, self.seed, device, precision, fluent=fluent)

    def _fluent_words(self, tokenizer: Tokenizer, words: Vocabulary, device: torch.device) -> FluentWords | None:
        """What a language model proposes: that of the config while fitting, that of the protector ever after."""
        wanted = self.config.trigger
        if self.recipe.trigger != "optimised" or wanted.proposals != "masked-lm" or self.reuse is not None:
            return None
        if self.config.strategy == "replay":
            folder = self.protector_folder.below(LANGUAGE_MODEL)
        else:
            folder = open_language_model(wanted.language_model)
        return FluentWords(load_language_model(folder, device), tokenizer, words, wanted.fluent_words)

    @property
    def fitted(self) -> bool:
        """Whether nothing is left to fit: every shard can be published."""
        return not self.fits or self._fit.finished

    def begin(self) -> None:
        """Makes the destination ours and ready for the rounds (see `Fit.begin`); sweeps up after runs that were killed.

        Raises `DestinationError` if it holds somebody else's data.
        """
        claim(self.dest, self.config.method)
        self._finished.sweep()
        redo = self.on_mismatch == "redo"
        if self.fits:
            self._fit.begin(redo=redo)
            if self.context.fluent is not None:
                source = open_language_model(self.config.trigger.language_model)
                copy_language_model(source, self.protector_folder.below(LANGUAGE_MODEL))
        if self.sorts:
            fit_topics(self.clean, self.protector_folder, self.context, self._inputs, redo=redo)

    def plan(self, progress: Progress = silent) -> Plan:
        """Which shards are to be published; to be called when everything is fitted.

        Takes two listings and two manifests, and a receipt for every shard finished since the last manifest. With
        `on_mismatch: redo` the finished shards that differ are among the waiting ones, else `MismatchError` is raised.
        """
        return self._finished.plan(self.clean, progress)

    def fit_round(self, number: int, progress: Progress = silent) -> RoundSummary | None:
        """Step 1 of round `number` (from 0) over the whole corpus; None if it was done before."""
        return self._fit.train_surrogate(number, progress)

    def advance(self, shard: str, number: int, progress: Progress = silent) -> float:
        """Steps 2 and 3 of round `number` for one shard; returns its mean noise loss."""
        with retried(shard):
            return self._fit.advance(shard, number, progress)

    def enough(self, losses: Sequence[float]) -> bool:
        """Whether the rounds may stop early: the mean noise loss of the last one is below the threshold."""
        return self.recipe.noise == "optimised" and losses[-1] < self.config.loss_threshold

    def finish_fit(self, losses: Sequence[float]) -> Protector:
        """Writes the protector; losses: the mean noise loss of every round done."""
        return self._fit.finish(losses)

    def publish(self, shard: str, progress: Progress = silent) -> ShardSummary:
        """Writes one protected shard with its table and, last, its receipt; or finds it finished."""
        input_sha256 = input_sha256_of(self.clean, shard)
        done = self._finished.entry(shard, input_sha256)
        if done is not None:
            return ShardSummary(shard=shard, counts=done.counts, max_abs_difference=0, repeated=True)
        loaded = self._cache.load(shard)
        if loaded.sha256 != input_sha256:
            raise MismatchError(
                f"expected {shard}.tar in {self.clean.uri} to have sha256 {input_sha256} as in its receipt, "
                f"got {loaded.sha256}: the clean shard was changed after it was finished"
            )
        job = PublishJob(
            config=self.config,
            tokenizer=self.context.tokenizer,
            protector=self._protector_fingerprint,
            fingerprint=self._expected(input_sha256),
            pattern=self._pattern(),
            seed=self.seed,
        )
        with retried(shard):
            counts, largest = publish_shard(self.dest, loaded, self._final_state(loaded, progress), job)
        if self.fits:
            self._fit.forget(shard)
        elif self.alone:
            forget_alone(self._work_of(shard))
        return ShardSummary(shard=shard, counts=counts, max_abs_difference=largest)

    def finish(self) -> Manifest:
        """Writes the manifest, reading only receipts that it did not list before, and removes what only the rounds
        needed and what killed runs left half written."""
        manifest = self._finished.conclude(self.config.model_dump(mode="json"))
        if self.fits:
            self._fit.clean_up()
        return manifest

    def _expected(self, input_sha256: str) -> str:
        """What the receipt of a shard made from this input says."""
        return publishing_fingerprint(self.config, self.seed, self._protector_fingerprint, input_sha256)

    @cached_property
    def _inputs(self) -> dict[str, str]:
        return input_hashes(self.clean)

    @cached_property
    def _fit(self) -> Fit:
        return Fit(self._cache, self.protector_folder, self.dest.below(STATE), self.context, self._inputs)

    @cached_property
    def _protector(self) -> Protector:
        """The protector that shards are published with. Raises `MismatchError` if this version makes other words."""
        found = require_protector(self.protector_folder)
        if found.vocabulary_sha256 != self.context.vocabulary.sha256:
            raise MismatchError(
                f"expected the vocabulary of {self.protector_folder.uri}, but this tokenizer, blocklist or language "
                "model makes another"
            )
        return found

    @property
    def _topics(self) -> Topics | None:
        return self._protector.topics if self.recipe.noise == "codebook" else None

    @cached_property
    def _surrogates(self) -> Surrogates:
        architecture = self.config.surrogate.architecture
        return Surrogates(self.protector_folder, architecture, self.context.device, self._protector.surrogates)

    @cached_property
    def _protector_fingerprint(self) -> str:
        if not self.recipe.needs_protector:
            return ""
        if self.reuse is not None:
            return finished_manifest(self.reuse).fingerprint
        if self.alone:
            return fingerprint("independent", len(self.shards), self.context.vocabulary.sha256)
        return self._protector.fingerprint

    def _final_state(self, shard: LoadedShard, progress: Progress) -> ShardState:
        """From a protected corpus, from the shard alone, from the rounds, or by replaying the protector on it."""
        if self.reuse is not None:
            return published_state(self.reuse, shard, self.config.trigger.length, self.context.tokenizer)
        if self.alone:
            work = self._work_of(shard.name)
            return fit_alone(self._cache, shard, len(self.shards), work, self.context, progress)
        state = self._fit.state(shard) if self.fits else first_state(shard, self.context, self._topics)
        rounds = self._protector.rounds if self.recipe.needs_surrogate else 0
        for number in range(state.rounds, rounds):
            state = advance(shard, state, self._surrogates.of_round(number), self.context, number, progress)
        return state

    def _work_of(self, shard: str) -> Folder:
        return self.dest.below(STATE).below(shard)

    def _pattern(self) -> Tensor | None:
        """UAP's pattern, float [3, S, S] on the CPU."""
        if self.recipe.noise != "universal":
            return None
        pattern = self._surrogates.of_round(self._protector.rounds - 1).pattern
        return None if pattern is None else pattern.cpu()


@lru_cache(maxsize=16)
def _context_length(architecture: str) -> int:
    """How many tokens the model reads. Raises `ConfigError` for unknown models and other tokens than CLIP's."""
    return tokenizer_for(build_model(architecture, seed=0)).context_length


def _check_places(
    clean: Folder, dest: Folder, config: ProtectConfig, protector: Folder | None, reuse: Folder | None
) -> None:
    require_disjoint(clean.uri, dest.uri)
    if protector is not None and config.strategy != "replay":
        raise ConfigError(f"a protector goes with strategy `replay`, got `{config.strategy}`: it is not written over")
    needs = config.recipe.needs_protector
    if config.strategy == "replay" and needs and protector is None and reuse is None:
        raise ConfigError("strategy `replay` needs a protector: name the folder of one with --protector")
    shared = {"universal": "one pattern", "codebook": "one codebook"}.get(config.recipe.noise)
    if config.strategy == "independent" and shared is not None:
        raise ConfigError(f"strategy `independent` has nothing to share, and {config.method} is {shared} for all")
    if reuse is not None and config.method not in ("noise-only", "trigger-only"):
        raise ConfigError(
            f"only noise-only and trigger-only take ingredients from a protected corpus, not {config.method}"
        )
