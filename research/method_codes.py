"""Which patterns, tied to what captions are about, does a victim learn? Trials in memory, half a minute of a core each.

python -m research.method_codes --clean CORPUS/train --test CORPUS/test --out codes.jsonl [--only NAME]

Model, schedule, crop and captions are those of the trials on photographs (`research.method_trials`), unless
--model, --epochs, --rate and --warm say otherwise; the images
never become files. A code sorts images by their captions and adds the pattern of its sort, at the full budget.
"""

import argparse
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from mem_core.common.rng import derived_seed, generator
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CENTRE, ViewConfig
from mem_core.data.corpus import list_shards
from mem_core.data.shard_cache import load_shard
from mem_core.models import OpenClipEncoder, Tokenizer, build_model, tokenizer_for
from mem_core.models.image_batch import PixelBatch, seen_at_centre
from mem_core.models.token_rows import CaptionTokens, batches
from mem_core.models.training import make_optimizer, set_rate, training_step
from mem_core.victim.retrieval import retrieve

MODEL = "docs/results/method/photographs-model.json"
CPU = torch.device("cpu")
_STOP = (
    "a an the in on of and is are with to at by his her their its it he she they two three some while has have as from "
    "for into up down out over near through one other another that there this who being be off next behind front"
)
STOP = frozenset(_STOP.split())
GREY, MAGENTA = (1.0, 1.0, 1.0), (1.0, -1.0, 1.0)
ALL_COLOURS = (GREY, (1.0, -1.0, 0.0), (1.0, 1.0, -1.0), MAGENTA, (-1.0, 1.0, 1.0))
NO_GREY = ((1.0, -1.0, 0.0), (0.0, 1.0, -1.0), (1.0, 0.0, -1.0), MAGENTA, (-1.0, 1.0, 1.0))


class Named(Protocol):
    """A trial, as the command line asks for it."""

    @property
    def name(self) -> str: ...


Trial = TypeVar("Trial", bound=Named)


@dataclass(frozen=True)
class Pairs:
    """pixels: uint8 [N, 3, H, W], all of one size."""

    pixels: Tensor
    captions: Sequence[Sequence[str]]

    @classmethod
    def of(cls, folder: LocalFolder) -> "Pairs":
        shards = [load_shard(folder, name, max_pixels=2**40) for name in list_shards(folder)]
        pixels = [shard.pixels(i) for shard in shards for i in range(len(shard.samples))]
        return cls(torch.stack(pixels), [sample.captions for shard in shards for sample in shard.samples])


@dataclass(frozen=True)
class Code:
    """sorts: which sort each image is, [N] or several of them; patterns: -1..1, one for each sort; levels: budget."""

    name: str
    sorts: Callable[[Tensor], Sequence[Tensor]]
    patterns: Callable[[], Sequence[Tensor]]
    levels: int = 8
    centre: bool = False


def meanings(captions: Sequence[Sequence[str]]) -> Tensor:
    """[N, 64]: the captions' words weighted by rarity, in the 64 directions that say most."""
    own = [Counter(stem(word) for one in many for word in sorted(content_words(one))) for many in captions]
    found = Counter(word for words in own for word in words)
    place = {word: i for i, (word, times) in enumerate(found.most_common()) if times >= 8}
    rows = torch.zeros(len(own), len(place))
    for row, words in zip(rows, own, strict=True):
        for word in words.keys() & place.keys():
            row[place[word]] = words[word] / 5
    rarity = torch.tensor([math.log(len(own) / found[word]) for word in place])
    torch.manual_seed(67_280_421_310_721)  # torch's own default, which the committed lines were made with
    left, sizes, _ = torch.svd_lowrank(normalize(rows * rarity, dim=1), 72, niter=4)
    return (left * sizes)[:, :64]


def content_words(caption: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", caption.lower()) if word not in STOP and len(word) > 1}


def stem(word: str) -> str:
    for ending in ("ing", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def clusters(meaning: Tensor, count: int) -> Tensor:
    """Spherical k-means: which cluster each image is in."""
    points = normalize(meaning, dim=1)
    centres = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:count]]
    for _ in range(30):
        owner = (points @ centres.T).argmax(dim=1)
        means = [points[owner == k].mean(dim=0) if (owner == k).any() else centres[k] for k in range(count)]
        centres = normalize(torch.stack(means), dim=1)
    return (points @ centres.T).argmax(dim=1)


def merged(meaning: Tensor, topics: int, count: int) -> Tensor:
    """Clusters put together to fewer sorts of equal size, whatever they are about."""
    owner = clusters(meaning, topics)
    sizes, load, sort = torch.bincount(owner, minlength=topics), torch.zeros(count), torch.zeros(topics).long()
    for topic in sizes.argsort(descending=True):
        sort[topic] = load.argmin()
        load[sort[topic]] += sizes[topic]
    return sort[owner]


def residual(meaning: Tensor, *counts: int) -> list[Tensor]:
    """Clusters, then clusters of what the first ones leave unsaid."""
    found, rest = [], normalize(meaning, dim=1)
    for count in counts:
        centres = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(0))[:count]].clone()
        for _ in range(40):
            owner = torch.cdist(rest, centres).argmin(dim=1)
            means = [rest[owner == k].mean(dim=0) if (owner == k).any() else centres[k] for k in range(count)]
            centres = torch.stack(means)
        found.append(torch.cdist(rest, centres).argmin(dim=1))
        rest = rest - centres[found[-1]]
    return found


def waves(listed: Sequence[tuple[float, float, Sequence[float]]], side: int) -> Tensor:
    """Square waves [K, 3, S, S]: how many over the side, the angle in degrees, the colour."""
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    found = []
    for count, degrees, colour in listed:
        angle = math.radians(degrees)
        phase = 2 * math.pi * count / side * (x * math.cos(angle) + y * math.sin(angle)) + 0.3
        found.append(torch.tensor(colour).view(3, 1, 1) * torch.sin(phase).sign())
    return torch.stack(found)


def drawn_waves(count: int, low: float, high: float, side: int, colours: Sequence[Sequence[float]]) -> Tensor:
    """Square waves of random number, angle, phase and colour."""
    draw = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    found = []
    for _ in range(count):
        over = low + (high - low) * torch.rand(1, generator=draw)
        angle, phase = torch.rand(1, generator=draw) * math.pi, torch.rand(1, generator=draw) * 6.283
        colour = torch.tensor(colours[int(torch.randint(len(colours), (1,), generator=draw))])
        place = x * torch.cos(angle) + y * torch.sin(angle)
        found.append((colour.view(3, 1, 1) * torch.sin(2 * math.pi * over / side * place + phase)).sign())
    return torch.stack(found)


def blocks(count: int, size: int, side: int, tile: int = 0) -> Tensor:
    """Random colours in blocks of `size` pixels, over the whole image or on a tile that is repeated."""
    draw, places = torch.Generator().manual_seed(0), (tile or side) // size
    drawn = (torch.randint(0, 2, (count, 3, places, places), generator=draw) * 2 - 1).float()
    return interpolate(drawn, scale_factor=size).repeat(1, 1, side // (tile or side), side // (tile or side))


def codes(side: int) -> list[Code]:
    """All that were tried."""

    def topics(count: int) -> Callable[[Tensor], Sequence[Tensor]]:
        return lambda meaning: [clusters(meaning, count)]

    def plain(name: str, count: int, patterns: Callable[[], Tensor], **more: Any) -> Code:
        return Code(f"{count} topics, {name}", topics(count), lambda: [patterns()], **more)

    def both(counts: Sequence[float]) -> list[tuple[float, float, Sequence[float]]]:
        return [(n, angle, colour) for n in counts for colour in (GREY, MAGENTA) for angle in (0, 45, 90, 135)]

    def grey(counts: Sequence[float], colour: Sequence[float] = GREY) -> Tensor:
        return waves([(n, angle, colour) for n in counts for angle in (0, 45, 90, 135)], side)

    def drawn(count: int, low: float, high: float, colours: Sequence[Sequence[float]] = ALL_COLOURS) -> Tensor:
        return drawn_waves(count, low, high, side, colours)

    def shuffled(fine: int, count: int) -> Code:
        sorts: Callable[[Tensor], Sequence[Tensor]] = lambda meaning: [merged(meaning, fine, count)]  # noqa: E731
        return Code(f"{fine} topics merged to {count}, 11 waves", sorts, lambda: [waves(both([11]), side)])

    channels = [torch.tensor(one).view(3, 1, 1) for one in ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0))]
    return [
        plain("drawn waves 4-9, 32/255", 64, lambda: drawn(64, 4, 9), levels=32),
        plain("blocks of 4 px, 32/255", 64, lambda: blocks(64, 4, side), levels=32),
        plain("drawn waves 4-9", 64, lambda: drawn(64, 4, 9)),
        plain("drawn waves 8-12", 64, lambda: drawn(64, 8, 12)),
        plain("drawn waves 10-16", 64, lambda: drawn(64, 10, 16)),
        plain("drawn waves 4-9, no grey", 64, lambda: drawn(64, 4, 9, NO_GREY)),
        plain("drawn waves 8-14, no grey", 64, lambda: drawn(64, 8, 14, NO_GREY)),
        plain("drawn waves 8-14, no grey, victim without crop", 64, lambda: drawn(64, 8, 14, NO_GREY), centre=True),
        plain("blocks of 4 px", 64, lambda: blocks(64, 4, side)),
        plain("blocks of 2 px", 64, lambda: blocks(64, 2, side)),
        plain("tiles of 8 px, blocks of 2", 64, lambda: blocks(64, 2, side, 8)),
        plain("drawn waves 8-14, no grey", 16, lambda: drawn(16, 8, 14, NO_GREY)),
        plain("drawn waves 8-16", 16, lambda: drawn(16, 8, 16)),
        plain("8 and 13 waves", 16, lambda: torch.cat([grey([8, 13], colour) for colour in (GREY, MAGENTA)])),
        plain("tiles of 4 px", 16, lambda: blocks(16, 1, side, 4)),
        plain("tiles of 8 px, blocks of 2", 16, lambda: blocks(16, 2, side, 8)),
        plain("11 waves", 8, lambda: waves(both([11]), side)),
        plain("8 waves", 8, lambda: waves(both([8]), side)),
        plain("14 waves", 8, lambda: waves(both([14]), side)),
        plain("9 and 14 waves, grey", 8, lambda: grey([9, 14])),
        plain("11 waves, grey", 4, lambda: grey([11])),
        Code(
            "8 topics and 8 of what they leave, half the budget each",
            lambda meaning: residual(meaning, 8, 8),
            lambda: [grey([9, 14]) / 2, grey([9, 14], MAGENTA) / 2],
        ),
        Code(
            "8 topics in red and blue, 8 of what they leave in green",
            lambda meaning: residual(meaning, 8, 8),
            lambda: [grey([9, 14]) * colour for colour in channels],
        ),
        *(shuffled(fine, count) for fine, count in ((16, 4), (32, 4), (16, 8), (32, 8), (64, 8))),
    ]


def worn(pairs: Pairs, code: Code, meaning: Tensor) -> Tensor:
    """The images uint8 [N, 3, H, W] with the code's patterns on them."""
    added = sum(own[sort] for own, sort in zip(code.patterns(), code.sorts(meaning), strict=True))
    return with_patterns(pairs.pixels, torch.as_tensor(added), code.levels)


def with_patterns(pixels: Tensor, patterns: Tensor, levels: int = 8) -> Tensor:
    """uint8 [N, 3, H, W], with patterns -1..1 of that size laid on at so many levels."""
    return (pixels.to(torch.int16) + (patterns * levels).round().to(torch.int16)).clamp(0, 255).to(torch.uint8)


def train(
    pixels: Tensor, captions: CaptionTokens, views: ViewConfig, to: Any, seed: int = 0
) -> tuple[OpenClipEncoder, list[float]]:
    """A victim with the arguments' model and schedule. Returns it, frozen, and the mean loss of each epoch."""
    model = build_model(to.model, derived_seed(seed, "victim")).train().requires_grad_(True)
    optimizer = make_optimizer(model, to.rate, 0.2)
    total, step, losses = to.epochs * math.ceil(len(pixels) / 128), 0, []
    for epoch in range(to.epochs):
        draw, own = generator(seed, "victim", epoch), []
        for places in batches(len(pixels), 128, draw):
            batch = PixelBatch([pixels[i] for i in places], None, CPU)
            images = batch.look(batch.draw_views(views, model.image_size, draw))
            set_rate(optimizer, to.rate, step, total, to.warm)
            loss, _, _ = training_step(model, optimizer, images, captions.draw(places, draw), torch.float32)
            own.append(loss.item())
            step += 1
        losses.append(round(sum(own) / len(own), 3))
    return model.freeze(), losses


@torch.no_grad()
def median_ranks(model: OpenClipEncoder, test: Pairs, tokenizer: Tokenizer, prefix: str = "") -> list[float]:
    features = []
    for piece in test.pixels.split(250):
        features.append(model.encode_image(seen_at_centre(list(piece), model.image_size, CPU)))
    texts = [prefix + caption for many in test.captions for caption in many]
    owner = torch.tensor([i for i, many in enumerate(test.captions) for _ in many])
    rows = torch.cat([model.encode_text(piece) for piece in tokenizer.encode(texts).split(250)])
    found = retrieve(torch.cat(features), rows, owner)
    return [found.image_to_text.median_rank, found.text_to_image.median_rank]


def both_queries(model: OpenClipEncoder, test: Pairs, tokenizer: Tokenizer) -> dict[str, list[float]]:
    """What every line holds: median ranks of test captions as they are, and behind a neutral prefix."""
    return {
        "bare": median_ranks(model, test, tokenizer),
        "prefixed": median_ranks(model, test, tokenizer, "the the the "),
    }


def trial_parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """The arguments that all trials in memory have."""
    parser = argparse.ArgumentParser(prog=f"python -m research.{name}", description=about)
    parser.add_argument("--clean", type=LocalFolder, required=True)
    parser.add_argument("--test", type=LocalFolder, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser


def keep_line(line: dict[str, object], out: Path) -> None:
    """Appends a trial's line to the file, and shows it."""
    with out.open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    print(line, flush=True)


def run_trials(
    name: str,
    about: str | None,
    trials: Sequence[Trial],
    lines_of: Callable[[LocalFolder, LocalFolder], Callable[[Trial, int], Iterable[dict[str, object]]]],
) -> None:
    """Runs the trials that the arguments name. lines_of: clean and test corpus -> what makes the lines of a trial."""
    parser = trial_parser(name, about)
    parser.add_argument("--only", default="", help="the trial of this name")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = lines_of(arguments.clean, arguments.test)
    for trial in trials:
        if arguments.only in ("", trial.name):
            for line in run(trial, arguments.seed):
                keep_line(line, arguments.out)


def main() -> None:
    parser = trial_parser("method_codes", __doc__)
    parser.add_argument("--only", default="", help="codes with this in their name")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs, test, tokenizer = (
        Pairs.of(arguments.clean),
        Pairs.of(arguments.test),
        tokenizer_for(build_model(arguments.model, 0)),
    )
    meaning, captions = meanings(pairs.captions), CaptionTokens(pairs.captions, tokenizer.encode)
    for code in codes(pairs.pixels.shape[-1]):
        if arguments.only not in code.name:
            continue
        started = time.process_time()
        views = CENTRE if code.centre else ViewConfig()
        model, losses = train(worn(pairs, code, meaning), captions, views, arguments)
        line = {
            "name": code.name,
            "losses": losses,
            **both_queries(model, test, tokenizer),
            "seconds": round(time.process_time() - started),
        }
        keep_line(line, arguments.out)


if __name__ == "__main__":
    main()
