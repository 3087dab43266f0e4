"""The tables of docs/results/evidence.md out of its victims."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from mem_core.audit.evidence.sign_flip import LOWEST

Cells = Sequence[dict[str, Any]]

_METHODS = {"random-trigger": "random words", "mem": "MEM-3", "codebook": "codebook"}
_WITH_NOISE = ("mem", "codebook")
_ATTACKS = {
    "none": "does nothing",
    "best epoch": "keeps the best epoch",
    "jpeg 75": "saves as JPEG, quality 75",
    "cleanclip": "fine-tunes on 10 % clean pairs (CleanCLIP)",
    "from pretrained": "starts from pretrained weights",
    "words dropped": "drops the first three words",
    "recaptioned": "re-captions",
}
_ATTACKED_SHARE = 0.5


def evidence_table(cells: Cells, wanted: str) -> list[list[str]]:
    """Header and rows of the table by `shares` or by `attacks`. Raises `KeyError` for another."""
    return {"shares": _shares, "attacks": _attacks}[wanted](cells)


def _shares(cells: Cells) -> list[list[str]]:
    plain = [cell for cell in cells if cell["attack"] == "none"]
    header = ["share of the trainer's pairs", "twins"]
    for name in _METHODS.values():
        header += [name, "coins right"]
    rows = []
    for share in sorted({cell["share"] for cell in plain}, reverse=True):
        at = [cell for cell in plain if cell["share"] == share]
        row = [f"{100 * share:g} %", f"{at[0]['pairs']:,}"]
        for method in _METHODS:
            own = [cell for cell in at if cell["method"] == method]
            row += [_p(own, "words-and-noise"), _right(own)]
        rows.append(row)
    return [header, *rows]


def _attacks(cells: Cells) -> list[list[str]]:
    at = [cell for cell in cells if cell["share"] == _ATTACKED_SHARE]
    header = ["the trainer", *_METHODS.values(), *(f"{_METHODS[method]}'s noise alone" for method in _WITH_NOISE)]
    rows = []
    for attack, shown in _ATTACKS.items():
        after = {
            method: [one for one in at if (one["method"], one["attack"]) == (method, attack)] for method in _METHODS
        }
        both = [_p(after[method], "words-and-noise") for method in _METHODS]
        rows.append([shown, *both, *(_p(after[method], "noise") for method in _WITH_NOISE)])
    return [header, *rows]


def _p(cells: Cells, statistic: str) -> str:
    """The p-value, or the median of the victims' with the worst and their number behind it."""
    values = [cell["published"][statistic]["p"] for cell in cells]
    if not values:
        return ""
    worst = f" ({_shown(max(values))}; {len(values)} victims)" if len(values) > 1 else ""
    return _shown(median(values)) + worst


def _right(cells: Cells) -> str:
    values = [cell["published"]["words"]["right"] for cell in cells]
    return f"{100 * median(values):.0f} %" if values else ""


def _shown(p: float) -> str:
    if p <= 10 * LOWEST:
        return "< 1e-99"
    return f"{p:.1e}".replace("e-0", "e-") if p < 1e-3 else f"{p:.2g}"
