"""The model an unauthorised trainer trains, and how it is queried."""

from typing import Any, Literal

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from mem_core.config.base import Frozen, unit
from mem_core.config.optimizer import OptimizerConfig
from mem_core.config.values import PRETRAINED, Placement, Scale, Views, Word
from mem_core.victim.countermeasures import AnyCountermeasure


class FinetuneConfig(Frozen):
    """Fine-tuning on clean pairs after training, with self-supervision in each tower (CleanCLIP, Bansal et al. 2023).

    The views are open_clip's crop with a wide scale and flips; the second text has words dropped.
    """

    share: float = Field(0.1, gt=0, le=1, description="share of the clean corpus that the trainer has")
    epochs: int = Field(5, ge=1, le=10_000, description="epochs of fine-tuning", json_schema_extra=unit("epochs"))
    learning_rate: float = Field(3e-4, gt=0, le=1, description="AdamW's learning rate")
    self_supervision: float = Field(1.0, ge=0, le=100, description="weight of the losses within a tower")


class VictimConfig(Frozen):
    """The model an unauthorised trainer trains."""

    architecture: str = Field("tiny-resnet", description="a name of open_clip or memshield, or a path to a JSON file")
    pretrained: str = Field("", description=PRETRAINED)
    epochs: int = Field(
        10,
        ge=0,
        le=10_000,
        description="how often it sees each sample; 0: as drawn, never trained",
        json_schema_extra=unit("epochs"),
    )
    batch_size: int = Field(
        128, ge=2, le=65_536, description="samples in a training step", json_schema_extra=unit("samples")
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's rate at its highest")
    weight_decay: float = Field(0.2, ge=0, le=10, description="AdamW's weight decay")
    optimizer: OptimizerConfig = OptimizerConfig()
    warmup_steps: int = Field(
        50, ge=0, description="steps in which the rate rises to its highest", json_schema_extra=unit("steps")
    )
    warmup: Literal["fitted", "exact"] = Field(
        "fitted", description="fitted: at most half of the training; exact: as long as it says (paper: past the end)"
    )
    rate_ahead: int = Field(
        0,
        ge=0,
        le=1,
        description="epochs by which the rate's schedule runs ahead: the paper's code counts from 1",
        json_schema_extra=unit("epochs"),
    )
    views: Views = Field("random-crop", description="what it sees of an image in training: a random crop or the centre")
    crop_scale: Scale = Field((0.9, 1.0), description="area share of the random crop (open_clip: 0.9 to 1.0)")
    captions: Literal["text", "trigger-ids"] = Field(
        "text",
        description="text: captions as published; trigger-ids: with the paper's token ids, which are lost as text",
    )
    evaluate_every: int = Field(
        1,
        ge=0,
        description="epochs between looks at the test pairs, for curves; 0: none",
        json_schema_extra=unit("epochs"),
    )
    validation_pairs: int = Field(
        500,
        ge=0,
        le=5000,
        description="clean pairs that choose the best epoch, where a corpus has some; 0: none",
        json_schema_extra=unit("pairs"),
    )
    samples: int | None = Field(
        None,
        ge=2,
        description="train on so many samples, out of shards drawn at random; null: on all",
        json_schema_extra=unit("samples"),
    )
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

    batch_size: int = Field(
        256, ge=1, le=65_536, description="samples embedded at once", json_schema_extra=unit("samples")
    )
    prefix_word: Word = Field("the", min_length=1, description="repeated to the trigger's length in prefixed queries")
    prefix_length: int = Field(
        3, ge=1, le=16, description="neutral words of prefixed queries", json_schema_extra=unit("words")
    )
    prefix_placement: Placement = Field("front", description="where these neutral words stand: where a trigger does")

    def neutral(self, length: int, placement: Placement) -> "EvaluateConfig":
        """As many neutral words as a trigger has, where it stands. In place of a caption's words: in front."""
        where = "front" if placement == "replace" else placement
        return self.model_copy(update={"prefix_length": length, "prefix_placement": where})

    @model_serializer(mode="wrap")
    def _as_older_versions_wrote_it(self, plain: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """In JSON the younger setting is left out at its default: settings that are equal keep equal fingerprints."""
        values: dict[str, Any] = plain(self)
        if info.mode == "json" and self.prefix_placement == "front":
            values.pop("prefix_placement", None)
        return values
