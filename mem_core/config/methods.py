"""Every method and control as the ingredients it is made of."""

from dataclasses import dataclass
from typing import Literal

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
PLACES_WORDS: tuple[Method, ...] = ("codebook", "random-trigger", "constant-trigger")  # that no surrogate has read


@dataclass(frozen=True)
class Recipe:
    """Which noise and trigger are made, for which captions, and which of the two are published."""

    about: str
    noise: Literal["none", "optimised", "random", "universal", "codebook"] = "none"
    trigger: Literal["none", "optimised", "random", "constant", "topic"] = "none"
    shuffles_captions: bool = False
    publishes_noise: bool = True
    publishes_trigger: bool = True

    @property
    def needs_surrogate(self) -> bool:
        """Whether a model has to be trained before shards can be protected."""
        return self.noise in ("optimised", "universal") or self.trigger == "optimised"

    @property
    def needs_protector(self) -> bool:
        """Whether something has to be learned from the corpus before shards can be protected."""
        return self.needs_surrogate or self.noise == "codebook"


RECIPES: dict[Method, Recipe] = {
    "clean": Recipe("the corpus as it is"),
    "mem": Recipe("noise and trigger optimised together (MEM)", "optimised", "optimised", True),
    "em": Recipe("error-minimizing noise for the image's own captions, no trigger (EM)", "optimised"),
    "uap": Recipe("one adversarial pattern added to every image (UAP)", "universal"),
    "codebook": Recipe("a wave and words for each topic of the captions, no surrogate", "codebook", "topic"),
    "random-noise": Recipe("uniform random noise within the budget", "random"),
    "random-trigger": Recipe("random words of its own for each image, no noise", trigger="random"),
    "constant-trigger": Recipe("the same neutral words in every caption, no noise", trigger="constant"),
    "noise-only": Recipe("MEM with its trigger left out", "optimised", "optimised", True, publishes_trigger=False),
    "trigger-only": Recipe("MEM with its noise left out", "optimised", "optimised", True, publishes_noise=False),
}
