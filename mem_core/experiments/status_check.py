"""What a monitor asks of a destination: shards that failed, and shards that wait for longer than they should.

A corpus to which nothing new came is as it should be, however old it is. What waits too long is a shard of the clean
corpus without a receipt: then nights have stopped, or do not keep up.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from mem_core.common.formatting import counted, duration
from mem_core.experiments.status import CorpusStatus, DestinationStatus, StatusProblem


def check_status(found: DestinationStatus, max_age: timedelta, now: datetime) -> DestinationStatus:
    """The same with its problems, none if all is well. found: read with the ages of waiting shards."""
    return found.model_copy(
        update={"problems": tuple(one for corpus in found.corpora for one in _problems(corpus, max_age, now))}
    )


def _problems(corpus: CorpusStatus, max_age: timedelta, now: datetime) -> Iterator[StatusProblem]:
    if failed := len(corpus.failed):
        what = f"{counted(failed, 'shard')} failed on every attempt"
        yield StatusProblem(place=corpus.place, kind="failed", shards=failed, what=what)
    oldest = corpus.longest_waiting
    if oldest is not None and now - oldest.since > max_age:
        age, most = (one.total_seconds() for one in (now - oldest.since, max_age))
        what = (
            f"{counted(corpus.pending, 'shard')} pending; {oldest.shard} has waited for {duration(age)}, longer than "
            f"{duration(most)}"
        )
        yield StatusProblem(place=corpus.place, kind="waiting", shards=corpus.pending, what=what)
    if corpus.has_source and not corpus.source:
        what = "which shards are still to come is not known"
        yield StatusProblem(place=corpus.place, kind="unknown", shards=0, what=what)
