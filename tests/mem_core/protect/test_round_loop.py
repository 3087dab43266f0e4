"""How many rounds there are, and what the loss of one is."""

import pytest

from mem_core.protect.round_loop import Rounds
from tests.support.corpora import small


def run(losses: list[float], **changes: object) -> Rounds:
    rounds = Rounds(small(**changes))
    for number in rounds:
        rounds.close({"00001": losses[number], "00000": losses[number]})
    return rounds


@pytest.mark.parametrize(
    ("method", "losses", "done"),
    [("mem", [2.0, 1.0, 0.5], 3), ("mem", [2.0, 0.009, 0.5], 2), ("mem", [0.01, 0.01, 0.01], 3), ("uap", [3.0], 1)],
)
def test_rounds_end_where_optimised_noise_has_a_loss_below_the_threshold(
    method: str, losses: list[float], done: int
) -> None:
    assert run(losses, rounds=3, method=method).losses == losses[:done]


def test_the_loss_of_a_round_does_not_depend_on_which_shard_came_first() -> None:
    rounds, again = Rounds(small()), Rounds(small())
    losses = {"00000": 0.1, "00001": 0.2, "00002": 0.7}
    assert rounds.close(losses) == again.close(dict(reversed(losses.items())))


def test_shards_without_samples_do_not_end_the_rounds() -> None:
    rounds = Rounds(small())
    assert rounds.close({"00000": 0.0, "00001": 0.4, "00002": 0.0}) == 0.4
    assert rounds.close({"00000": 0.0}) == 0.0
