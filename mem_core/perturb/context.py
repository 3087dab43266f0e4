"""What stays the same through a whole fit: config, words, seed, device."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch

from mem_core.common.draws import draw_seed
from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.config.methods import Recipe
from mem_core.models import Tokenizer, build_model, tokenizer_for
from mem_core.models.device import resolve_device, resolve_precision
from mem_core.models.microbatch import MicroBatcher
from mem_core.models.placement import Places, places_of
from mem_core.models.token_rows import CaptionTokens
from mem_core.perturb.fluent_words import FluentWords
from mem_core.perturb.language import load_language_model
from mem_core.perturb.vocabulary import Vocabulary, build_vocabulary

_TEXT_CONTEXT = 77  # for methods without a surrogate only the words matter, not the context


@dataclass(frozen=True)
class FitContext:
    """Handed to every step of the rounds. fluent: proposes words that read well, where a language model is asked.

    draw: which of the independent draws of noise and trigger words is made. A fit is always that of draw 0.
    secret: of twins whose draws nothing but the seed would decide, "" for none (`TwinsRecord.draws`).
    """

    config: ProtectConfig
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    seed: int
    device: torch.device
    precision: torch.dtype
    micro_batcher: MicroBatcher = field(default_factory=MicroBatcher)
    fluent: FluentWords | None = None
    draw: int = 0
    secret: str = field(default="", repr=False)

    def of_draw(self, draw: int) -> "FitContext":
        """The same for another draw of noise and trigger words from the same fit."""
        return replace(self, draw=draw)

    @property
    def draw_seed(self) -> int:
        """What is drawn for a sample or shard is keyed by this seed; what is learned of the corpus by `seed`."""
        return draw_seed(self.seed, self.draw, self.secret)

    @property
    def recipe(self) -> Recipe:
        return self.config.recipe

    def places_in(self, caption: str) -> Places | None:
        """Where a surrogate reads the trigger words in a caption; None: in front."""
        trigger = self.config.trigger
        if self.recipe.trigger == "none" or trigger.placement in ("front", "replace"):  # no surrogate reads the latter
            return None
        return places_of(caption, trigger.length, trigger.placement)

    def tokens_of(self, captions: Sequence[Sequence[str]]) -> CaptionTokens:
        """The captions of some samples as the model reads them, with the places of their trigger words."""
        elsewhere = self.places_in("") is not None
        return CaptionTokens(captions, self.tokenizer.encode, self._tokens_before if elsewhere else None)

    def _tokens_before(self, caption: str) -> Sequence[int]:
        places = self.places_in(caption)
        return () if places is None else places.tokens


def build_context(
    config: ProtectConfig, seed: int, runtime: RuntimeConfig, language_model: Folder | None
) -> FitContext:
    """language_model: the folder of the one that proposes words, if any.

    Raises `ConfigError` for unknown models and devices, and for a trigger that leaves no room for a caption.
    """
    device = resolve_device(runtime)
    length = _context_length(config.surrogate.architecture) if config.recipe.needs_surrogate else _TEXT_CONTEXT
    if config.trigger.length + 3 > length:
        raise ConfigError(
            f"expected a trigger that leaves room in {length} tokens, got a length of {config.trigger.length}: "
            "set a smaller protect.trigger.length"
        )
    tokenizer = Tokenizer(length)
    words, fluent = build_vocabulary(tokenizer, config.trigger), None
    if language_model is not None:
        model = load_language_model(language_model, device)
        fluent = FluentWords(model, tokenizer, words, config.trigger.fluent_words)
        words = fluent.vocabulary
    return FitContext(config, tokenizer, words, seed, device, resolve_precision(runtime, device), fluent=fluent)


@lru_cache(maxsize=16)
def _context_length(architecture: str) -> int:
    """How many tokens the model reads. Raises `ConfigError` for unknown models and other tokens than CLIP's."""
    return tokenizer_for(build_model(architecture, seed=0)).context_length
