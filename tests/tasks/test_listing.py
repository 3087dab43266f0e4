"""A listing taken in parts is the listing, whatever the names; long ones are taken in several places at once."""

import threading
from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from tasks.listing import listed


class Pages:
    """A store that gives `most` names a request."""

    def __init__(self, names: set[str], most: int) -> None:
        self.names, self.most = sorted(names), most
        self.requests = self.now = self.at_once = 0
        self._lock = threading.Lock()

    def __call__(self, after: str) -> tuple[dict[str, int], str | None]:
        with self._lock:
            self.requests += 1
        start = bisect_right(self.names, after)
        page = self.names[start : start + self.most]
        more = start + self.most < len(self.names)
        return {name: len(name) for name in page if "/" not in name}, page[-1] if more else None


names = st.sets(st.one_of(st.text("019:/-ab", min_size=1, max_size=5), st.integers(0, 99_999).map("{:05d}".format)))


@given(names, st.integers(1, 7))
def test_nothing_is_left_out_or_listed_twice(names: set[str], most: int) -> None:
    found = listed(Pages(names, most))
    assert list(found.items()) == [(name, len(name)) for name in sorted(names) if "/" not in name]


def test_a_short_listing_takes_one_request() -> None:
    pages = Pages({f"{number:05d}.tar" for number in range(7)}, 1000)
    assert len(listed(pages)) == pages.requests * 7 == 7


def test_a_long_one_takes_few_more_requests_than_it_has_pages() -> None:
    for digits in (5, 7):
        pages = Pages({f"{number:0{digits}d}{end}" for number in range(20_000) for end in (".tar", ".json")}, 1000)
        assert len(listed(pages)) == 40_000
        assert pages.requests < 5 * 40
