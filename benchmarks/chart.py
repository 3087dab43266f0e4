"""One picture of all figures: a panel for each question, bounds as dashed lines."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Figure, readable

_PANELS = {
    "PGD step and HotFlip pass, in floors": ("PGD step", "HotFlip pass"),
    "Literal port of the original over ours": ("round, literal port over ours", "noise memory a pair"),
    "Shards, share of raw tarfile's speed": ("shard write", "shard read"),
    "Encoders, speed over the published PNG": ("encoder speed",),
    "Where a round's time goes, %": ("share of a round",),
    "Peak memory, MiB": ("peak memory",),
}


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Writes a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    picture, axes = pyplot.subplots(3, 2, figsize=(13, 10), layout="constrained")
    for axis, (title, groups) in zip(axes.flat, _PANELS.items(), strict=True):
        shown = [figure for figure in figures if figure.group in groups]
        places = range(len(shown))
        values = [figure.value for figure in shown]
        spread = [[f.value - f.low for f in shown], [f.high - f.value for f in shown]]
        axis.barh(places, values, xerr=spread, color="#4c78a8", ecolor="#333333", height=0.6)
        labels = [f"{f.group}\n{f.name}" if len(groups) > 1 else f.name for f in shown]
        axis.set_yticks(places, labels, fontsize=8)
        axis.invert_yaxis()
        for bound in {f.bound for f in shown if f.bound is not None}:
            axis.axvline(bound, color="#e45756", linestyle="--", label=f"bound {bound:g}")
            axis.legend(fontsize=8)
        for place, figure in zip(places, shown, strict=True):
            axis.annotate(f" {readable(figure.value)}", (figure.high, place), va="center", fontsize=8)
        axis.margins(x=0.2)
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)
    pyplot.close(picture)
