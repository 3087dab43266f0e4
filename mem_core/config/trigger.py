"""The trigger words: how many, which, where they stand, and how HotFlip searches them."""

from typing import Literal

from pydantic import Field, model_validator

from mem_core.config.base import Frozen, unit
from mem_core.config.values import Placement, Word


class TriggerConfig(Frozen):
    """The words put into each caption: HotFlip candidates, beam search."""

    length: int = Field(3, ge=1, le=16, description="trigger words a caption gets", json_schema_extra=unit("words"))
    rounds: int = Field(
        2, ge=0, description="HotFlip runs in this many rounds, from the first on", json_schema_extra=unit("rounds")
    )
    candidates: int = Field(
        4, ge=1, le=512, description="replacements tried for a position", json_schema_extra=unit("words")
    )
    beam: int = Field(
        1, ge=1, le=16, description="triggers that HotFlip keeps from one position to the next: beam search"
    )
    scoring: Literal["sample", "batch"] = Field(
        "sample",
        description="which candidate is taken; sample: the best for each; batch: the same rank for all (paper)",
    )
    captions: Literal["shuffled", "own"] = Field(
        "shuffled", description="which captions HotFlip reads: of other images of the batch, or the image's own (paper)"
    )
    gradient: Literal["each-position", "once"] = Field(
        "each-position", description="when HotFlip takes the gradient: before each position, or once for all (paper)"
    )
    vocabulary: Literal["words", "all"] = Field(
        "words",
        description="words: those that CLIP reads back as the same token ids; all: any ids, lost as text (paper)",
    )
    kind: Literal["method", "none", "random"] = Field(
        "method", description="method: the method's own; none: no trigger words; random: random words for each image"
    )
    placement: Placement = Field(
        "front",
        description="front: before the caption; end: behind it; inside: between words of it; replace: in place of them",
    )
    source: Literal["vocabulary", "captions"] = Field(
        "vocabulary",
        description="where a codebook draws its words from: the vocabulary, or the words of the corpus's captions",
    )
    start: Literal["random", "constant"] = Field(
        "random", description="what HotFlip starts from: random words, or `constant_word`"
    )
    constant_word: Word = Field("the", min_length=1, description="the neutral word of constant triggers")
    blocklist: tuple[str, ...] = Field((), description="words never used, besides the built-in list")
    personal_names: Literal["avoid", "allow"] = Field(
        "avoid", description="avoid: no word that is a name (US census) in more than 15 of 100 uses"
    )
    spelling: Literal["dictionary", "any"] = Field(
        "dictionary", description="dictionary: English words and allowed names only; any: fragments and hashtags, too"
    )
    proposals: Literal["gradient", "masked-lm"] = Field(
        "gradient",
        description="gradient: any words; masked-lm: words that read well, proposed by a language model",
    )
    language_model: str = Field("", description="for masked-lm: a folder that holds one, or a Hugging Face hub name")
    fluent_words: int = Field(
        48, ge=2, le=10_000, description="for masked-lm: words proposed for a position", json_schema_extra=unit("words")
    )

    @model_validator(mode="after")
    def _proposals_fit(self) -> "TriggerConfig":
        if self.proposals == "masked-lm" and (not self.language_model or self.vocabulary != "words"):
            raise ValueError(
                "protect.trigger.proposals masked-lm needs a folder in protect.trigger.language_model, and `words` in "
                "protect.trigger.vocabulary"
            )
        return self
