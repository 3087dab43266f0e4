"""Every setting of a run, as frozen and bounded pydantic models: unknown keys and bad values are refused.

Prefect renders the same models as forms, presets are YAML of `RunConfig`, and `fingerprint` hashes them.
"""

import hashlib
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from mem_core.countermeasures import AnyCountermeasure
from mem_core.errors import ConfigError
from mem_core.frozen import Frozen as Frozen
from mem_core.policies import MetadataConfig, QualityConfig

Model = TypeVar("Model", bound=BaseModel)

Method = Literal[
    "clean",
    "mem",
    "em",
    "uap",
    "codebook",
    "random-noise",
    "random-trigger",
    "constant-trigger",
    "noise-only",
    "trigger-only",
]
WORDS_TO_CHOOSE: tuple[Method, ...] = ("mem", "em", "codebook")  # methods that take other words than their own
Strategy = Literal["rounds", "replay", "independent"]
Views = Literal["centre", "random-crop"]


def _parse_fraction(value: object) -> object:
    """Accepts "8/255" where a number is expected."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"expected a number or a fraction like 8/255, got {value!r}") from error


def levels(value: float) -> int:
    """Pixel units (1.0 is white) to whole 8-bit levels."""
    return round(value * 255)


def _whole_levels(value: float) -> float:
    if not 1 <= levels(value) <= 64 or abs(value * 255 - levels(value)) > 1e-6:
        raise ValueError(f"expected a whole number of 1/255 levels between 1/255 and 64/255, got {value:g}")
    return value


Device = Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")]
PixelLevels = Annotated[float, BeforeValidator(_parse_fraction), AfterValidator(_whole_levels)]
Scale = tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]


class IdentitiesConfig(Frozen):
    """How folders of photos, one a person or thing, become image-caption pairs."""

    templates: tuple[str, ...] = Field((), description="captions with {name} in them; empty: five usual ones")
    hold_out: bool = Field(False, description="one photo of each identity with two or more goes to `test`")
    rename: bool = Field(False, description="captions with invented names, drawn from the seed")


class CorpusConfig(Frozen):
    """How a source becomes clean shards."""

    samples_per_shard: int = Field(1000, ge=1, le=10_000, description="at most 10,000: keys count to 4 digits")
    one_sample_per: Literal["image", "pair"] = Field("image", description="pair: a sample for every (image, caption)")
    resize: int | None = Field(None, ge=8, le=4096, description="squash to this side before sharding (paper profile)")
    limit: int | None = Field(None, ge=1, description="take only the first samples of each split")
    test_limit: int | None = Field(None, ge=1, description="in place of `limit` for every split but `train`")
    holdout: float = Field(0.0, ge=0, lt=1, description="share put into `test` when the source names no splits")
    max_pixels: int = Field(64_000_000, ge=1, description="larger images are recorded as failed")
    identities: IdentitiesConfig = IdentitiesConfig()


class NoiseConfig(Frozen):
    """The image noise: PGD that lowers the loss, in pixel units where 1.0 is white."""

    epsilon: PixelLevels = Field(8 / 255, description="L-infinity budget")
    step_size: PixelLevels = Field(2 / 255, description="one signed step; whole levels, as published pixels are")
    num_steps: int = Field(6, ge=1, le=10_000, description="PGD steps a round")
    caption_draws: int = Field(
        3, ge=1, le=10_000, description="caption draws a batch cycles through; num_steps of them: fresh at every step"
    )
    views: Views = Field("random-crop", description="what the surrogate sees: the trainer's crop or the centre")
    crop_scale: Scale = Field((0.9, 1.0), description="area share of the random crop (open_clip: 0.9 to 1.0)")
    own_captions: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of caption draws and surrogate batches that take own captions, as EM",
    )
    triggerless: float = Field(
        0.0, ge=0, le=1, description="share of those with own captions that leave the trigger out"
    )
    topics: int = Field(
        8, ge=2, le=16, description="codebook: topics that captions are sorted into, each with a wave of its own"
    )
    waves: int = Field(11, ge=2, le=1024, description="codebook: waves over the shorter side of an image")


class TriggerConfig(Frozen):
    """The words put before each caption: HotFlip candidates, beam search."""

    length: int = Field(3, ge=1, le=16)
    rounds: int = Field(2, ge=0, description="HotFlip runs in the first so many rounds")
    candidates: int = Field(4, ge=1, le=512, description="replacements tried for a position")
    beam: int = Field(1, ge=1, le=16)
    scoring: Literal["sample", "batch"] = Field("sample", description="batch: one candidate rank for all (paper)")
    vocabulary: Literal["words", "all"] = Field("words", description="words: proven to re-tokenise to the same ids")
    kind: Literal["method", "none", "random"] = Field(
        "method", description="method: as the method makes it; none, random: without words, or with random ones"
    )
    start: Literal["random", "constant"] = "random"
    constant_word: str = Field("the", min_length=1, description="the neutral word of constant triggers and prefixes")
    blocklist: tuple[str, ...] = Field((), description="words never used, besides the built-in list")
    personal_names: Literal["avoid", "allow"] = Field(
        "avoid", description="avoid: no word that is a name (US census) in more than 15 of 100 uses"
    )
    proposals: Literal["gradient", "masked-lm"] = Field(
        "gradient", description="masked-lm: a language model proposes words that read well, the gradient ranks them"
    )
    language_model: str = Field("", description="for masked-lm: a folder, as train-lm leaves it, or a hub name")
    fluent_words: int = Field(48, ge=2, le=10_000, description="for masked-lm: words proposed for a position")

    @model_validator(mode="after")
    def _proposals_fit(self) -> "TriggerConfig":
        if self.proposals == "masked-lm" and (not self.language_model or self.vocabulary != "words"):
            raise ValueError("proposals: masked-lm needs a language_model and vocabulary: words")
        return self


_PRETRAINED = "weights to start from: a tag of open_clip, or a local checkpoint file; empty: random weights"


class SurrogateConfig(Frozen):
    """The model that makes the noise, trained a little in every round."""

    architecture: str = Field("tiny-resnet", description="an open_clip name, one of ours, or a path to a JSON file")
    pretrained: str = Field("", description=_PRETRAINED)
    steps_per_round: int = Field(94, ge=0, le=1_000_000)
    batch_size: int = Field(128, ge=2, le=65_536)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(0.2, ge=0, le=10)
    captions: Literal["shuffled", "matched"] = Field("shuffled", description="shuffled: learns only the shortcut")
    cpu_threads: int = Field(
        1, ge=1, le=1024, description="that train it on a CPU; other numbers give other bytes, so it is a setting"
    )
    pool_shards: int = Field(4, ge=1, le=1024, description="shards held in memory to draw mixed batches from")


class ProtectConfig(Frozen):
    """What is done to a corpus. `profile: paper` changes the defaults below it to the paper's."""

    profile: Literal["publishable", "paper"] = "publishable"
    method: Method = "mem"
    strategy: Strategy = Field(
        "rounds",
        description="rounds: fit on this corpus; replay: use a stored protector; independent: fit on each shard alone",
    )
    rounds: int = Field(4, ge=1, le=1000)
    batch_size: int = Field(128, ge=2, le=65_536, description="samples that are each other's negatives")
    loss_threshold: float = Field(0.01, ge=0, description="stop after a round whose mean noise loss is below")
    noise: NoiseConfig = NoiseConfig()
    trigger: TriggerConfig = TriggerConfig()
    surrogate: SurrogateConfig = SurrogateConfig()
    image_format: Literal["png", "webp"] = Field("png", description="both lossless")
    on_error: Literal["skip", "passthrough"] = Field(
        "skip", description="passthrough publishes samples that could not be protected UNPROTECTED"
    )
    max_pixels: int = Field(64_000_000, ge=1, description="larger images are recorded as failed")
    metadata: MetadataConfig = MetadataConfig()
    quality: QualityConfig = QualityConfig()

    @model_validator(mode="before")
    @classmethod
    def _profile_defaults(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("profile") == "paper":
            return merge(_PAPER, values)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "ProtectConfig":
        if self.noise.step_size > self.noise.epsilon:
            raise ValueError(f"step_size {self.noise.step_size:g} is larger than epsilon {self.noise.epsilon:g}")
        if self.noise.crop_scale[0] > self.noise.crop_scale[1]:
            raise ValueError(f"crop_scale must go from small to large, got {self.noise.crop_scale}")
        if self.metadata.note == "off" and self.trigger.vocabulary == "all":
            raise ValueError("metadata.note `off` needs trigger.vocabulary `words`: other ids do not survive as text")
        if self.trigger.kind != "method" and self.method not in WORDS_TO_CHOOSE:
            raise ValueError(
                f"trigger.kind {self.trigger.kind} goes with {', '.join(WORDS_TO_CHOOSE)}, got {self.method}"
            )
        return self


_PAPER: dict[str, Any] = {
    "rounds": 20,
    "batch_size": 128,
    "noise": {"step_size": "1/255", "num_steps": 8, "caption_draws": 8, "views": "centre"},
    "trigger": {"rounds": 5, "candidates": 16, "beam": 1, "scoring": "batch", "vocabulary": "all"},
    "surrogate": {
        "architecture": "RN50",
        "steps_per_round": 200,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "weight_decay": 0.2,
        "captions": "matched",
    },
}


class FinetuneConfig(Frozen):
    """Fine-tuning on clean pairs after training, with self-supervision in each tower (CleanCLIP, Bansal et al. 2023).

    The views are open_clip's crop with a wide scale and flips; the second text has words dropped.
    """

    share: float = Field(0.1, gt=0, le=1, description="share of the clean corpus that the trainer has")
    epochs: int = Field(5, ge=1, le=10_000)
    learning_rate: float = Field(3e-4, gt=0, le=1)
    self_supervision: float = Field(1.0, ge=0, le=100, description="weight of the losses within a tower")


class VictimConfig(Frozen):
    """The model an unauthorised trainer trains."""

    architecture: str = "tiny-resnet"
    pretrained: str = Field("", description=_PRETRAINED)
    epochs: int = Field(10, ge=0, le=10_000, description="0: as drawn, never trained")
    batch_size: int = Field(128, ge=2, le=65_536)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(0.2, ge=0, le=10)
    warmup_steps: int = Field(50, ge=0)
    warmup: Literal["fitted", "exact"] = Field(
        "fitted", description="fitted: at most half of the training; exact: as long as it says (paper: past the end)"
    )
    views: Views = "random-crop"
    crop_scale: Scale = (0.9, 1.0)
    captions: Literal["text", "trigger-ids"] = Field("text", description="trigger-ids: as the paper, not as published")
    evaluate_every: int = Field(1, ge=0, description="epochs between retrieval checks; 0: only at the end")
    samples: int | None = Field(None, ge=2, description="train on so many samples, out of shards drawn at random")
    countermeasures: tuple[AnyCountermeasure, ...] = Field((), description="what is done to the pairs before training")
    finetune: FinetuneConfig | None = Field(None, description="after that, training on clean pairs (CleanCLIP)")

    @model_validator(mode="after")
    def _text_is_read(self) -> "VictimConfig":
        changing = [one.kind for one in self.countermeasures if one.changes_text]
        if changing and self.captions == "trigger-ids":
            raise ValueError(f"{changing[0]} changes captions, but captions: trigger-ids does not read them")
        return self


class EvaluateConfig(Frozen):
    """How a victim is queried on clean test pairs."""

    batch_size: int = Field(256, ge=1, le=65_536)
    prefix_word: str = Field("the", min_length=1, description="repeated to the trigger's length in prefixed queries")
    prefix_length: int = Field(3, ge=1, le=16)


class RuntimeConfig(Frozen):
    """Where and how fast; never part of a fingerprint."""

    runner: Literal["threads", "ray"] = Field(
        "threads", description="threads of this machine, or a Ray cluster with one GPU a shard"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    devices: tuple[Device, ...] = Field(
        (), description="of this machine, each with a shard of its own in work; none: all work on `device`"
    )
    ray_address: str = Field(
        "", description="a Ray cluster that is there, as host:6379 or ray://host:10001; empty: one for this run, here"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 where it is native")
    workers: int = Field(
        1,
        ge=1,
        le=1024,
        description="shards in work at the same time; never fewer than `devices`, or than Ray has room for",
    )
    cache_mb: int = Field(2048, ge=0, description="decoded pixels kept in memory; others are decoded at each use")

    @model_validator(mode="after")
    def _consistent(self) -> "RuntimeConfig":
        numbered = ["cuda:0" if device == "cuda" else device for device in self.devices]
        twice = sorted({device for device in numbered if numbered.count(device) > 1})
        if twice:
            raise ValueError(f"expected each device once in `devices`, got {', '.join(twice)} more than once")
        if self.devices and self.runner == "ray":
            raise ValueError("`devices` names those of one machine; with Ray each shard gets a GPU of the cluster")
        if self.devices and self.device not in ("auto", self.devices[0]):
            raise ValueError(f"expected `device` or `devices`, got {self.device} and {', '.join(self.devices)}")
        if self.ray_address and self.runner != "ray":
            raise ValueError(f"expected `runner: ray` with a `ray_address`, got {self.runner}")
        return self


class RowConfig(Frozen):
    """One row of a table: the run's settings with some changed, under a name of its own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="unique in its table, as mem-5")
    method: Method
    label: str = Field("", description="what readers see; empty: the usual label of the method")
    corpus: Literal["image", "pair"] | None = Field(None, description="None: as corpus.one_sample_per says")
    fit_shards: int | None = Field(None, ge=1, description="fit on the first so many shards, then replay on all")
    protect: dict[str, Any] = Field({}, description="laid on the run's `protect`")
    victim: dict[str, Any] = Field({}, description="laid on the run's `victim`")

    def protect_config(self, base: ProtectConfig) -> ProtectConfig:
        """How this row is protected. Raises `ConfigError`.

        The run's `trigger.kind` is for the rows whose method takes other words than its own.
        """
        run = base.model_dump()
        if self.method not in WORDS_TO_CHOOSE:
            run = merge(run, {"trigger": {"kind": "method"}})
        values = merge(run, {**self.protect, "method": self.method})
        return parse_config(ProtectConfig, values, f"row {self.name}")

    def victim_config(self, base: VictimConfig) -> VictimConfig:
        """How this row's victims are trained. Raises `ConfigError`."""
        return parse_config(VictimConfig, merge(base.model_dump(), self.victim), f"row {self.name}")


class RunConfig(Frozen):
    """A preset: everything one pipeline run needs."""

    name: str = Field("default", pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    rows: tuple[Method | RowConfig, ...] = Field(
        ("clean", "mem"), min_length=1, description="rows of the pipeline's table: methods, or variants of them"
    )
    victim_seeds: tuple[int, ...] = Field((0,), min_length=1)
    corpus: CorpusConfig = CorpusConfig()
    protect: ProtectConfig = ProtectConfig()
    victim: VictimConfig = VictimConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @property
    def table(self) -> tuple[RowConfig, ...]:
        """The rows, each once and with its name."""
        named = [row if isinstance(row, RowConfig) else RowConfig(name=row, method=row) for row in self.rows]
        return tuple({row.name: row for row in named}.values())

    @model_validator(mode="after")
    def _rows_fit(self) -> "RunConfig":
        variants = [row.name for row in self.rows if isinstance(row, RowConfig)]
        if len(set(variants)) < len(variants):
            raise ValueError(f"expected a name of its own for each row, got {', '.join(variants)}")
        try:
            for row in self.table:
                row.protect_config(self.protect)
                row.victim_config(self.victim)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, dictionary by dictionary."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, BaseModel):
            value = value.model_dump(exclude_unset=True)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_config(model: type[Model], values: Mapping[str, Any], origin: str) -> Model:
    """Validates settings; raises `ConfigError` with one line for each mistake, naming the key and the origin."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {_sentence(e)}" for e in error.errors()]
        raise ConfigError(f"{origin}: " + "; ".join(lines)) from error


def first_mistake(error: ValidationError) -> str:
    """One line on what a stored file has wrong: pydantic's own text takes many."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a setting"
    message, given = str(error["msg"]).removeprefix("Value error, "), error["input"]
    # A mistake between settings comes with all of them, which would bury the sentence.
    return message if isinstance(given, Mapping | BaseModel) else f"{message} (got {given!r})"


def fingerprint(*parts: BaseModel | Mapping[str, Any] | str | int) -> str:
    """SHA-256 (hex) of the canonical JSON of all parts: equal fingerprint means equal bytes."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
