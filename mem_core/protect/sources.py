"""Where the noise and the trigger words of a shard come from, by strategy and method, once everything is fitted.

NothingLearned      drawn for the sample only: the controls that need no protector
StoredProtector     the rounds of a finished protector replayed on the shard (replay)
FittedRounds        the same, going on from the state that the rounds left beside the output (rounds)
FittedCodebook      a protector of topics, learned from the captions before the first shard
EachShardAlone      a surrogate for each shard, at the compute of one for all (independent): the control that shows
                    what a shared one is worth
PublishedCorpus     read back out of a corpus that is protected already (reuse)
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from mem_core.common.progress import Progress
from mem_core.common.storage.folder import Folder
from mem_core.config import fingerprint
from mem_core.data.finished_shard import current_manifest
from mem_core.data.shard_cache import CleanCorpus, LoadedShard
from mem_core.perturb.context import FitContext
from mem_core.perturb.language import open_language_model
from mem_core.perturb.language.masked import copy_language_model
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import ShardState, first_state
from mem_core.protect.destination import LANGUAGE_MODEL
from mem_core.protect.fit import Fit
from mem_core.protect.fit_codebook import fit_topics
from mem_core.protect.protector import Protector, check_vocabulary, require_protector
from mem_core.protect.reuse import published_state
from mem_core.protect.round_loop import Rounds
from mem_core.protect.surrogates import Surrogates

Context = Callable[[], FitContext]
"""Made when it is first needed: it loads models."""


class ShardSource:
    """Where the noise and trigger words of a shard come from; the base class of those below."""

    fit: Fit | None = None
    """The rounds, for the source that is fitted by them."""

    def __init__(self, context: Context) -> None:
        self._make_context = context

    @property
    def context(self) -> FitContext:
        return self._make_context()

    @property
    def protector(self) -> str:
        """The fingerprint of all that was learned, "" if nothing was."""
        return ""

    def begin(self, *, redo: bool) -> None:
        """Makes ready what is needed before any shard. redo: what was made otherwise is discarded."""

    def final_state(self, shard: LoadedShard, progress: Progress, draw: int = 0) -> ShardState:
        """What the shard is published with in a draw, all of them from the same fit."""
        return first_state(shard, self.context.of_draw(draw))

    def forget(self, shard: str) -> None:
        """The shard is published: what only it needed is removed."""

    def clean_up(self) -> None:
        """All shards are published: what only the work needed is removed."""


class NothingLearned(ShardSource):
    """Every sample is its own source."""


class StoredProtector(ShardSource):
    """folder: where the protector lies."""

    def __init__(self, context: Context, folder: Folder) -> None:
        super().__init__(context)
        self.folder = folder

    @cached_property
    def protector(self) -> str:  # asked for with every shard
        return self._stored.fingerprint

    def final_state(self, shard: LoadedShard, progress: Progress, draw: int = 0) -> ShardState:
        context, stored = self.context.of_draw(draw), self._stored
        state = self._start(shard, context)
        for number in range(state.rounds, stored.rounds):
            state = update_shard(shard, state, self._surrogates.of_round(number), context, number, progress)
        return state

    def _start(self, shard: LoadedShard, context: FitContext) -> ShardState:
        return first_state(shard, context, self._stored.topics)

    @cached_property
    def _stored(self) -> Protector:
        """Raises `MismatchError` if this version makes other words than the protector was fitted with."""
        found = require_protector(self.folder)
        check_vocabulary(found, self.context.vocabulary.sha256, self.folder.uri)
        return found

    @cached_property
    def _surrogates(self) -> Surrogates:
        architecture = self.context.config.surrogate.architecture
        return Surrogates(self.folder, architecture, self.context.device, self._stored.surrogates)


class FittedRounds(StoredProtector):
    """work: where the state of each shard lies between two rounds. given: a victim that is the surrogate, if any."""

    def __init__(
        self, context: Context, folder: Folder, corpus: CleanCorpus, work: Folder, given: Folder | None = None
    ) -> None:
        super().__init__(context, folder)
        self._corpus, self._work, self._given = corpus, work, given

    @cached_property
    def fit(self) -> Fit:  # type: ignore[override]
        return Fit(self._corpus, self.folder, self._work, self.context, self._corpus.hashes, self._given)

    def begin(self, *, redo: bool) -> None:
        self.fit.begin(redo=redo)
        if self.context.fluent is not None:
            proposer = open_language_model(self.context.config.trigger.language_model)
            copy_language_model(proposer, self.folder.below(LANGUAGE_MODEL))

    def _start(self, shard: LoadedShard, context: FitContext) -> ShardState:
        return super()._start(shard, context) if context.draw else self.fit.state(shard, self._stored.rounds)

    def forget(self, shard: str) -> None:
        self.fit.forget(shard)

    def clean_up(self) -> None:
        self.fit.clean_up()


class FittedCodebook(StoredProtector):
    """Reads captions and decodes no image."""

    def __init__(self, context: Context, folder: Folder, corpus: CleanCorpus) -> None:
        super().__init__(context, folder)
        self._corpus = corpus

    def begin(self, *, redo: bool) -> None:
        fit_topics(self._corpus.folder, self.folder, self.context, self._corpus.hashes, redo=redo)


class EachShardAlone(ShardSource):
    """work: where each shard's surrogates and state lie until it is published."""

    def __init__(self, context: Context, corpus: CleanCorpus, work: Folder) -> None:
        super().__init__(context)
        self._corpus, self._work = corpus, work

    @cached_property
    def protector(self) -> str:
        return fingerprint("independent", len(self._corpus.shards), self.context.vocabulary.sha256)

    def final_state(self, shard: LoadedShard, progress: Progress, draw: int = 0) -> ShardState:
        """Fitted on the shard itself; goes on after the last step that lies in its folder."""
        work, own = self._work.below(shard.name), self._context_of_one
        if not shard.samples:
            return first_state(shard, own.of_draw(draw))
        fit = Fit(self._corpus, work.below("surrogates"), work, own, {shard.name: shard.sha256})
        fit.begin()
        rounds = Rounds(own.config)
        for number in rounds:
            fit.train_surrogate(number, progress)
            rounds.close({shard.name: fit.update_shard(shard.name, number, progress)})
        rounds_done = len(rounds.losses)
        return fit.drawn(shard, draw, rounds_done, progress) if draw else fit.state(shard, rounds_done)

    def forget(self, shard: str) -> None:
        work = self._work.below(shard)
        for name in list(work.names()):
            work.delete(name)

    @property
    def _context_of_one(self) -> FitContext:
        config = self.context.config
        steps, shards = config.surrogate.steps_per_round, len(self._corpus.shards)
        steps = steps_for_each(steps, shards) if isinstance(steps, int) else steps.for_one_of(shards)
        surrogate = config.surrogate.model_copy(update={"steps_per_round": steps})
        return replace(self.context, config=config.model_copy(update={"surrogate": surrogate}))


def steps_for_each(steps_per_round: int, shards: int) -> int:
    """Surrogate steps a round for each of so many shards, so that all take about as many as one surrogate for all."""
    return max(min(1, steps_per_round), steps_per_round // shards)


class PublishedCorpus(ShardSource):
    """corpus: protected by the method that the control is a part of, whose noise or trigger words it publishes."""

    def __init__(self, context: Context, corpus: Folder) -> None:
        super().__init__(context)
        self._published = corpus

    @cached_property
    def protector(self) -> str:
        return current_manifest(self._published).fingerprint

    def final_state(self, shard: LoadedShard, progress: Progress, draw: int = 0) -> ShardState:
        length = self.context.config.trigger.length
        return published_state(self._published, shard, length, self.context.tokenizer)
