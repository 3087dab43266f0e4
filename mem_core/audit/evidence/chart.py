"""The picture of a detection: coins guessed right, pair after pair, against what fair coins would give."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mem_core.audit.evidence.sign_flip import signs
from mem_core.common.formatting import counted
from mem_core.report.figures import INK, NARROW, RULE, SOFT, bare_axes

_COLOUR = "#d1480a"


def draw_coins(preferences: NDArray[np.float64], coins: NDArray[np.int64], *, narrow: bool = False) -> Figure:
    """How many more coins the model guesses right than wrong, from preferences float [N] and coins 0 or 1 [N].

    They are in their order; behind the line the bands that hold one, two and three standard deviations of fair
    coins. narrow: for a phone.
    """
    lead = _lead(preferences, coins)
    pairs = np.arange(len(lead))
    figure = Figure(figsize=(NARROW if narrow else 10.4, 3.6))
    axes = figure.add_axes((0.14, 0.16, 0.62, 0.78) if narrow else (0.07, 0.16, 0.78, 0.78))
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
    ends = (
        (int(lead[-1]), "this model", _COLOUR),
        (0, "chance:\nfair coins,\n1, 2, 3\ndeviations" if narrow else "chance: fair coins,\n1, 2, 3 deviations", INK),
    )
    apart = abs(int(lead[-1])) > 0.12 * np.diff(axes.get_ylim())[0]
    for value, name, colour in ends if apart else ends[:1]:
        axes.annotate(
            name, (len(coins), value), (8, 0), textcoords="offset points", va="center", fontsize=8.5, color=colour
        )
    return figure


def coins_in_words(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> str:
    """Where the line ends, and how far fair coins go."""
    end, pairs = int(_lead(preferences, coins)[-1]), len(coins)
    more = "more than" if end >= 0 else "fewer than"
    return (
        f"A line over {counted(pairs, 'twin pair')}: coins guessed right less coins guessed wrong. It ends with "
        f"{abs(end):,} {more} fair coins give on average. Chance is the grey band around zero: fair coins end within "
        f"{3 * pairs**0.5:,.0f} on either side (three deviations)."
    )


def _lead(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Right less wrong guesses before the first pair and after each, int64 [N + 1]."""
    return np.concatenate([[0], signs(preferences, coins).cumsum()])
