"""Peak memory of protecting corpora of growing size: it depends on the shard, never on the corpus.

    python -m benchmarks.memory [--samples 1000 2000 4000 8000] [--shard 500]

Each size runs in a process of its own through `Protection`: one round (a surrogate that sees the
whole corpus once, HotFlip, one PGD step), then publishing; the figure is its largest resident set.
Procedural images of 32 px, tiny-resnet-32, pools of two shards, a cache of 4 MB (about one shard).
"""

import argparse
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Figure, print_figures

_SIDE, _BATCH = 32, 128
_MOST_GROWTH = 1.05  # from the smallest to the largest corpus; equal runs differ by 1 to 2 %
_ROOT = Path(__file__).parents[1]


def make_corpus(folder: Path, samples: int, shard: int, side: int = _SIDE) -> None:
    """A clean corpus of procedural images under `folder`/train."""
    from mem_core.common.storage.folder import LocalFolder
    from mem_core.config import CorpusConfig
    from mem_core.data.readers import open_source
    from mem_core.data.sharding.sharder import shard_source
    from mem_core.data.synthetic.shapes_corpus import draw_corpus

    source = draw_corpus(folder.with_name("source"), samples, 0, size=side)
    shard_source(open_source(source), LocalFolder(str(folder)), CorpusConfig(samples_per_shard=shard))


def first_shards(corpus: Path, folder: Path, count: int) -> None:
    """The first `count` shards of a clean corpus, as a corpus of its own."""
    folder.mkdir()
    for name in sorted(path.stem for path in corpus.glob("*.tar"))[:count]:
        for path in corpus.glob(f"{name}[._]*"):
            (folder / path.name).hardlink_to(path)


def protect(clean: Path, dest: Path, samples: int) -> int:
    """One whole protection in this process; returns its largest resident set in bytes."""
    import torch

    from mem_core.common.storage.folder import LocalFolder
    from mem_core.config import NoiseConfig, ProtectConfig, RuntimeConfig, SurrogateConfig
    from mem_core.protect.protection import Places, Protection

    torch.set_num_threads(1)
    surrogate = SurrogateConfig(
        architecture="tiny-resnet-32", steps_per_round=-(-samples // _BATCH), batch_size=_BATCH, pool_shards=2
    )
    config = ProtectConfig(rounds=1, batch_size=_BATCH, noise=NoiseConfig(num_steps=1), surrogate=surrogate)
    protection = Protection(
        Places(LocalFolder(str(clean)), LocalFolder(str(dest))), config, RuntimeConfig(device="cpu", cache_mb=4), seed=0
    )
    protection.begin()
    protection.fit.train_surrogate(0)
    losses = [protection.fit.update_shard(shard, 0) for shard in protection.shards]
    protection.fit.finish([sum(losses) / len(losses)])
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    return peak_bytes()


def peak_bytes() -> int:
    """The largest resident set of this program in bytes; Linux's ru_maxrss also counts the process that forked it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run(*, sizes: Sequence[int] = (1000, 2000, 4000, 8000), shard: int = 500) -> list[Figure]:
    """The peak at every size, and how much a further sample costs (least squares through all sizes)."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_corpus(root / "clean", max(sizes), shard)
        for samples in sizes:
            first_shards(root / "clean" / "train", root / f"clean-{samples}", -(-samples // shard))
            command = [sys.executable, "-m", "benchmarks.memory", "--child", str(root), str(samples)]
            done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
            peaks.append(int(done.stdout.split()[-1]))
    figures = [
        Figure(group="peak memory", name=f"{samples:,} samples", value=peak / 2**20, unit="MiB", low=low, high=low)
        for samples, peak in zip(sizes, peaks, strict=True)
        for low in [peak / 2**20]
    ]
    slope, error = _slope(sizes, peaks)
    more = Figure(
        group="memory slope",
        name="a further sample",
        value=slope,
        unit="bytes",
        low=slope - error,
        high=slope + error,
    )
    ratio = peaks[-1] / peaks[0]
    growth = Figure(
        group="memory growth",
        name=f"{sizes[-1]:,} over {sizes[0]:,} samples",
        value=ratio,
        unit="x",
        low=ratio,
        high=ratio,
        bound=_MOST_GROWTH,
        floor="the smallest corpus",
    )
    return [*figures, more, growth]


def _slope(sizes: Sequence[int], peaks: Sequence[int]) -> tuple[float, float]:
    """Least squares through all sizes, in bytes a sample, and its standard error (0 for two sizes)."""
    middle, level = sum(sizes) / len(sizes), sum(peaks) / len(peaks)
    spread = sum((size - middle) ** 2 for size in sizes)
    slope = sum((size - middle) * (peak - level) for size, peak in zip(sizes, peaks, strict=True)) / spread
    if len(sizes) < 3:
        return slope, 0.0
    left = sum((peak - level - slope * (size - middle)) ** 2 for size, peak in zip(sizes, peaks, strict=True))
    return slope, math.sqrt(left / (len(sizes) - 2) / spread)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    parser.add_argument("--shard", type=int, default=500, help="samples a shard")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "SAMPLES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        root, samples = Path(arguments.child[0]), int(arguments.child[1])
        print(protect(root / f"clean-{samples}", root / f"protected-{samples}", samples))
        return
    print_figures(run(sizes=arguments.samples, shard=arguments.shard))


if __name__ == "__main__":
    main()
