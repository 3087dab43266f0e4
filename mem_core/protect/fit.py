"""The rounds over one corpus: what they leave between two calls, so that a killed run goes on inside its round."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from mem_core import __version__
from mem_core.common.background import BackgroundWrite
from mem_core.common.errors import MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen
from mem_core.data.shard_cache import CleanCorpus, LoadedShard
from mem_core.models import copy_model
from mem_core.models.device import retry_if_lost
from mem_core.models.training import require_finite
from mem_core.perturb.context import FitContext
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import ShardState, first_state
from mem_core.perturb.surrogate import Surrogate, SurrogateTraining, train_surrogate
from mem_core.protect.destination import CLAIM, FIT, mark_state
from mem_core.protect.given_surrogate import require_given
from mem_core.protect.held_states import HeldStates
from mem_core.protect.protector import (
    Protector,
    discard_protector,
    fit_fingerprint,
    holds_another_fit,
    read_protector,
    write_protector,
)
from mem_core.protect.surrogates import (
    Surrogates,
    fitted_rounds,
    resume_training,
    save_part,
    save_surrogate,
    save_training,
    surrogate_hashes,
)


class RoundSummary(Frozen):
    """What one round's surrogate training came to; losses of the first and the last step."""

    round: int
    steps: int
    first_loss: float
    last_loss: float


class Fit:
    """Surrogates go into `folder`, the state of each shard into `work` until the shard is published.

    Both stay in memory as well, for the next step in the same process.

    inputs: shard name -> sha256 of its clean tar, for all shards that are fitted on. given: the folder of a victim that
    is the surrogate. Raises `SourceError` or `MismatchError` if it cannot be.
    """

    def __init__(
        self,
        corpus: CleanCorpus,
        folder: Folder,
        work: Folder,
        context: FitContext,
        inputs: Mapping[str, str],
        given: Folder | None = None,
    ) -> None:
        self._corpus, self._folder, self._work, self._context = corpus, folder, work, context
        self._shards, self._given = sorted(inputs), given
        start = "" if given is None else require_given(given, context.config, inputs).fingerprint
        self._fingerprint = fit_fingerprint(
            context.config, context.seed, context.vocabulary.sha256, list(inputs.values()), start
        )
        self._states = HeldStates(corpus.max_bytes)
        self._trained: tuple[int, SurrogateTraining] | None = None
        self._writing = BackgroundWrite()

    @property
    def finished(self) -> bool:
        """Whether the protector is there."""
        return read_protector(self._folder) is not None

    def begin(self, *, redo: bool = False) -> None:
        """Discards unfinished work of another config or corpus.

        Where that was finished or is damaged, raises `MismatchError`, or with `redo` discards it as well.
        """
        other = holds_another_fit(self._folder, self._fingerprint, redo=redo)
        if other or (not self.finished and self._begun() != self._fingerprint):
            mark_state(self._work)  # until all is discarded, the destination is still marked as memshield's
            self._states.clear()
            self._trained = None
            discard_protector(self._folder)  # first: half-discarded work belongs to no fit
            self._work.delete(FIT)
            for folder in (self._folder, self._work):
                for name in list(folder.names()):
                    if folder is not self._work or name != CLAIM:
                        folder.delete(name)
            write_bytes(self._work, FIT, self._fingerprint.encode())
            self._work.delete(CLAIM)

    def _begun(self) -> str:
        """The fingerprint of the fit whose states lie here."""
        try:
            return read_bytes(self._work, FIT).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def train_surrogate(self, number: int, progress: Progress = silent, *, wait: bool = True) -> RoundSummary | None:
        """Step 1 of round `number` (from 0) over the whole corpus; None if it was done before.

        wait: until it is stored. Else it is stored while its shards are updated, all of which this very object has to
        do.
        """
        context = self._context
        self._writing.settle()
        if fitted_rounds(self._folder, context.config.fit_rounds) > number:
            return None
        try:
            training = self._training_of(number)
        except MismatchError:
            if self.finished:  # by another run at the same time, which has cleaned up since
                return None
            raise

        def held(shard: str) -> tuple[LoadedShard, ShardState]:
            loaded = self._corpus.load(shard)
            return loaded, self._state_after(loaded, number)

        keep = partial(save_part, self._work)
        surrogate, losses = train_surrogate(training, self._shards, held, context, number, progress, keep)
        require_finite(losses, f"the surrogate of round {number + 1}", context.config.surrogate.learning_rate)
        self._keep(number, training, surrogate)
        if wait:
            self._writing.settle()
        first, last = (losses[0], losses[-1]) if losses else (0.0, 0.0)
        return RoundSummary(round=number, steps=len(losses), first_loss=first, last_loss=last)

    def _training_of(self, number: int) -> SurrogateTraining:
        """What the round's training goes on from: in memory if the last round was trained here, else as stored."""
        trained, self._trained = self._trained, None
        if trained is not None and trained[0] == number - 1:
            trained[1].model.requires_grad_(True)
            return trained[1]
        training = resume_training(self._folder, self._work, number, self._context, self._given)
        by_passes = not isinstance(self._context.config.surrogate.steps_per_round, int)
        return replace(training, samples=self._corpus.count(self._shards)) if by_passes else training

    def _keep(self, number: int, training: SurrogateTraining, surrogate: Surrogate) -> None:
        """The surrogate for its shards, the training for the next round; both are stored in the background.

        The surrogate is a copy, as training goes on with the model itself.
        """
        own = replace(surrogate, model=copy_model(surrogate.model).freeze())
        self._surrogates.hold(number, own)
        self._trained = (number, replace(training, parts=0))

        def store() -> None:
            save_training(self._work, number, training.optimizer)
            save_surrogate(self._folder, number, own)  # last: where it is, the round's training is over

        self._writing.begin(store)

    def update_shard(self, shard: str, number: int, progress: Progress = silent) -> float:
        """Steps 2 and 3 of round `number` for one shard; returns its mean noise loss.

        Raises `RetryShard` if the device fails under it.
        """
        loaded = self._corpus.load(shard)
        state = self._states.get(shard, number + 1) or self._states.get(shard, number) or self._stored_state(loaded)
        if state.rounds <= number:
            with retry_if_lost(shard):
                before, surrogate = self._state_after(loaded, number), self._surrogates.of_round(number)
                state = update_shard(loaded, before, surrogate, self._context, number, progress)
            self._writing.settle()  # no state without the surrogate that it was made with
            with self._work.write(_state_name(shard)) as stream:
                state.write(stream, self._fingerprint)
            self._states.put(shard, state)
        return state.losses[number]

    def finish(self, losses: Sequence[float]) -> Protector:
        """Writes the protector: from here on any shard can be protected the same way, by itself.

        losses: the mean noise loss of every round done.
        """
        self._writing.settle()
        done = read_protector(self._folder)
        if done is not None:
            return done
        protector = Protector(
            config=self._context.config,
            seed=self._context.seed,
            code_version=__version__,
            vocabulary_sha256=self._context.vocabulary.sha256,
            fit_fingerprint=self._fingerprint,
            surrogates=surrogate_hashes(self._folder, len(losses)),
            losses=tuple(losses),
        )
        write_protector(self._folder, protector)
        return protector

    def state(self, shard: LoadedShard, rounds: int) -> ShardState:
        """How far the shard is, to be taken on to `rounds`: as held in memory if it is there, else as stored, or where
        every shard starts."""
        held = self._states.get(shard.name, rounds)
        return self._stored_state(shard) if held is None else held

    def _stored_state(self, shard: LoadedShard) -> ShardState:
        name = _state_name(shard.name)
        try:
            data = read_bytes(self._work, name)
        except FileNotFoundError:
            return first_state(shard, self._context)
        stored = ShardState.from_bytes(data, self._fingerprint, f"{self._work.uri}/{name}")
        return first_state(shard, self._context) if stored is None else stored

    def drawn(self, shard: LoadedShard, draw: int, rounds: int, progress: Progress) -> ShardState:
        """The state after so many rounds in another draw, with the surrogates of this fit."""
        context = self._context.of_draw(draw)
        state = first_state(shard, context)
        for number in range(rounds):
            state = update_shard(shard, state, self._surrogates.of_round(number), context, number, progress)
        return state

    def _state_after(self, shard: LoadedShard, rounds: int) -> ShardState:
        """The state after so many rounds; missing rounds, or ones with a surrogate lost since, are done again."""
        state = self.state(shard, rounds)
        if state.rounds > rounds:
            state = first_state(shard, self._context)
        for number in range(state.rounds, rounds):
            state = update_shard(shard, state, self._surrogates.of_round(number), self._context, number, silent)
        self._states.put(shard.name, state)
        return state

    def forget(self, shard: str) -> None:
        """The shard is published: its state has no more use."""
        self._states.forget(shard)
        self._work.delete(_state_name(shard))

    def clean_up(self) -> None:
        """Removes everything that only the rounds needed."""
        for name in list(self._work.names()):
            self._work.delete(name)

    @cached_property
    def _surrogates(self) -> Surrogates:
        return Surrogates(self._folder, self._context.config.surrogate.architecture, self._context.device)


def _state_name(shard: str) -> str:
    return f"{shard}.safetensors"
