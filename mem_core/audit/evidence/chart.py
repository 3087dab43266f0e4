"""The picture of a detection: coins guessed right, pair after pair, against what fair coins would give."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mem_core.audit.evidence.sign_flip import signs
from mem_core.report.figures import INK, RULE, SOFT, bare_axes

_COLOUR = "#d1480a"


def draw_coins(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> Figure:
    """How many more coins the model guesses right than wrong, from preferences float [N] and coins 0 or 1 [N].

    They are in their order; behind the line the bands that hold one, two and three standard deviations of fair coins.
    """
    lead = np.concatenate([[0], signs(preferences, coins).cumsum()])
    pairs = np.arange(len(lead))
    figure = Figure(figsize=(10.4, 3.6))
    axes = figure.add_axes((0.07, 0.16, 0.78, 0.78))
    bare_axes(axes)
    for width, shade in ((3, 0.25), (2, 0.35), (1, 0.5)):
        spread = width * np.sqrt(pairs)
        axes.fill_between(pairs, -spread, spread, color=RULE, alpha=shade, linewidth=0)
    axes.axhline(0, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(pairs, lead, color=_COLOUR, linewidth=1.8)
    axes.set_xlim(0, len(coins))
    axes.set_xlabel("twin pairs, in the committed order", fontsize=8.5, color=SOFT)
    axes.set_ylabel("coins guessed right less wrong", fontsize=8.5, color=SOFT)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    ends = ((int(lead[-1]), "this model", _COLOUR), (0, "fair coins,\n1, 2, 3 deviations", INK))
    apart = abs(int(lead[-1])) > 0.12 * np.diff(axes.get_ylim())[0]
    for value, name, colour in ends if apart else ends[:1]:
        axes.annotate(
            name, (len(coins), value), (8, 0), textcoords="offset points", va="center", fontsize=8.5, color=colour
        )
    return figure
