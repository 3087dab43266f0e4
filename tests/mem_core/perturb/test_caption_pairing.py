"""Which share of the batches is paired with what."""

from hypothesis import given
from hypothesis import strategies as st

from mem_core.perturb.caption_pairing import pairings
from tests.mem_core.perturb.test_rounds import context_of
from tests.support.corpora import small


@given(own=st.floats(0, 1), bare=st.floats(0, 1), count=st.integers(1, 40))
def test_each_kind_has_its_share(own: float, bare: float, count: int) -> None:
    found = pairings(context_of(small(noise={"own_captions": own, "triggerless": bare})), count)
    owned = [pairing for pairing in found if pairing.own_captions]
    without = [pairing for pairing in found if not pairing.trigger]
    assert len(found) == count
    assert abs(len(owned) - own * count) < 1
    assert abs(len(without) - bare * len(owned)) < 1
    assert all(pairing.own_captions for pairing in without)  # a caption of another image without trigger says nothing


def test_the_defaults_are_mems_and_em_never_shuffles() -> None:
    assert all(not pairing.own_captions and pairing.trigger for pairing in pairings(context_of(small()), 6))
    assert all(pairing.own_captions for pairing in pairings(context_of(small(method="em")), 6))
