"""docs/results/evidence/shares.png and attacks.png out of the victims there: `python -m benchmarks.evidence_chart`.

p on a logarithmic axis, the smaller the further up (by share) or to the right (after an attack); every victim is a dot.
"""

import json
from collections.abc import Sequence
from math import log10
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.evidence_tables import ATTACKS, METHODS
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config.methods import METHODS as TABLE
from mem_core.report.figures import RULE, SOFT, png

Cells = Sequence[dict[str, Any]]

_PLACE = Path(__file__).parents[1] / "docs/results/evidence"
_AIM, _AIM_ATTACKED = "1e-6", "1e-3"  # at 1 % as published; at half of the pairs, attacked
_FURTHEST = 100  # beyond 1e-100 p is not computed


def main() -> None:
    cells = {side: json.loads((_PLACE / f"{side}.json").read_text()) for side in (32, 64)}
    for name, chart in (("shares", _shares(cells)), ("attacks", _attacks(cells))):
        write_bytes(LocalFolder(_PLACE), f"{name}.png", png(chart))


def _shares(cells: dict[int, Cells]) -> Figure:
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1.4))
    for axes, (side, all_cells) in zip(panels, cells.items(), strict=True):
        plain = [cell for cell in all_cells if cell["attack"] == "none"]
        for method, label in METHODS.items():
            own = sorted((100 * cell["share"], _strength(cell)) for cell in plain if cell["method"] == method)
            colour = TABLE[method].colour
            axes.plot(*zip(*_medians(own), strict=True), color=colour, linewidth=1, label=label)
            axes.plot(*zip(*own, strict=True), "o", color=colour, markersize=3.5, alpha=0.75)
        axes.set_xscale("log")
        axes.set_xticks(sorted({100 * cell["share"] for cell in plain}))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.set_title(f"models of {side} px", fontsize=9)
        axes.set_xlabel("share of the trainer's pairs, %", fontsize=8)
        _finish(axes, "y", _AIM)
    panels[0].set_ylabel("p that fair coins do this well", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    return figure


def _medians(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(share, median(y for x, y in points if x == share)) for share in dict(points)]


def _attacks(cells: dict[int, Cells]) -> Figure:
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, width_ratios=(1, 1))
    for axes, (side, all_cells) in zip(panels, cells.items(), strict=True):
        half = [cell for cell in all_cells if cell["share"] == 0.5]
        attacks = [attack for attack in ATTACKS if any(cell["attack"] == attack for cell in half)]
        for row, attack in enumerate(attacks):
            for line, (method, label) in enumerate(METHODS.items()):
                own = [_strength(cell) for cell in half if (cell["attack"], cell["method"]) == (attack, method)]
                height = row + (line - 1.5) * 0.18
                axes.plot(own, [height] * len(own), "o", color=TABLE[method].colour, markersize=4, label=label)
            axes.axhline(row + 0.5, color=RULE, linewidth=0.6)
        axes.set_yticks(range(len(attacks)), [ATTACKS[attack] for attack in attacks], fontsize=7)
        axes.invert_yaxis()
        axes.set_title(f"models of {side} px", fontsize=9)
        axes.set_xlabel("p that fair coins do this well", fontsize=8)
        _finish(axes, "x", _AIM_ATTACKED)
    named = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return figure


def _strength(cell: dict[str, Any]) -> float:
    return min(float(_FURTHEST), -log10(cell["published"]["words-and-noise"]["p"]))


def _finish(axes: Axes, of_p: str, aim: str) -> None:
    """The axis of p, and a line at the aim."""
    axis = axes.yaxis if of_p == "y" else axes.xaxis
    axis.set_ticks(range(0, _FURTHEST + 1, 20 if of_p == "y" else 50))
    axis.set_major_formatter(lambda value, _: "1" if value == 0 else f"1e-{value:.0f}")
    line = (axes.axhline if of_p == "y" else axes.axvline)(
        -log10(float(aim)), color=SOFT, linewidth=0.8, linestyle="--"
    )
    line.set_label(f"the aim, {aim}")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
