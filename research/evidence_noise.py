"""Which noise of an image's own is remembered by a model that trains on clean captions? One line a trial.

    python -m research.evidence_noise --data DIR --work WORK white:0 sign:0 blocks4:0 blocks8:0 blocks16:0 grating:0 \
        colour:0 colour:1 soft5-2:0 soft3-2:0 soft3-2:1 soft2-2:0 soft2-2:1 soft2-4:0

A trial is KIND:SEED, the seed a victim's. DIR holds flickr8k/, as for `benchmarks.gpu`. Half of the training photographs
at 32 px carry one of two draws of the noise, as a coin says; z of three scores over these pairs, towards the coins.
`softN-S` has a colour at each of N x N points and is S times as steep as straight lines between them.
"""

import argparse
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.gpu.evidence import EvidencePart, prepare, write_mix
from benchmarks.gpu.evidence_answers import preferences_of
from mem_core.audit.evidence.pairs import DrawnPair
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.corpus import list_shards
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.victim.weights import load_victim
from mem_core.victim.training import VictimData, train_victim

_EPSILON, _SIDE, _SHARE = 8, 32, 0.5


def noise(kind, rng, count):
    """int [count, 32, 32, 3]."""
    shape = (count, _SIDE, _SIDE, 3)
    if kind == "white":
        return rng.integers(-_EPSILON, _EPSILON + 1, shape)
    if kind == "sign":
        return _EPSILON * _signs(rng, shape)
    if kind.startswith("blocks"):
        size = int(kind.removeprefix("blocks"))
        blocks = _EPSILON * _signs(rng, (count, _SIDE // size, _SIDE // size, 3))
        return blocks.repeat(size, 1).repeat(size, 2)
    if kind == "colour":
        return np.broadcast_to(_EPSILON * _signs(rng, (count, 1, 1, 3)), shape)
    if kind.startswith("soft"):
        points, steepness = (int(part) for part in kind.removeprefix("soft").split("-"))
        return np.stack([_soft(knots, steepness) for knots in _signs(rng, (count, points, points, 3))])
    if kind == "grating":
        y, x = (axis[None, :, :, None] for axis in np.mgrid[:_SIDE, :_SIDE] / _SIDE)
        one = (count, 1, 1, 3)
        waves, angle, phase = rng.uniform(2, 10, one), rng.uniform(0, np.pi, one), rng.uniform(0, 2 * np.pi, one)
        wave = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        return np.round(_EPSILON * np.sign(wave)).astype(int)
    raise SystemExit(f"expected white, sign, blocksN, colour, softN-S or grating, got {kind}")


def _signs(rng, shape):
    return 2 * rng.integers(0, 2, shape) - 1


def _soft(knots, steepness):
    place = (2 * np.arange(_SIDE) + 1) * (len(knots) - 1) / (2 * _SIDE)
    left = np.minimum(place.astype(int), len(knots) - 2)
    past = (place - left)[:, None, None]

    def along(values):
        return values[left] * (1 - past) + values[left + 1] * past

    field = along(along(knots).transpose(1, 0, 2)).transpose(1, 0, 2)
    return np.trunc(np.clip(_EPSILON * steepness * field, -_EPSILON, _EPSILON)).astype(int)


def trial(part, kind, seed):
    samples = {}
    for shard in list_shards(part.clean()):
        with open_tar(part.clean(), shard) as stream:
            samples |= {f"{shard}/{one.key}": one for one in read_shard(stream, shard) if isinstance(one, Sample)}
    rng = np.random.default_rng(7)
    names = list(samples)
    rng.shuffle(names)
    names = names[: int(_SHARE * len(names))]
    draws = [noise(kind, rng, len(names)) for _ in (0, 1)]
    coins = rng.integers(0, 2, len(names))
    pairs, published = [], {}
    for place, name in enumerate(names):
        sample = samples[name]
        clean = np.asarray(Image.open(io.BytesIO(sample.image)).convert("RGB")).astype(int)
        files = tuple(_png(np.clip(clean + draw[place], 0, 255)) for draw in draws)
        published[name] = replace(sample, image=files[coins[place]], extension="png")
        pairs.append(DrawnPair(name, files, (sample.captions, sample.captions), ("", "")))
    place = part.folder / "trials" / f"{kind}-{seed}"
    corpus, out = LocalFolder(place / "corpus"), LocalFolder(place / "victim")
    write_mix(part.clean(), corpus, published)
    train_victim(VictimData(corpus, clean=part.clean()), out, part.victim_config("none"), part.runtime, seed=seed)
    found = preferences_of(load_victim(out, "best")[0], part.runtime, pairs)
    shutil.rmtree(place)
    shown = []
    for score in ("noise", "noise-crops", "noise-loss-crops"):
        towards = found[score] * (2 * coins - 1)
        shown.append(f"{score} {towards.sum() / np.sqrt((towards**2).sum()):.2f}")
    print(f"{kind} seed {seed}: z of {', '.join(shown)}", flush=True)


def _png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("trials", nargs="+", metavar="KIND:SEED")
    given = parser.parse_args()
    part = EvidencePart("evidence", given.work, given.data, "cpu")
    prepare(part)
    for one in given.trials:
        kind, _, seed = one.partition(":")
        trial(part, kind, int(seed))


if __name__ == "__main__":
    main()
