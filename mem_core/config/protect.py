"""How a corpus is protected: noise, surrogate, trigger (in a file of its own), and the paper's profile of all three."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from mem_core.config.base import Frozen, merge, unit
from mem_core.config.methods import MEM, METHODS, Method, Recipe
from mem_core.config.optimizer import OptimizerConfig
from mem_core.config.passes import StepsARound
from mem_core.config.trigger import TriggerConfig
from mem_core.config.values import PRETRAINED, PixelLevels, Scale, Strategy, ViewConfig, Views, levels


class NoiseConfig(Frozen):
    """The image noise: PGD that lowers the loss (UAP: raises it), in pixel units where 1.0 is white."""

    epsilon: PixelLevels = Field(8 / 255, description="the most by which any pixel value may change")
    step_size: PixelLevels = Field(2 / 255, description="length of one step of PGD")
    num_steps: int = Field(6, ge=1, le=10_000, description="PGD steps a round", json_schema_extra=unit("steps"))
    caption_draws: int = Field(
        3,
        ge=1,
        le=10_000,
        description="pairings of images and captions that a batch cycles through; num_steps: a new one a step",
    )
    views: Views = Field("random-crop", description="what the surrogate sees: the trainer's crop or the centre")
    crop_scale: Scale = Field((0.9, 1.0), description="area share of the random crop (open_clip: 0.9 to 1.0)")
    own_captions: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of pairings and surrogate batches in which an image has its own captions, as in EM",
    )
    triggerless: float = Field(
        0.0, ge=0, le=1, description="share of the pairings with own captions that leave the trigger words out"
    )
    topics: int = Field(
        8,
        ge=2,
        le=16,
        description="codebook: number of topics of the captions, each with its own grating and trigger words",
    )
    waves: int = Field(
        11,
        ge=2,
        le=1024,
        description="codebook: periods of a grating over the shorter side",
        json_schema_extra=unit("periods"),
    )

    @property
    def epsilon_levels(self) -> int:
        """The budget in uint8 levels."""
        return levels(self.epsilon)

    @property
    def step_levels(self) -> int:
        """One signed step in uint8 levels."""
        return levels(self.step_size)

    @property
    def view(self) -> ViewConfig:
        """What the surrogate sees of an image."""
        return ViewConfig(kind=self.views, crop_scale=self.crop_scale)


class SurrogateConfig(Frozen):
    """The model that makes the noise, trained a little in every round.

    A method that learns the clean corpus first (UAP) trains it at once, for the steps of all rounds, or takes one that
    is trained already (`checkpoint`).
    """

    architecture: str = Field("tiny-resnet", description="a name of open_clip or memshield, or a path to a JSON file")
    pretrained: str = Field("", description=PRETRAINED)
    steps_per_round: StepsARound = Field(
        94,
        description="training steps, or {passes, least, most}: passes over the corpus, within these steps",
        json_schema_extra=unit("steps"),
    )
    batch_size: int = Field(
        128, ge=2, le=65_536, description="samples in a training step", json_schema_extra=unit("samples")
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's learning rate")
    weight_decay: float = Field(0.2, ge=0, le=10, description="AdamW's weight decay")
    optimizer: OptimizerConfig = OptimizerConfig()
    captions: Literal["shuffled", "matched"] = Field(
        "shuffled",
        description="shuffled: captions are exchanged in the batch, so that the surrogate learns only the shortcut; "
        "matched: its own caption for each image (paper)",
    )
    cpu_threads: int = Field(
        1, ge=1, le=1024, description="threads on a CPU; another number gives other bytes, so it is a setting"
    )
    pool_shards: int = Field(
        4,
        ge=1,
        le=1024,
        description="shards held in memory to draw mixed batches from",
        json_schema_extra=unit("shards"),
    )
    checkpoint: str = Field(
        "",
        description="UAP: the folder of a victim trained on this very clean corpus, in place of training a surrogate",
    )

    def steps(self, samples: int) -> int:
        """Training steps a round on a corpus of so many samples."""
        wanted = self.steps_per_round
        return wanted if isinstance(wanted, int) else wanted.steps(samples, self.batch_size)


class MetadataConfig(Frozen):
    """What is published beside the pixels. Files never carry more than the colour profile; sidecars are filtered."""

    location: Literal["strip", "keep"] = Field(
        "strip", description="entries of key.json that tell where a photo was taken"
    )
    camera: Literal["strip", "keep"] = Field(
        "strip", description="entries of key.json on the device, `exif` among them"
    )
    origin: Literal["strip", "keep"] = Field(
        "strip",
        description="entries of key.json that lead back to the clean file: addresses, names, ids, hashes; they "
        "stay in the private table",
    )
    rights: Literal["sidecar", "drop"] = Field(
        "sidecar",
        description="author, licence and opt-out found inside an image file: into key.json (sidecar), or dropped",
    )
    note: Literal["sidecar", "file", "off"] = Field(
        "sidecar",
        description="where it says `protected`; sidecar: in key.json; file: in the image file, too; off: nowhere",
    )


class QualityConfig(Frozen):
    """How visible noise may be. An image below a floor has its noise scaled back; one that stays below has failed."""

    min_psnr: float | None = Field(
        None,
        gt=0,
        le=100,
        description="the lowest PSNR of a published image (8/255 random noise: about 35)",
        json_schema_extra=unit("dB"),
    )
    min_ssim: float | None = Field(
        None, ge=-1, le=1, description="the lowest SSIM of a published image; 1: identical to the clean one"
    )


# Settings younger than 0.3.0, which older settings do not name.
_YOUNGER: dict[str, tuple[str, ...]] = {
    "trigger": ("captions", "gradient"),
    "surrogate": ("optimizer", "checkpoint"),
    "metadata": ("origin",),
}


class ProtectConfig(Frozen):
    """What is done to a corpus. `profile: paper` changes the defaults below it to the paper's."""

    profile: Literal["publishable", "paper"] = Field(
        "publishable", description="publishable: for files that are handed out; paper: other defaults, as in the paper"
    )
    method: Method = MEM
    strategy: Strategy = Field(
        "rounds",
        description="rounds: fit on this corpus; replay: use a stored protector; independent: fit on each shard alone",
    )
    rounds: int = Field(
        4,
        ge=1,
        le=1000,
        description="how often the surrogate is trained, and trigger words and noise are updated",
        json_schema_extra=unit("rounds"),
    )
    batch_size: int = Field(
        128,
        ge=2,
        le=65_536,
        description="samples protected at once: each other's negatives in the loss",
        json_schema_extra=unit("samples"),
    )
    loss_threshold: float = Field(0.01, ge=0, description="stop after a round whose mean noise loss is below")
    noise: NoiseConfig = NoiseConfig()
    trigger: TriggerConfig = TriggerConfig()
    surrogate: SurrogateConfig = SurrogateConfig()
    image_format: Literal["png", "webp"] = Field("png", description="of published files; both are lossless")
    on_error: Literal["skip", "passthrough"] = Field(
        "skip",
        description="of a sample that cannot be protected; skip: not published; passthrough: published UNPROTECTED",
    )
    max_pixels: int = Field(
        64_000_000, ge=1, description="larger images are recorded as failed", json_schema_extra=unit("pixels")
    )
    protected: Literal["refuse", "accept"] = Field(
        "refuse", description="what becomes of samples that were protected before: failed rows, or protected once more"
    )
    metadata: MetadataConfig = MetadataConfig()
    quality: QualityConfig = QualityConfig()
    draw: int = Field(
        0, ge=0, le=1_000_000, description="another independent draw of noise and trigger words from the same fit"
    )

    @property
    def recipe(self) -> Recipe:
        """The method's recipe, with the kind of trigger words that the config asks for."""
        recipe, kind = METHODS[self.method], self.trigger.kind
        return recipe if kind == "method" else replace(recipe, trigger=kind)

    @property
    def fit_rounds(self) -> int:
        """How many rounds a fit has at most."""
        return 1 if self.recipe.learns_first else self.rounds

    @property
    def surrogate_parts(self) -> int:
        """In how many parts of `surrogate.steps` steps a surrogate is trained in a round: all at once where it learns
        first, none if it is given. A killed run goes on after the last one."""
        if self.surrogate.checkpoint:
            return 0
        return self.rounds if self.recipe.learns_first else 1

    def surrogate_steps(self, samples: int) -> int:
        """How many steps the surrogate takes in a round, on a corpus of so many samples."""
        return self.surrogate_parts * self.surrogate.steps(samples)

    @model_serializer(mode="wrap")
    def _as_older_versions_wrote_it(self, plain: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """In JSON a younger setting at its default is left out: settings that are equal keep equal fingerprints.

        Not where the paper's profile lays other defaults below.
        """
        values: dict[str, Any] = plain(self)
        for part, names in _YOUNGER.items() if info.mode == "json" else ():
            ours = getattr(self, part)
            for name in names if self.profile == "publishable" or part not in _PAPER else ():
                if part in values and getattr(ours, name) == type(ours).model_fields[name].default:
                    values[part].pop(name, None)
        if info.mode == "json" and self.protected == "refuse":
            values.pop("protected", None)
        if info.mode == "json" and self.draw == 0:
            values.pop("draw", None)
        return values

    @model_validator(mode="before")
    @classmethod
    def _profile_defaults(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("profile") == "paper":
            return merge(_PAPER, values)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "ProtectConfig":
        if self.noise.step_size > self.noise.epsilon:
            raise ValueError(
                f"protect.noise.step_size {self.noise.step_size:g} is larger than protect.noise.epsilon "
                f"{self.noise.epsilon:g}: set protect.noise.step_size as well"
            )
        if self.noise.crop_scale[0] > self.noise.crop_scale[1]:
            raise ValueError(f"protect.noise.crop_scale must go from small to large, got {self.noise.crop_scale}")
        if self.metadata.note == "off" and self.trigger.vocabulary == "all":
            raise ValueError(
                "protect.metadata.note `off` needs protect.trigger.vocabulary `words`: other ids do not survive as text"
            )
        self._check_checkpoint()
        own, rows = METHODS[self.method], METHODS.values()
        if self.draw and not self.recipe.draws:
            raise ValueError(f"a draw other than 0 goes with methods that draw for each sample, got {self.method}")
        if self.trigger.kind != "method" and not own.chooses_trigger:
            able = ", ".join(row.name for row in rows if row.chooses_trigger)
            raise ValueError(f"protect.trigger.kind {self.trigger.kind} goes with {able}, got {self.method}")
        placement = self.trigger.placement
        if not own.places_words(placement):
            able = ", ".join(row.name for row in rows if row.places_words(placement))
            raise ValueError(f"protect.trigger.placement {placement} goes with {able}, got {self.method}")
        if self.trigger.source == "captions" and (own.trigger != "topic" or self.trigger.kind == "random"):
            kind = " with protect.trigger.kind random" if self.trigger.kind == "random" else ""
            raise ValueError(
                f"protect.trigger.source captions goes with a codebook's topic words, got {self.method}{kind}"
            )
        if placement == "replace" and self.trigger.vocabulary == "all":
            raise ValueError(
                "protect.trigger.placement replace needs protect.trigger.vocabulary `words`: it puts them into text"
            )
        return self

    def _check_checkpoint(self) -> None:
        given = self.surrogate
        if not given.checkpoint:
            return
        if not self.recipe.learns_first:
            able = ", ".join(row.name for row in METHODS.values() if row.learns_first)
            raise ValueError(
                f"protect.surrogate.checkpoint goes with {able}, which learns clean pairs first, got {self.method}"
            )
        if self.strategy == "independent":
            raise ValueError(
                "protect.surrogate.checkpoint is one for all shards, protect.strategy independent trains one for each"
            )
        if given.pretrained:
            raise ValueError(
                "protect.surrogate.checkpoint is trained already, so protect.surrogate.pretrained cannot be its start"
            )


_PAPER: dict[str, Any] = {
    "rounds": 20,
    "batch_size": 128,
    "noise": {"step_size": "1/255", "num_steps": 8, "caption_draws": 8, "views": "centre"},
    "trigger": {
        "rounds": 5,
        "candidates": 16,
        "beam": 1,
        "scoring": "batch",
        "captions": "own",
        "gradient": "once",
        "vocabulary": "all",
    },
    "surrogate": {
        "architecture": "RN50-quickgelu",
        "steps_per_round": 200,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "weight_decay": 0.2,
        "optimizer": {"betas": (0.9, 0.999), "eps": 1e-8, "decay": "names"},
        "captions": "matched",
    },
}
