"""The attacks of the suites: each a row of data, some countermeasures and changes of a victim's settings.

Suites are in the order in which attacks were found to matter, so that a run that is stopped early has told the most.
"""

from typing import Any, Literal

from pydantic import Field

from mem_core.config import Frozen, Placement, merge
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures import AnyCountermeasure, clean_pairs, images, words
from mem_core.victim.record import Kept

Suite = Literal["default", "full"]
AS_PUBLISHED, STOP_EARLY = "as-published", "stop-early"


class Attack(Frozen):
    """One row of the table. changes: laid on the victim's settings. epochs, batch, rate: factors on the victim's own.

    control: the row whose clean victim shows what the attack itself costs; its own if it has one. reads: the row whose
    victims it looks at, at another epoch; it trains none. keeps: the epoch that the trainer of this row keeps.

    Its own clean victim takes the `control` of each countermeasure, for as many steps. That is the same attack, but
    where clean pairs are mixed in. Whoever has those can train on only them: a mix is compared with
    that, not with a victim of clean pairs that the trainer does not have.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    label: str
    countermeasures: tuple[AnyCountermeasure, ...] = ()
    changes: dict[str, Any] = Field(default_factory=dict)
    epochs: float = 1.0
    batch: float = 1.0
    rate: float = 1.0
    control: str = ""
    reads: str = ""
    keeps: Kept = "best"

    @property
    def of_victims(self) -> str:
        """The row whose victims it looks at, its own but for a row that trains none."""
        return self.reads or self.name

    def victim(self, base: VictimConfig, samples: int | None, *, clean: bool = False) -> VictimConfig:
        """The settings of this attack's victims; clean: of those that it is compared with."""
        own = [one.control if clean else one for one in self.countermeasures]
        values = merge(base.model_dump(), self.changes) | {
            "countermeasures": [*base.countermeasures, *own],
            "epochs": max(1, round(base.epochs * self.epochs)),
            "batch_size": max(2, round(base.batch_size * self.batch)),
            "learning_rate": min(1.0, base.learning_rate * self.rate),
            "samples": samples,
            "evaluate_every": 0,
        }
        return VictimConfig.model_validate(values)


def suite(
    name: Suite, trigger_length: int, purifier: str, pretrained: str = "", placement: Placement = "front"
) -> list[Attack]:
    """The attacks of a suite on a corpus with triggers of this length, put there.

    A trainer drops so many words where the trigger stands: the first, or the last of captions that have it at the end.
    Where it stands anywhere the first are dropped, and the last in a row of its own: both cost the captions' own words.
    purifier: the file that the autoencoder's weights are in, once it is fitted. pretrained: weights for a victim that
    does not start from nothing; without them that row is left out.
    """
    attacks = _most_telling(max(1, trigger_length), purifier, placement)
    return attacks if name == "default" else attacks + _further(pretrained)


def _dropped(which: str, length: int) -> str:
    return f"{which} word dropped" if length == 1 else f"{which} {length} words dropped"


def _most_telling(length: int, purifier: str, placement: Placement) -> list[Attack]:
    first, last, blur = words.StripFirst(words=length), words.StripLast(words=length), images.GaussianBlur(sigma=1.0)
    strip, which = (last, "last") if placement == "end" else (first, "first")
    also_last = Attack(name="strip-last", label=_dropped("last", length), countermeasures=(last,))
    return [
        Attack(name=AS_PUBLISHED, label="as published, last epoch", keeps="last"),
        Attack(name=STOP_EARLY, label="as published, best epoch kept", reads=AS_PUBLISHED),
        Attack(name="strip", label=_dropped(which, length), countermeasures=(strip,)),
        *([also_last] if placement == "inside" else []),
        Attack(
            name="recaption", label="re-captioned", countermeasures=(clean_pairs.Recaption(),), control=AS_PUBLISHED
        ),
        Attack(name="keep-common", label="rare words dropped", countermeasures=(words.KeepCommon(),)),
        Attack(name="strip-blur", label=f"{_dropped(which, length)}, blurred", countermeasures=(strip, blur)),
        Attack(
            name="finetune-clean",
            label="fine-tuned on 10 % clean pairs (CleanCLIP)",
            changes={"finetune": {"share": 0.1, "epochs": 5}},
        ),
        Attack(name="mix-50", label="half of the pairs clean", countermeasures=(clean_pairs.MixClean(protected=0.5),)),
        Attack(
            name="autoencoder",
            label="purified by an autoencoder",
            countermeasures=(images.Autoencoder(weights=purifier),),
        ),
        Attack(name="down-up", label="half the size and back", countermeasures=(images.DownUp(factor=0.5),)),
        Attack(name="blur", label="Gaussian blur, sigma 1", countermeasures=(blur,)),
        Attack(name="img2dataset", label="img2dataset's defaults", countermeasures=(images.Img2dataset(),)),
        Attack(name="jpeg-75", label="JPEG 75, 4:2:0", countermeasures=(images.Jpeg(quality=75),)),
    ]


def _further(pretrained: str) -> list[Attack]:
    shares = [
        Attack(
            name=f"mix-{share}",
            label=f"{share} % of the pairs protected",
            countermeasures=(clean_pairs.MixClean(protected=share / 100),),
        )
        for share in (10, 25, 75, 90)
    ]
    start = Attack(name="pretrained", label="from pretrained weights", changes={"pretrained": pretrained})
    return [
        *([start] if pretrained else []),
        *shares,
        Attack(name="shuffle-words", label="words of a caption shuffled", countermeasures=(words.ShuffleWords(),)),
        Attack(name="drop-words", label="30 % of the words dropped", countermeasures=(words.DropWords(),)),
        Attack(name="crop", label="random crops of 40 to 100 %", changes={"crop_scale": (0.4, 1.0)}),
        Attack(name="flip", label="half of the pictures mirrored", countermeasures=(images.Flip(),)),
        Attack(name="jpeg-30", label="JPEG 30, 4:2:0", countermeasures=(images.Jpeg(quality=30),)),
        Attack(name="jpeg-50", label="JPEG 50, 4:2:0", countermeasures=(images.Jpeg(quality=50),)),
        Attack(name="jpeg-90", label="JPEG 90, 4:2:0", countermeasures=(images.Jpeg(quality=90),)),
        Attack(name="webp-80", label="WebP 80", countermeasures=(images.WebP(quality=80),)),
        Attack(name="median", label="median of 3 x 3", countermeasures=(images.MedianBlur(size=3),)),
        Attack(name="bilateral", label="bilateral filter", countermeasures=(images.Bilateral(),)),
        Attack(name="grey", label="no colour", countermeasures=(images.Grey(),)),
        Attack(name="bits-4", label="4 bits a channel", countermeasures=(images.BitDepth(bits=4),)),
        Attack(name="longer", label="three times the epochs", epochs=3.0),
        Attack(name="large-batch", label="four times the batch", batch=4.0),
        Attack(name="rate-low", label="a third of the learning rate", rate=1 / 3),
        Attack(name="rate-high", label="three times the learning rate", rate=3.0),
        Attack(name="vit", label="a small vision transformer", changes={"architecture": "tiny-vit"}),
    ]
