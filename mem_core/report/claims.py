"""What may be claimed: the one rule of every table, verdict, page, certificate and command.

A claim about protection takes all that `missing_for` asks for: enough test images, an interval, the last and the best
epoch, plain and prefixed queries, and a clean victim trained alike that shows what there was to learn. What lacks
something is shown and claimed nothing about. A claim about a method takes its controls as well (`missing_controls`);
the control of an attack is the clean victim after the same one.

Of a training set's two epochs the best counts, chosen on held-out clean pairs: it is the one that a trainer keeps.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from mem_core.common.formatting import counted
from mem_core.config import Frozen, Method, fingerprint
from mem_core.config.methods import METHODS
from mem_core.report.intervals import AtEpoch, Sampled, percent
from mem_core.victim.config import VictimConfig
from mem_core.victim.metrics import RetrievalResult
from mem_core.victim.result import Evaluation

FEWEST_IMAGES = 200
TOO_WEAK = 0.7  # a clean victim this near to chance cannot show what protection takes away
_SAME = 0.01  # samples that could not be protected may be missing from one of two corpora


class Trained(Frozen):
    """How one victim was trained. settings: a fingerprint of those that have to be equal; pairs: image or pair, what
    the corpus has a sample for; "" where it is not known."""

    samples: int
    steps: int
    settings: str = ""
    pairs: str = ""


def how_trained(config: VictimConfig, samples: int, steps: int, pairs: str = "") -> Trained:
    """Of a victim's settings those count that decide its weights; the number of pairs asked for shows in `samples`."""
    settings = config.model_dump(mode="json", exclude={"samples", "evaluate_every"})
    return Trained(samples=samples, steps=steps, settings=fingerprint(settings), pairs=pairs)


@dataclass(frozen=True)
class Victims:
    """The victims of one training set. best: None unless each of them was queried at its best epoch, too.

    tested_on: the fingerprints of their test corpora, where they are known.
    """

    chance: RetrievalResult
    last: AtEpoch
    best: AtEpoch | None = None
    trained: tuple[Trained, ...] = ()
    tested_on: tuple[str, ...] = ()

    @property
    def counting(self) -> AtEpoch:
        """What a trainer has: the best epoch, and the last one where no best is known."""
        return self.best or self.last

    @property
    def share(self) -> Sampled | None:
        """The share of chance that counts."""
        return self.counting.share(self.chance)


def victims_of(evaluations: Sequence[Evaluation], trained: Sequence[Trained] = ()) -> Victims:
    """The victims behind some evaluations, one or more."""
    best = [one.best for one in evaluations if one.best is not None]
    return Victims(
        chance=evaluations[0].chance,
        last=AtEpoch(tuple(one.bare for one in evaluations), tuple(one.prefixed for one in evaluations)),
        best=AtEpoch(tuple(one.bare for one in best), tuple(one.prefixed for one in best))
        if len(best) == len(evaluations)
        else None,
        trained=tuple(trained),
        tested_on=tuple(sorted({one.tested_on for one in evaluations} - {""})),
    )


def missing_for(protected: Victims, clean: Victims | None, *, alike: bool = True) -> tuple[str, ...]:
    """What a claim about protection lacks, a clause each; nothing: it may be made.

    clean: the victims of clean pairs beside them. alike: whether those have to be trained on as many pairs; a clean
    victim that a trainer has in place of a mix is trained on the clean part of it.
    """
    lacks = [*_lacks_of_test(protected, "victim")]
    if clean is None or clean.share is None:
        return (*lacks, "no clean victim was trained beside it")
    lacks += [lack for lack in _lacks_of_test(clean, "clean victim") if lack not in lacks]
    ours, theirs = (one.chance.image_to_text for one in (protected, clean))
    if (ours.queries, ours.items) != (theirs.queries, theirs.items):
        lacks.append(
            f"the clean victim was queried on other pairs ({theirs.queries:,} images with {theirs.items:,} captions, "
            f"not {ours.queries:,} with {ours.items:,})"
        )
    elif protected.tested_on and clean.tested_on and protected.tested_on != clean.tested_on:
        lacks.append("the clean victim was queried on other pairs, though as many")
    lacks += unlike(protected.trained, clean.trained, alike=alike)
    if clean.share.value >= TOO_WEAK:
        lacks.append(f"the clean victim is itself near chance (median rank at {percent(clean.share.value)} of chance)")
    return tuple(lacks)


def _lacks_of_test(victims: Victims, who: str) -> list[str]:
    images, lacks = victims.chance.image_to_text.queries, []
    if images < FEWEST_IMAGES:
        lacks.append(f"there are only {counted(images, 'test image')}, and a claim takes {FEWEST_IMAGES}")
    if victims.share is not None and victims.share.draws is None:
        lacks.append(f"the evaluation of the {who} has no bootstrap draws and so no interval (evaluate it again)")
    if victims.best is None:
        lacks.append(f"the best epoch of the {who} is not known (it was trained without validation pairs)")
    if not victims.last.prefixed:
        lacks.append(f"the {who} was not asked prefixed queries")
    return lacks


def unlike(
    ours: Sequence[Trained], theirs: Sequence[Trained], who: str = "clean victim", *, alike: bool = True
) -> list[str]:
    """How the training of other victims differs from ours; alike: whether it has to have as many pairs."""
    if not ours or not theirs:
        return [f"it is not known how the {who} was trained"]
    lacks, (one, other) = [], (ours[0], theirs[0])
    if one.pairs != other.pairs:
        lacks.append(f"the {who} has a sample for each {other.pairs or 'image'}, not for each {one.pairs or 'image'}")
    if alike and not _as_many(one.samples, other.samples):
        lacks.append(f"the {who} was trained on {other.samples:,} pairs, not on {one.samples:,}")
    if not _as_many(one.steps, other.steps):
        lacks.append(f"the {who} was trained for {other.steps:,} steps, not for {one.steps:,}")
    if {each.settings for each in ours} != {each.settings for each in theirs}:
        lacks.append(f"the {who} was trained with other settings")
    return lacks


def _as_many(one: int, other: int) -> bool:
    return abs(one - other) <= _SAME * max(one, other)


def missing_controls(method: Method, controls: Collection[Method]) -> tuple[str, ...]:
    """Which controls a claim about a method lacks. Trigger words alone do much: what they do has to stand beside it."""
    own, rows = METHODS[method], [METHODS[control] for control in controls]
    if own.adds_trigger and not any(
        row.adds_trigger and row.trigger != "constant" and not row.adds_noise for row in rows
    ):
        return ("no control with trigger words but without noise was trained alike",)
    return () if rows else ("no control was trained alike",)


def no_verdict(missing: Sequence[str]) -> str:
    """The sentence in place of a claim."""
    return f"No verdict: {'; '.join(missing)}."


def unjudged(tests: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """(label, what it lacks) of tests -> labels of those that cannot be judged for the same reason -> that reason."""
    labels: dict[str, list[str]] = {}
    for label, missing in tests:
        if missing:
            labels.setdefault("; ".join(missing), []).append(label)
    return {"; ".join(names): why for why, names in labels.items()}


def can_be_judged(judged: int, tests: int) -> str:
    """How many of the tests may be claimed something about."""
    return f"{judged} of {counted(tests, 'test')} can be judged"
