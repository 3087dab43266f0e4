"""Which share of the steps aims at what."""

from hypothesis import given
from hypothesis import strategies as st

from mem_core.perturb.caption_pairing import aims
from tests.mem_core.perturb.test_rounds import setting_of
from tests.support.corpora import small


@given(own=st.floats(0, 1), bare=st.floats(0, 1), count=st.integers(1, 40))
def test_each_kind_has_its_share(own: float, bare: float, count: int) -> None:
    found = aims(setting_of(small(noise={"own_captions": own, "triggerless": bare})), count)
    owned = [aim for aim in found if aim.own_captions]
    without = [aim for aim in found if not aim.trigger]
    assert len(found) == count
    assert abs(len(owned) - own * count) < 1
    assert abs(len(without) - bare * len(owned)) < 1
    assert all(aim.own_captions for aim in without)  # a caption of another image without trigger says nothing


def test_the_defaults_are_mems_and_em_never_shuffles() -> None:
    assert all(not aim.own_captions and aim.trigger for aim in aims(setting_of(small()), 6))
    assert all(aim.own_captions for aim in aims(setting_of(small(method="em")), 6))
