"""The tables of docs/results/evidence.md out of its victims and innocent models."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from mem_core.audit.evidence.sign_flip import LOWEST

Cells = Sequence[dict[str, Any]]
Table = list[list[str]]

METHODS = {"random-trigger": "random words", "mark": "mark", "mem": "MEM-3", "codebook": "codebook"}
_NOISE_ALONE = ("mark", "mem")
ATTACKS = {
    "none": "does nothing",
    "best epoch": "keeps the best epoch",
    "jpeg 75": "saves as JPEG, quality 75",
    "cleanclip": "fine-tunes on 10 % clean pairs (CleanCLIP)",
    "from pretrained": "starts from pretrained weights",
    "words dropped": "drops the first three words",
    "recaptioned": "re-captions",
}
WORTH = {
    "clean": "clean pairs",
    "random-trigger": "random words, no noise",
    "mark": "`mark`: the same words and its tint",
}
_WHERE = {"inside": "words inside", "front": "words in front"}
_ATTACKED_SHARE = 0.5
_SMALL_SHARE = 0.01
_DEFAULT = "words-and-noise"
_LEVELS = (0.001, 0.01, 0.05, 0.5)
_INNOCENT = {"victim": "trained under other coins", "clean": "trained on clean pairs", "untrained": "untrained"}


def evidence_table(lines: Cells, wanted: str) -> Table:
    """Header and rows: of victims by `shares`, by `attacks` or by `statistics`, of `innocents`. `KeyError` for others.

    A p-value is the median of the victims' with the worst behind it.
    """
    return _TABLES[wanted](lines)


def worth_table(shares: Mapping[str, Mapping[str, Sequence[int]]]) -> Table:
    """Header and rows: of what `mark` is worth as protection. shares: placement -> trained on -> percent of chance and
    its interval; clean pairs have no placement and stand under the first."""
    rows = []
    for row, shown in WORTH.items():
        found = [
            f"{at[row][0]} % ({at[row][1]} to {at[row][2]})" if row in at else "the same" for at in shares.values()
        ]
        rows.append([shown, *found])
    return [["trained on", *(_WHERE[placement] for placement in shares)], *rows]


def _shares(cells: Cells) -> Table:
    plain = [cell for cell in cells if cell["attack"] == "none"]
    rows = []
    for share in sorted({cell["share"] for cell in plain}, reverse=True):
        at = [cell for cell in plain if cell["share"] == share]
        found = [_p_and_right(_of(at, method)) for method in METHODS]
        rows.append([f"{100 * share:g} %", f"{at[0]['pairs']:,}", _victims(at), *found])
    return [["share of the trainer's pairs", "twins", "victims", *METHODS.values()], *rows]


def _attacks(cells: Cells) -> Table:
    at = [cell for cell in cells if cell["share"] == _ATTACKED_SHARE]
    rows = []
    for attack, shown in ATTACKS.items():
        after = [cell for cell in at if cell["attack"] == attack]
        if after:
            both = [_p(_of(after, method), _DEFAULT) for method in METHODS]
            rows.append([shown, _victims(after), *both, *(_p(_of(after, method), "noise") for method in _NOISE_ALONE)])
    alone = [f"{METHODS[method]}, noise alone" for method in _NOISE_ALONE]
    return [["the trainer", "victims", *METHODS.values(), *alone], *rows]


def _statistics(cells: Cells) -> Table:
    few = [cell for cell in cells if (cell["attack"], cell["share"]) == ("none", _SMALL_SHARE)]
    wordless = [cell for cell in cells if (cell["attack"], cell["share"]) == ("recaptioned", _ATTACKED_SHARE)]
    rows = [
        [
            f"`{statistic}`",
            *(_p(_of(few, method), statistic) for method in METHODS),
            *(_p(_of(wordless, method), statistic) for method in _NOISE_ALONE),
        ]
        for statistic in cells[0]["published"]
    ]
    at_few = [f"{name}, {100 * _SMALL_SHARE:g} %" for name in METHODS.values()]
    return [["statistic", *at_few, *(f"{METHODS[method]}, re-captioned" for method in _NOISE_ALONE)], *rows]


def _innocents(lines: Cells) -> Table:
    """How many have a p-value at or below a level, beside the most that fair ones have in 995 of 1,000 tries."""
    from scipy.stats import binom

    rows = []
    groups = {shown: [one for one in lines if one["kind"] == kind] for kind, shown in _INNOCENT.items()}
    groups = {name: models for name, models in groups.items() if models} | {"all": list(lines)}
    for name, models in groups.items():
        for test, shown in (("p", "fixed"), ("sequential", "sequential")):
            values = [one["thrown anew"][_DEFAULT][test] for one in models]
            below = [sum(value <= level for value in values) for level in _LEVELS]
            most = [int(binom.ppf(0.995, len(values), level)) for level in _LEVELS]
            counts = [f"{count} (at most {limit})" for count, limit in zip(below, most, strict=True)]
            number = len({(one["kind"], one["name"]) for one in models})
            rows.append([name, f"{number}", shown, f"{len(values)}", *counts])
    return [["models", "number", "test", "p-values", *(f"at or below {level:g}" for level in _LEVELS)], *rows]


_TABLES: dict[str, Callable[[Cells], Table]] = {
    "shares": _shares,
    "attacks": _attacks,
    "statistics": _statistics,
    "innocents": _innocents,
}


def _of(cells: Cells, method: str) -> Cells:
    return [cell for cell in cells if cell["method"] == method]


def _victims(cells: Cells) -> str:
    """Of a method, or the fewest and the most."""
    counts = sorted({len(_of(cells, method)) for method in METHODS} - {0})
    return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _p(cells: Cells, statistic: str) -> str:
    values = [cell["published"][statistic]["p"] for cell in cells]
    if not values:
        return ""
    shown, worst = _shown(median(values)), _shown(max(values))
    return shown if shown == worst else f"{shown} ({worst})"


def _p_and_right(cells: Cells) -> str:
    values = [cell["published"]["words"]["right"] for cell in cells]
    return f"{_p(cells, _DEFAULT)}; {100 * median(values):.0f} %" if values else ""


def _shown(p: float) -> str:
    if p <= 10 * LOWEST:
        return "< 1e-99"
    return f"{p:.1e}".replace("e-0", "e-") if p < 1e-3 else f"{p:.2g}"
