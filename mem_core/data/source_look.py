"""What a source would be read as, before anything is written: format, splits, samples, what fails and what is left out.

One pass in bounded memory that decodes no picture and, where a picture is a file of its own, reads none.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mem_core.common.formatting import counted
from mem_core.common.progress import Progress, silent
from mem_core.common.reasons import Code
from mem_core.data.already import protected_already
from mem_core.data.readers import FormatReader, RawSample
from mem_core.data.readers.base import Detected, NoImage
from mem_core.data.sharding.candidate import caption_trouble
from mem_core.data.texts import has_words

_SAMPLES = 3
_SHOWN = 80  # characters of a caption


@dataclass
class Reasons:
    """How often each code came, and an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, example: str) -> None:
        self.counts[code] += 1
        self.examples.setdefault(code, example)

    def lines(self, what: str) -> Iterator[str]:
        for code, count in sorted(self.counts.items()):
            yield f"{what}: {count:,} {code}, as {self.examples[code]}"


@dataclass
class SourceLook:
    """images, captions: of each split, usable as far as can be told without decoding. samples: some, with the first
    caption. whole: whether all of the source was gone through."""

    found: Detected
    images: Counter[str] = field(default_factory=Counter)
    captions: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[str, str]] = field(default_factory=list)
    failed: Reasons = field(default_factory=Reasons)
    left_out: Reasons = field(default_factory=Reasons)
    whole: bool = True

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"format: {self.found.format}, {self.found.reason}"
        yield from (f"note: {note}" for note in self.found.notes)
        for split in sorted(self.images):
            yield f"{split}: {counted(self.images[split], 'image')}, {counted(self.captions[split], 'caption')}"
        yield from (f"sample: {name}: {caption}" for name, caption in self.samples)
        yield from self.failed.lines("fails")
        yield from self.left_out.lines("left out")
        if self.whole and not self.images:
            yield "nothing could be published: sharding would refuse this source"
        if not self.whole:
            yield "only the first images were counted, as a limit was given"


def look_at_source(reader: FormatReader, limit: int | None = None, progress: Progress = silent) -> SourceLook:
    """Goes through a source once. limit: stop after so many images. Raises `SourceError` as reading it would.

    Images that `shard` would hold out for validation or test are counted where the source has them; what no split is
    named for is train.
    """
    seen = SourceLook(reader.found)
    for number, raw in enumerate(reader):
        if number == limit:
            seen.whole = False
            break
        _count(seen, raw, accept=reader.config.protected == "accept")
        if number % 1000 == 999:
            progress(number + 1, 0, "images counted")
    for one in reader.left_out:
        seen.left_out.add(f"{one.code} {one.what}{'s' * (one.code == 'side-file')}", one.name)
    return seen


def _count(seen: SourceLook, raw: RawSample, *, accept: bool) -> None:
    reason = _trouble(raw, accept=accept)
    if reason is not None:
        seen.failed.add(reason[0], f"{raw.name}: {reason[1]}")
        return
    captions = [caption for caption in raw.captions if has_words(caption)]
    split = raw.split or "train"
    seen.images[split] += 1
    seen.captions[split] += len(captions)
    for _ in raw.captions[len(captions) :]:
        seen.left_out.add("empty-caption caption", raw.name)
    if len(seen.samples) < _SAMPLES:
        caption = " ".join(captions[0].split())
        seen.samples.append((raw.name, caption if len(caption) <= _SHOWN else caption[:_SHOWN] + "..."))


def _trouble(raw: RawSample, *, accept: bool) -> tuple[Code, str] | None:
    """Why the sample cannot be used, as far as can be told without its picture, in the order in which `shard` looks."""
    if raw.problem:
        return raw.code, raw.problem
    if trouble := caption_trouble(raw.captions):
        return trouble
    if isinstance(raw.image, NoImage):
        return raw.image.code, raw.image.reason
    twice = "" if accept else protected_already(b"", raw.metadata, "corpus.protected")
    return ("protected-already", twice) if twice else None
