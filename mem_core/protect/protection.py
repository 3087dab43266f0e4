"""Protecting one corpus: what is fitted, what is published, and what is left to do.

The parts are separate calls, so that an orchestrator can map them over workers and a killed run can go on:

    begin -> for each round: fit.train_surrogate, fit.update_shard for every shard -> fit.finish
          -> publish every shard -> finish

Where nothing has to be fitted by rounds (`fitted` from the start), publishing follows `begin` at once.

What a shard becomes depends only on the shard itself, the surrogates and the seed: publishing from the state
that the rounds left and replaying the finished protector on the clean shard give the same bytes.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import Field

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.paths import whole_path
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.storage.folder import Folder, LocalFolder, require_disjoint
from mem_core.config import Frozen, ProtectConfig, RuntimeConfig
from mem_core.config.methods import METHODS
from mem_core.data.manifest import Manifest
from mem_core.data.shard_cache import CleanCorpus, LoadedShard
from mem_core.models.device import retry_if_lost
from mem_core.perturb.context import FitContext, build_context
from mem_core.perturb.language import open_language_model
from mem_core.protect.destination import LANGUAGE_MODEL, PROTECTOR, STATE, claim
from mem_core.protect.fit import Fit
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protector import effective_config, note_fingerprint, publishing_fingerprint, require_protector
from mem_core.protect.publish import PublishJob, publish_shard
from mem_core.protect.publish_twins import publish_shard_with_twins
from mem_core.protect.remaining import FinishedShards, OnMismatch, Plan
from mem_core.protect.round_loop import Rounds
from mem_core.protect.shard_summary import ShardSummary
from mem_core.protect.sources import (
    EachShardAlone,
    FittedCodebook,
    FittedRounds,
    NothingLearned,
    PublishedCorpus,
    ShardSource,
    StoredProtector,
)
from mem_core.protect.twins import Twins, begin_twins, key_of, read_twins_record


class TwinsWanted(Frozen):
    """Twins of a share of the samples, with the key that lies, or will lie, at a place."""

    share: float = Field(gt=0, le=1)
    key: KeyPlace


def twins_so_far(dest: Folder, key: KeyPlace) -> TwinsWanted | None:
    """The twins to go on with in a destination, None where there are none. Raises `ConfigError` for a key that is not
    theirs, or not there."""
    record = read_twins_record(dest)
    if record is None:
        return None
    key_of(record, key)
    return TwinsWanted(share=record.share, key=key)


@dataclass(frozen=True)
class Places:
    """The folders of a protection. protector: of a finished one, for `strategy: replay` alone; its settings and seed
    then hold. reuse: the corpus protected by the method that a control is a part of (`fitted_as`). checkpoint: what
    `surrogate.checkpoint` names, None for a folder of this machine."""

    clean: Folder
    dest: Folder
    protector: Folder | None = None
    reuse: Folder | None = None
    checkpoint: Folder | None = None

    def check(self, config: ProtectConfig) -> None:
        """Raises `ConfigError` or `DestinationError` where folders and settings do not go together."""
        require_disjoint(self.clean.uri, self.dest.uri)
        if self.protector is not None and config.strategy != "replay":
            raise ConfigError(
                f"a protector goes with strategy `replay`, got `{config.strategy}`: it is not written over"
            )
        needs = config.recipe.needs_protector
        if config.strategy == "replay" and needs and self.protector is None and self.reuse is None:
            raise ConfigError("strategy `replay` needs a protector, but none is named", hint="name the protector")
        if config.strategy == "independent" and needs and not config.recipe.needs_surrogate:
            raise ConfigError(f"strategy `independent` fits a surrogate for each shard, and {config.method} has none")
        if self.reuse is not None and not config.recipe.fitted_as:
            able = " and ".join(row.name for row in METHODS.values() if row.fitted_as)
            raise ConfigError(f"only {able} reuse a protected corpus, not {config.method}")
        if self.reuse is not None and config.draw:
            raise ConfigError(f"a protected corpus is reused as it was drawn, so draw {config.draw} cannot be made")


class Protection:
    """One corpus, one config, one destination.

    on_mismatch: what to do with a finished shard or fit that was made from other input or with other settings, or whose
    files are missing or have another size: `fail` with a sentence, or make it again (`redo`).
    Raises `ConfigError`, `DestinationError` or `MismatchError` where these do not go together.
    """

    def __init__(
        self,
        places: Places,
        config: ProtectConfig,
        runtime: RuntimeConfig,
        *,
        seed: int,
        on_mismatch: OnMismatch = "fail",
        twins: TwinsWanted | None = None,
    ) -> None:
        places.check(config)
        _check_twins(places, config, twins)
        self.places, self.clean, self.dest = places, places.clean, places.dest
        self.runtime, self.on_mismatch, self.wants_twins = runtime, on_mismatch, twins
        own = places.dest.below(PROTECTOR)
        self.protector_folder = own if places.protector is None else places.protector
        self.config, self.seed = config, seed
        if config.strategy == "replay" and config.recipe.needs_protector and places.reuse is None:
            stored = require_protector(self.protector_folder)
            self.config, self.seed = effective_config(stored, config, self.protector_folder.uri), stored.seed
        self._corpus = CleanCorpus(self.clean, config.max_pixels, runtime.cache_mb * 2**20, config.protected)
        self._finished = FinishedShards(self.dest, self._expected, on_mismatch)

    def on(self, device: str) -> "Protection":
        """The same protection on another device: models of its own, the clean corpus in memory shared."""
        runtime = self.runtime.model_copy(update={"device": device, "devices": ()})
        other = Protection(
            self.places, self.config, runtime, seed=self.seed, on_mismatch=self.on_mismatch, twins=self.wants_twins
        )
        other._corpus = self._corpus
        return other

    @property
    def shards(self) -> list[str]:
        """The names of the clean shards."""
        return self._corpus.shards

    @cached_property
    def context(self) -> FitContext:
        """Config, words, seed and device in one piece. Raises `ConfigError` for unknown models and devices."""
        made = build_context(self.config, self.seed, self.runtime, self._language_model())
        if self.twins is None or self.config.recipe.needs_protector:
            return made
        return replace(made, secret=self.twins.record.draws)

    @property
    def fit(self) -> Fit:
        """The rounds over this corpus. Raises `ConfigError` where none are to be fitted (`fitted` is then true)."""
        if self.source.fit is None:
            raise ConfigError(
                f"strategy `{self.config.strategy}` of {self.config.method} fits no rounds on this corpus"
            )
        return self.source.fit

    @cached_property
    def twins(self) -> Twins | None:
        """Which version of each sample is published, where twins are made. Raises as `begin_twins`."""
        wanted = self.wants_twins
        if wanted is None:
            return None
        redo = self.on_mismatch == "redo"
        return begin_twins(self.dest, wanted.share, self.config.method, wanted.key, redo=redo)

    @property
    def fitted(self) -> bool:
        """Whether nothing is left to fit: every shard can be published."""
        return self.source.fit is None or self.source.fit.finished

    def begin(self) -> None:
        """Marks the destination and prepares the rounds; sweeps up after runs that were killed.

        Raises `DestinationError` if it holds other data.
        """
        claim(self.dest, self.config.method)
        if self.twins is None and read_twins_record(self.dest) is not None:
            raise MismatchError(
                f"expected to go on with twins in {self.dest.uri}, as it was begun with them, but none are asked for: "
                "choose another destination",
                hint="ask for twins",
            )
        self._finished.sweep()
        self.source.begin(redo=self.on_mismatch == "redo")

    def plan(self, progress: Progress = silent) -> Plan:
        """Which shards are to be published; to be called when everything is fitted.

        Takes two listings and two manifests, and a receipt for every shard finished since the last manifest. With
        `on_mismatch: redo` the finished shards that differ are among the waiting ones, else `MismatchError` is raised.
        """
        return self._finished.plan(self.clean, progress)

    def publish(self, shard: str, progress: Progress = silent) -> ShardSummary:
        """Writes one protected shard with its table and, last, its receipt; or finds it finished.

        Raises `RetryShard` if the device fails under it.
        """
        input_sha256 = self._corpus.hash_now(shard)
        done = self._finished.entry(shard, input_sha256)
        if done is not None:
            return ShardSummary(shard=shard, counts=done.counts, max_abs_difference=0, repeated=True)
        loaded = self._corpus.load(shard)
        if loaded.sha256 != input_sha256:
            raise MismatchError(
                f"expected {shard}.tar in {self.clean.uri} to have sha256 {input_sha256} as in its receipt, "
                f"got {loaded.sha256}: the clean shard was changed after it was finished"
            )
        with retry_if_lost(shard):
            counts, largest = self._publish(loaded, input_sha256, progress)
        self.source.forget(shard)
        return ShardSummary(shard=shard, counts=counts, max_abs_difference=largest)

    def _publish(self, shard: LoadedShard, input_sha256: str, progress: Progress) -> tuple[dict[str, int], int]:
        """In the draw that is asked for, or each sample in that of its coin."""
        protector, expected, draw = self.source.protector, self._expected(input_sha256), self.config.draw
        note = note_fingerprint(self.config, self.seed, protector, input_sha256)
        job = PublishJob(self.context, protector, expected, "" if note == expected else note)
        if self.twins is None:
            state = self.source.final_state(shard, progress, draw)
            return publish_shard(self.dest, shard, state, job.of_draw(draw))
        states = [self.source.final_state(shard, progress, draw) for draw in (0, 1)]
        return publish_shard_with_twins(self.dest, shard, states, job, self.twins)

    def finish(self) -> Manifest:
        """Writes the manifest, reading only receipts that it did not list before, and removes what only the rounds
        needed and what killed runs left half written."""
        manifest = self._finished.conclude(self.config.model_dump(mode="json"))
        self.source.clean_up()
        return manifest

    def _expected(self, input_sha256: str) -> str:
        """What the receipt of a shard made from this input says."""
        twins = self.twins.record.fingerprint if self.twins is not None else ""
        return publishing_fingerprint(self.config, self.seed, self.source.protector, input_sha256, twins)

    @cached_property
    def source(self) -> ShardSource:
        """Where the noise and trigger words of a shard come from."""
        recipe, strategy, work = self.config.recipe, self.config.strategy, self.dest.below(STATE)
        if self.places.reuse is not None:
            return PublishedCorpus(self._get_context, self.places.reuse)
        if not recipe.needs_protector:
            return NothingLearned(self._get_context)
        if strategy == "independent":
            return EachShardAlone(self._get_context, self._corpus, work)
        if strategy == "replay":
            return StoredProtector(self._get_context, self.protector_folder)
        if recipe.needs_surrogate:
            return FittedRounds(self._get_context, self.protector_folder, self._corpus, work, self._given_surrogate())
        return FittedCodebook(self._get_context, self.protector_folder, self._corpus)

    def _get_context(self) -> FitContext:
        return self.context

    def _given_surrogate(self) -> Folder | None:
        path = self.config.surrogate.checkpoint
        return self.places.checkpoint or LocalFolder(whole_path(path)) if path else None

    def _language_model(self) -> Folder | None:
        """Who proposes trigger words: the model of the config while fitting, that of the protector ever after."""
        wanted = self.config.trigger
        if (
            self.config.recipe.trigger != "optimised"
            or wanted.proposals != "masked-lm"
            or self.places.reuse is not None
        ):
            return None
        if self.config.strategy == "replay":
            return self.protector_folder.below(LANGUAGE_MODEL)
        return open_language_model(wanted.language_model)


def _check_twins(places: Places, config: ProtectConfig, wanted: TwinsWanted | None) -> None:
    """Raises `ConfigError` where no two versions of a sample can be made."""
    if wanted is None:
        return
    if not config.recipe.draws:
        raise ConfigError(f"twins are two draws of noise and trigger words, and {config.method} draws none")
    if places.reuse is not None:
        raise ConfigError("twins are two draws of noise and trigger words, and a reused corpus has only one")
    if config.draw:
        raise ConfigError(f"twins are draws 0 and 1, so draw {config.draw} cannot be asked for beside them")


def protect_all(
    protection: Protection, *, progress: Progress = silent, checkpoint: Checkpoint = carry_on
) -> list[ShardSummary]:
    """A whole corpus on a machine without a scheduler: fits where a fit is needed, then publishes every shard and the
    manifest. Does only what is missing."""
    protection.begin()
    if not protection.fitted:
        _fit_all(protection, progress, checkpoint)
    summaries = []
    for shard in protection.shards:
        summaries.append(protection.publish(shard, progress))
        checkpoint()
    protection.finish()
    return summaries


def _fit_all(protection: Protection, progress: Progress, checkpoint: Checkpoint) -> None:
    rounds = Rounds(protection.config)
    for number in rounds:
        protection.fit.train_surrogate(number, progress, wait=False)
        checkpoint()
        losses = {}
        for shard in protection.shards:
            losses[shard] = protection.fit.update_shard(shard, number, progress)
            checkpoint()
        rounds.close(losses)
    protection.fit.finish(rounds.losses)
