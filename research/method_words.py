"""Which words, put where, keep a victim from learning what captions say? Trials in memory, half a minute each.

python -m research.method_words --clean CORPUS/train --test CORPUS/test --out words.jsonl [--only NAME] [--seed 1]

Model, schedule and images are those of `research.method_codes`. Words of an image's own identify it; words of its
topic say what its captions say too. Where images wear waves, there is one for each topic: the eight of
`research.method_codes`, others, or those of other topics. The words: whole tokens of the trigger vocabulary, frequent
ones of those, or content words of the corpus's own captions. --seed: of the victim.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Literal

import torch
from torch import Tensor

from research.method_codes import (
    GREY,
    MAGENTA,
    MODEL,
    Pairs,
    both_queries,
    clusters,
    content_words,
    meanings,
    run_trials,
    train,
    with_patterns,
)
from research.method_codes import waves as square_waves
from mem_core.common.rng import generator
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import TriggerConfig, ViewConfig
from mem_core.models import build_model, tokenizer_for
from mem_core.models.token_rows import CaptionTokens
from mem_core.perturb.codebook import learn_topics
from mem_core.perturb.vocabulary import build_vocabulary
from mem_core.victim.countermeasures.base import Countermeasure
from mem_core.victim.countermeasures.images import DownUp, GaussianBlur, Jpeg
from mem_core.victim.countermeasures.words import frequent_words

RED, YELLOW = (-1.0, 1.0, 1.0), (1.0, 1.0, -1.0)  # cyan against red, yellow against blue
THREE_COLOURS = (RED, YELLOW, MAGENTA)
ATTACKS = {"as JPEG 75": Jpeg(quality=75), "blurred": GaussianBlur(sigma=1.0), "half the size": DownUp(factor=0.5)}
Colour = tuple[float, float, float]
Source = Literal["vocabulary", "frequent", "captions"]


@dataclass(frozen=True)
class Waves:
    """count square waves over an image, in four directions and these colours, for so many topics.

    finer: so many times as many waves for the topics that are left, once each colour has its four.
    learned: topics as `method: codebook` learns them; else the clusters of `research.method_codes`.
    """

    topics: int = 8
    colours: tuple[Colour, ...] = (GREY, MAGENTA)
    count: float = 11
    finer: float = 1.6
    learned: bool = False


@dataclass(frozen=True)
class Words:
    """One trial. topic: words of the topic, drawn for each image out of so many; 0: out of all, of the image's own.
    own: so many more of the image's own behind those, in front.

    front: how many of the `count` stand in front, the others at random places in each caption; replace: in place of
    content words. half: every second image and its captions stay clean. attack: what the trainer does to images.
    """

    name: str
    count: int = 3
    source: Source = "vocabulary"
    topic: int = 0
    own: int = 0
    front: int = 3
    replace: bool = False
    waves: Waves | None = None
    stripped: bool = False
    half: bool = False
    attack: Countermeasure | None = None
    epochs: int = 6


FIRST = Waves()


def _coloured() -> Iterator[Words]:
    """Waves in colour, each topic with a word; then how long they last."""
    looks = {
        "two colours": Waves(colours=(RED, YELLOW)),
        "grey and yellow": Waves(colours=(GREY, YELLOW)),
        "grey and red": Waves(colours=(GREY, (1.0, -1.0, -1.0))),
        "magenta and red": Waves(colours=(MAGENTA, (1.0, -1.0, -1.0))),
        "12 topics, three colours": Waves(12, THREE_COLOURS),
        "16 topics, three colours and grey": Waves(16, (*THREE_COLOURS, GREY)),
        "8 learned topics, two colours": Waves(8, (RED, YELLOW), learned=True),
        "8 learned topics, two colours, 8 waves": Waves(8, (RED, YELLOW), 8, learned=True),
    }
    learned = {n: Waves(12, THREE_COLOURS, n, learned=True) for n in (11, 9, 8, 6, 4)}
    looks |= {f"12 learned topics, three colours, {n} waves": waves for n, waves in learned.items()}
    for name, waves in looks.items():
        yield Words(name, count=1, topic=1, waves=waves)
    for name in ("two colours", "12 topics, three colours"):
        yield Words(f"{name}, no words", count=0, waves=looks[name])
        yield Words(f"{name}, 18 epochs", count=1, topic=1, waves=looks[name], epochs=18)
        yield Words(f"{name}, no words, 18 epochs", count=0, waves=looks[name], epochs=18)
        yield Words(f"{name}, half of the pairs clean", count=1, topic=1, waves=looks[name], half=True)
    for done, attack in ATTACKS.items():
        for n in (11, 8, 6):
            name = f"12 learned topics, three colours, {n} waves, {done}"
            yield Words(name, count=1, topic=1, waves=learned[n], attack=attack)


def _in_place() -> Iterator[Words]:
    """Words of the topic in place of the caption's own, so that a trainer who drops words drops the caption's too."""
    for count, many in ((1, "a word"), (2, "two words"), (3, "three words")):
        yield Words(f"waves, {many} of the topic in place", count=count, topic=1, replace=True, waves=FIRST)
        yield Words(f"waves, {many} of the topic in place, frequent", count, "frequent", 1, replace=True, waves=FIRST)
    for count, many in ((1, "a word"), (2, "two words")):
        yield Words(f"waves, {many} out of captions in place", count, "captions", 1, replace=True, waves=FIRST)
    three = Words("", source="frequent", topic=1, replace=True, waves=FIRST)
    yield replace(three, name="three frequent words of the topic in place, no waves", waves=None)
    yield replace(three, name="waves, three frequent words of the topic in place, stripped", stripped=True)
    spoken = {"frequent": "frequent words of the topic", "captions": "words out of captions"}
    looks = {
        "waves": FIRST,
        "8 waves": Waves(count=8),
        "6 waves": Waves(count=6),
        "6 and 9 grey waves": Waves(colours=(GREY,), count=6, finer=1.5),
        "8 and 12 grey waves": Waves(colours=(GREY,), count=8, finer=1.5),
    }
    for (look, waves), (source, said), (done, attack) in product(
        looks.items(), spoken.items(), (("untouched", None), *ATTACKS.items())
    ):
        name = f"{look}, three {said} in place, {done}"
        yield replace(three, name=name, source=source, waves=waves, attack=attack)


TRIALS = (
    Words("clean", count=0),
    Words("own words in front"),
    Words("own words inside", front=0),
    Words("own words out of captions, in front", source="captions"),
    Words("own words out of captions, inside", source="captions", front=0),
    Words("own words out of captions, in place of others", source="captions", replace=True),
    Words("waves alone", count=0, waves=FIRST),
    Words("a word of the topic, no waves", count=1, topic=1),
    Words("waves, a word of the topic", count=1, topic=1, waves=FIRST),
    Words("waves, a word of the topic, half of the pairs clean", count=1, topic=1, waves=FIRST, half=True),
    Words("waves, three words of the topic", topic=1, waves=FIRST),
    Words("waves, three of sixteen words of the topic", topic=16, waves=FIRST),
    Words("waves, a word of the topic and two own ones", count=1, topic=1, own=2, waves=FIRST),
    Words("waves, three words of the topic and two own ones", topic=1, own=2, front=5, waves=FIRST),
    Words("waves, a frequent word of the topic inside", count=1, source="frequent", topic=1, front=0, waves=FIRST),
    Words("waves, three frequent words of the topic inside", source="frequent", topic=1, front=0, waves=FIRST),
    Words("the same, stripped", source="frequent", topic=1, front=0, waves=FIRST, stripped=True),
    Words("waves, three of sixteen frequent words inside", source="frequent", topic=16, front=0, waves=FIRST),
    *_in_place(),
    *_coloured(),
)


def words_of(source: Source, pairs: Pairs, vocabulary: Sequence[str]) -> list[str]:
    """The words that a trial draws from, in alphabetical order."""
    if source == "captions":
        found = Counter(word for many in pairs.captions for one in many for word in content_words(one))
        return sorted(word for word, times in found.items() if times >= 20)
    return sorted(set(vocabulary) & frequent_words(10_000)) if source == "frequent" else sorted(vocabulary)


def worded(trial: Words, pairs: Pairs, topics: Tensor, vocabulary: Sequence[str]) -> list[list[str]]:
    """The captions with the trial's words in them."""
    words = words_of(trial.source, pairs, vocabulary)
    order = torch.randperm(len(words), generator=generator(0, "pools")).tolist()
    changed = []
    for i, captions in enumerate(pairs.captions):
        pool = words
        if trial.topic:
            first = int(topics[i]) * trial.topic * trial.count
            pool = [words[place] for place in order[first : first + trial.topic * trial.count]]
        chosen = _drawn(pool, trial, i)
        if trial.own:
            own = torch.randint(len(words), (trial.own,), generator=generator(0, "own", i))
            chosen = [*chosen, *(words[place] for place in own.tolist())]
        changed.append([_placed(one, chosen, trial, f"{i} {n}") for n, one in enumerate(captions)])
    return changed


def _drawn(pool: Sequence[str], trial: Words, image: int) -> list[str]:
    if trial.topic == 1:
        return list(pool)
    places = torch.randint(len(pool), (trial.count,), generator=generator(0, "drawn", image))
    return [pool[place] for place in places.tolist()]


def _placed(caption: str, chosen: Sequence[str], trial: Words, key: str) -> str:
    rest, draw = caption.split(), generator(0, "placed", key)
    if trial.replace:
        spots = [i for i, word in enumerate(rest) if content_words(word)]
        order = torch.randperm(len(spots), generator=draw).tolist()
        for place, word in zip(order, chosen, strict=False):
            rest[spots[place]] = word
        return " ".join(rest[3:] if trial.stripped else rest)
    for word in chosen[trial.front :]:
        rest.insert(int(torch.randint(len(rest) + 1, (1,), generator=draw)), word)
    rest = [*chosen[: trial.front], *rest]
    return " ".join(rest[3:] if trial.stripped else rest)


def _half_clean(pairs: Pairs, pixels: Tensor, captions: list[list[str]]) -> tuple[Tensor, list[list[str]]]:
    odd = (torch.arange(len(pixels)) % 2).bool()
    mixed = torch.where(odd.view(-1, 1, 1, 1), pixels, pairs.pixels)
    return mixed, [changed if i % 2 else list(pairs.captions[i]) for i, changed in enumerate(captions)]


def treated(pixels: Tensor, chosen: Sequence[Countermeasure | None]) -> Tensor:
    """uint8 [N, 3, H, W], each as its countermeasure leaves it."""
    found = [
        one if what is None else torch.from_numpy(what.image(one.permute(1, 2, 0).numpy(), Random(0))).permute(2, 0, 1)
        for one, what in zip(pixels, chosen, strict=True)
    ]
    return torch.stack(found)


class Bench:
    """The corpus, what its captions are about, and the words that there are."""

    def __init__(self, clean: LocalFolder, test: LocalFolder) -> None:
        self.pairs, self.test = Pairs.of(clean), Pairs.of(test)
        self.tokenizer = tokenizer_for(build_model(MODEL, 0))
        ids = build_vocabulary(self.tokenizer, TriggerConfig()).ids.tolist()
        self.vocabulary = [self.tokenizer.spelling(token).removesuffix("</w>") for token in ids]
        self.meaning = meanings(self.pairs.captions)

    def topics(self, waves: Waves) -> Tensor:
        """int64 [N]."""
        if not waves.learned:
            return clusters(self.meaning, waves.topics)
        topics = learn_topics(self.pairs.captions, waves.topics, self.tokenizer, seed=0)
        return torch.tensor([topics.of(captions, self.tokenizer) for captions in self.pairs.captions])

    def worn(self, waves: Waves, topics: Tensor) -> Tensor:
        """The images uint8 [N, 3, H, W], each with the wave of its topic."""
        counts = (waves.count, waves.count * waves.finer)
        listed = [(count, angle, colour) for count in counts for colour in waves.colours for angle in (0, 45, 90, 135)]
        patterns = square_waves(listed, self.pairs.pixels.shape[-1])
        return with_patterns(self.pairs.pixels, patterns[topics])

    def run(self, trial: Words, seed: int) -> Iterator[dict[str, object]]:
        """One victim's line."""
        started = time.process_time()
        topics, pixels = self.topics(trial.waves or FIRST), self.pairs.pixels
        if trial.waves:
            pixels = self.worn(trial.waves, topics)
        captions = worded(trial, self.pairs, topics, self.vocabulary)
        if trial.attack:
            pixels = treated(pixels, [trial.attack] * len(pixels))
        if trial.half:
            pixels, captions = _half_clean(self.pairs, pixels, captions)
        tokens = CaptionTokens(captions, self.tokenizer.encode)
        schedule = argparse.Namespace(model=MODEL, epochs=trial.epochs, rate=2e-3, warm=30)
        model, losses = train(pixels, tokens, ViewConfig(), schedule, seed)
        yield {
            "name": trial.name,
            "seed": seed,
            "losses": losses,
            **both_queries(model, self.test, self.tokenizer),
            "seconds": round(time.process_time() - started),
        }


def main() -> None:
    run_trials("method_words", __doc__, TRIALS, lambda clean, test: Bench(clean, test).run)


if __name__ == "__main__":
    main()
