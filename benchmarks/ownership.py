"""Power and false positives of `memshield detect`: what it says of models whose training is known.

    python -m benchmarks.ownership PROTECTED CLEAN VICTIM... [--untrained 20] [--pairs 25 50 100]

PROTECTED and CLEAN: held-out pairs, protected with a stored protector. VICTIM: what `train` or `reproduce` left.
Every model is asked about all pairs, and about as many disjoint sets of them as there are, of each size in --pairs:
the share of sets with p below 0.05 is the power for a model that was trained on protected pairs, and the rate of false
positives for others. --untrained: models as drawn, of the first victim's architecture; all of them in one row.
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor

from mem_core.audit.ownership import pair_features, permutation_test
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RuntimeConfig
from mem_core.models import OpenClipEncoder, build_model
from mem_core.victim.record import load_victim

_LEVEL = 0.05


def sets_of(noises: Tensor, triggers: Tensor, size: int) -> Iterator[float]:
    """The p-values of disjoint sets of so many pairs, in an order drawn once."""
    order = torch.randperm(len(noises), generator=torch.Generator().manual_seed(0))
    for places in order.split(size):
        if len(places) == size:
            yield permutation_test(noises[places], triggers[places], permutations=999).p_value


def line(name: str, features: list[tuple[Tensor, Tensor]], sizes: list[int]) -> str:
    """One row of the table: of one model, or of several of one kind."""
    whole = [permutation_test(*pair, permutations=9999) for pair in features]
    cells = [", ".join(f"{found.p_value:.4f}" for found in whole[:3]), f"{whole[0].hit_at_1:.1%}"]
    for size in sizes:
        values = [value for pair in features for value in sets_of(*pair, size)]
        cells.append(f"{sum(value < _LEVEL for value in values)} of {len(values)}" if values else "-")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protected")
    parser.add_argument("clean")
    parser.add_argument("victims", nargs="+")
    parser.add_argument("--untrained", type=int, default=20)
    parser.add_argument("--pairs", type=int, nargs="+", default=[25, 50, 100])
    given = parser.parse_args()
    protected, clean = LocalFolder(given.protected), LocalFolder(given.clean)

    def features(model: OpenClipEncoder) -> tuple[Tensor, Tensor]:
        return pair_features(model, protected, clean, RuntimeConfig())

    heads = [
        "model",
        "p of all pairs",
        "own trigger nearest",
        *(f"p < {_LEVEL:g}, {size} pairs" for size in given.pairs),
    ]
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for place in given.victims:
        print(line(place, [features(load_victim(LocalFolder(place), "best")[0])], given.pairs), flush=True)
    architecture = load_victim(LocalFolder(given.victims[0]))[1].architecture
    drawn = [features(build_model(architecture, seed=seed).freeze()) for seed in range(given.untrained)]
    if drawn:
        print(line(f"{len(drawn)} untrained", drawn, given.pairs))


if __name__ == "__main__":
    main()
