"""What some rows and victims start from, made by the study itself where it is not named: models on drawn portraits,
a language model on a dataset's own captions, and a surrogate on its clean pairs."""

from pathlib import Path

from mem_core.common.errors import ConfigError
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.rng import derived_seed
from mem_core.common.storage.folder import Folder, LocalFolder
from mem_core.config import CorpusConfig, Frozen, ProtectConfig, fingerprint
from mem_core.data.corpus import corpus_fingerprint
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.face_corpora import draw_portraits
from mem_core.experiments.reproduce.scale import OWN, PEOPLE, PORTRAITS, StudyScale
from mem_core.perturb.language import train_language_model
from mem_core.victim.config import VictimConfig
from mem_core.victim.training import VictimData, train_victim


class PretrainedModels:
    """Below FOLDER/starts: portraits and a model of each architecture trained on them; for a dataset a language model,
    and a surrogate that was trained as its clean victims are, from another seed."""

    def __init__(self, folder: Folder, scale: StudyScale) -> None:
        self._folder, self._scale = folder.below("starts"), scale

    def identity(self, protect: ProtectConfig | None, victim: VictimConfig, dataset: str) -> list[str]:
        """What a result depends on besides its own settings: nothing where all that it starts from is named."""
        found = []
        surrogate = protect.surrogate.pretrained if protect else ""
        if PORTRAITS in (victim.pretrained, surrogate) or (self._scale.people and dataset == PEOPLE):
            found.append(fingerprint(self._scale.people or Frozen(), self._scale.victim))
        if protect is not None and protect.trigger.language_model == OWN:
            found.append(fingerprint(self._scale.language_model))
        if protect is not None and protect.surrogate.checkpoint == OWN:
            found.append(fingerprint(self._like_a_clean_victim(protect)))
        return found

    def of_victim(
        self, config: VictimConfig, progress: Progress = silent, checkpoint: Checkpoint = carry_on
    ) -> VictimConfig:
        """The config with weights that are there."""
        if config.pretrained != PORTRAITS:
            return config
        return config.model_copy(
            update={"pretrained": self._pretrained(config.architecture, config, progress, checkpoint)}
        )

    def of_protection(
        self,
        config: ProtectConfig,
        clean: Folder,
        name: str,
        progress: Progress = silent,
        checkpoint: Checkpoint = carry_on,
    ) -> ProtectConfig:
        """The config with weights and a language model that are there. clean: the clean corpus of dataset `name`."""
        if config.surrogate.pretrained == PORTRAITS:
            path = self._pretrained(config.surrogate.architecture, self._scale.victim, progress, checkpoint)
            surrogate = config.surrogate.model_copy(update={"pretrained": path})
            config = config.model_copy(update={"surrogate": surrogate})
        if config.trigger.language_model == OWN:
            place = self._folder.below(f"language-model-{name}")
            wanted = self._scale.language_model
            train_language_model(clean, place, wanted, self._scale.runtime, seed=self._scale.seed, progress=progress)
            trigger = config.trigger.model_copy(update={"language_model": place.uri})
            config = config.model_copy(update={"trigger": trigger})
        if config.surrogate.checkpoint == OWN:
            place = self._folder.below(f"clean-{name}")
            train_victim(
                VictimData(clean, corpus_fingerprint(clean)),
                place,
                self._like_a_clean_victim(config),
                self._scale.runtime,
                seed=derived_seed(self._scale.seed, "clean surrogate"),
                progress=progress,
                checkpoint=checkpoint,
            )
            surrogate = config.surrogate.model_copy(update={"checkpoint": place.uri})
            config = config.model_copy(update={"surrogate": surrogate})
        return config

    def _like_a_clean_victim(self, config: ProtectConfig) -> VictimConfig:
        """How the scale's victims are trained, with the surrogate's architecture."""
        changes = {"architecture": config.surrogate.architecture, "evaluate_every": 0}
        return self._scale.victim.model_copy(update=changes)

    def _pretrained(self, architecture: str, like: VictimConfig, progress: Progress, checkpoint: Checkpoint) -> str:
        """The path of a model trained on portraits: it knows faces, and none of the names to come."""
        people = self._scale.people
        if people is None or not isinstance(self._folder, LocalFolder):
            raise ConfigError(
                f"expected a local study with `people` in its scale to pretrain {architecture} on portraits, got scale "
                f"{self._scale.name} in {self._folder.uri}"
            )
        source, shards = self._folder.path / "portraits", self._folder.below("portraits-shards")
        source.parent.mkdir(parents=True, exist_ok=True)
        seed = self._scale.seed
        if not shards.exists("train/manifest.json"):
            reader = open_source(draw_portraits(source, people.portraits, 0, people.size, seed, progress), format="csv")
            shard_source(reader, shards, CorpusConfig(samples_per_shard=500), seed, progress)
        fresh = {"pretrained": "", "architecture": architecture, "evaluate_every": 0}
        config = like.model_copy(update={**fresh, "epochs": people.epochs, "learning_rate": people.learning_rate})
        out = self._folder.below(f"pretrained-{Path(architecture).stem}")
        train_victim(
            VictimData(shards.below("train")),
            out,
            config,
            self._scale.runtime,
            seed=seed,
            progress=progress,
            checkpoint=checkpoint,
        )
        return str(Path(out.uri) / "victim.safetensors")
