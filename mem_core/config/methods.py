"""The one table of methods and controls: a row says all there is to know about one, everything else is computed.

To add a method or a control, add its row to `_ROWS`; no other file names it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mem_core.common.nearest import meant
from mem_core.config.values import Placement

Kind = Literal["clean", "control", "method"]
CLEAN, MEM = "clean", "mem"  # the two that others are compared with


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Which noise and trigger are made, for which captions, which of the two are published, and how readers see it.

    label: in tables and figures. about: what is done, isolates: what a control shows, both in a few words. colour: of
    lines on white; Okabe and Ito's palette, made for colour-blind readers, darkened where it would be too pale.
    noise: "optimised" lowers the loss of a surrogate that is trained with it, "adversarial" raises the loss of one that
    was trained on the clean corpus before.
    chooses_trigger: the config may ask for another kind of trigger. fitted_as: the method whose fit, protector and
    published ingredients serve; empty: none but its own.
    """

    name: str
    kind: Kind
    label: str
    about: str
    colour: str
    isolates: str = ""
    noise: Literal["none", "optimised", "adversarial", "random", "codebook", "tint"] = "none"
    trigger: Literal["none", "optimised", "random", "constant", "topic"] = "none"
    shuffles_captions: bool = False
    publishes_noise: bool = True
    publishes_trigger: bool = True
    chooses_trigger: bool = False
    fitted_as: str = ""

    @property
    def needs_surrogate(self) -> bool:
        """Whether a model has to be trained before shards can be protected."""
        return self.steps_noise or self.trigger == "optimised"

    @property
    def steps_noise(self) -> bool:
        """Whether each image's noise is made by gradient steps on a surrogate, down its loss or up."""
        return self.noise in ("optimised", "adversarial")

    @property
    def learns_first(self) -> bool:
        """Whether the surrogate learns the clean corpus before any noise is made, all of which is then one round's."""
        return self.noise == "adversarial"

    @property
    def needs_protector(self) -> bool:
        """Whether something has to be learned from the corpus before shards can be protected."""
        return self.needs_surrogate or self.noise == "codebook"

    @property
    def draws(self) -> bool:
        """Whether a sample's noise or trigger words are drawn, so that another draw gives others."""
        return self.noise != "none" or self.trigger in ("optimised", "random", "topic")

    @property
    def adds_noise(self) -> bool:
        """Whether published images differ from clean ones."""
        return self.noise != "none" and self.publishes_noise

    @property
    def adds_trigger(self) -> bool:
        """Whether published captions differ from clean ones."""
        return self.trigger != "none" and self.publishes_trigger

    def places_words(self, placement: Placement) -> bool:
        """Whether its trigger words may stand there: in place of a caption's own only what no surrogate has read."""
        if placement == "replace":
            return self.trigger in ("random", "constant", "topic")
        return placement == "front" or self.trigger != "none" or self.chooses_trigger

    @property
    def family(self) -> str:
        """The method it is fitted as: one fit and one protector serve a whole family."""
        return self.fitted_as or self.name


_ROWS = (
    Recipe(name=CLEAN, kind="clean", label="Clean", about="the corpus as it is", colour="#1d232b"),
    Recipe(
        name=MEM,
        kind="method",
        label="MEM",
        about="noise and trigger optimised together (MEM)",
        colour="#d1480a",
        noise="optimised",
        trigger="optimised",
        shuffles_captions=True,
        chooses_trigger=True,
    ),
    Recipe(
        name="em",
        kind="method",
        label="EM",
        about="error-minimizing noise for the image's own captions, no trigger (EM)",
        colour="#0068a8",
        noise="optimised",
        chooses_trigger=True,
    ),
    Recipe(
        name="uap",
        kind="method",
        label="UAP",
        about="noise that raises the loss of a model trained on clean pairs, for the image's own captions (UAP)",
        colour="#4aa3d8",
        noise="adversarial",
    ),
    Recipe(
        name="codebook",
        kind="method",
        label="Codebook of gratings and words",
        about="a grating and trigger words for each topic of the captions, no surrogate",
        colour="#7a4fc0",
        noise="codebook",
        trigger="topic",
        chooses_trigger=True,
    ),
    Recipe(
        name="mark",
        kind="method",
        label="Mark",
        about="random words and a soft tint of its own for each image, made to be found in a model; no surrogate",
        colour="#8c4a2f",
        noise="tint",
        trigger="random",
        chooses_trigger=True,
    ),
    Recipe(
        name="random-noise",
        kind="control",
        label="Random noise",
        about="uniform random noise within the budget",
        isolates="as large, not optimised, no trigger words",
        colour="#8a7a00",
        noise="random",
    ),
    Recipe(
        name="random-trigger",
        kind="control",
        label="Random trigger words",
        about="random words of its own for each image, no noise",
        isolates="each image its own, not optimised, no noise",
        colour="#d99100",
        trigger="random",
    ),
    Recipe(
        name="constant-trigger",
        kind="control",
        label="Constant trigger words",
        about="the same neutral words in every caption, no noise",
        isolates="the same words in every caption: a mere shift of positions, or the mere loss of others",
        colour="#727a86",
        trigger="constant",
    ),
    Recipe(
        name="noise-only",
        kind="control",
        label="MEM's noise only",
        about="MEM with its trigger left out",
        isolates="what is left when the trigger words are dropped",
        colour="#00916b",
        noise="optimised",
        trigger="optimised",
        shuffles_captions=True,
        publishes_trigger=False,
        fitted_as=MEM,
    ),
    Recipe(
        name="trigger-only",
        kind="control",
        label="MEM's trigger words only",
        about="MEM with its noise left out",
        isolates="the optimised trigger words without the noise",
        colour="#b8609a",
        noise="optimised",
        trigger="optimised",
        shuffles_captions=True,
        publishes_noise=False,
        fitted_as=MEM,
    ),
)
METHODS = {row.name: row for row in _ROWS}


def without_noise(name: str) -> str | None:
    """The row that shows what a method's noise adds: the one with its words alone, or clean where there are no words.

    None for a method without noise, and for one whose noise and words nothing tells apart: over clean pairs its words
    would count as noise.
    """
    method = METHODS[name]
    if not method.adds_noise:
        return None
    if not method.adds_trigger:
        return CLEAN
    return next((row.name for row in METHODS.values() if _words_alone(row, method)), None)


def _words_alone(row: Recipe, method: Recipe) -> bool:
    left_out = row.fitted_as == method.name and not row.publishes_noise
    return left_out or (row.noise == "none" and row.trigger == method.trigger)


def _in_table(name: Any) -> Any:
    if name not in list(METHODS):
        raise ValueError(f"expected a method out of {', '.join(METHODS)}, got {name!r}{meant(name, METHODS)}")
    return name


def _list_methods(schema: dict[str, Any]) -> None:
    schema["enum"] = list(METHODS)
    schema["description"] = "; ".join(f"{row.name}: {row.about}" for row in METHODS.values())


# The name of a row, looked up when it is checked and listed when a form is drawn: the table may have grown since.
Method = Annotated[str, BeforeValidator(_in_table), Field(json_schema_extra=_list_methods)]
