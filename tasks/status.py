"""What stands in a destination, by address; see `mem_core.experiments.status`."""

from datetime import UTC, datetime, timedelta

from mem_core.experiments import status
from mem_core.experiments.status import DestinationStatus
from mem_core.experiments.status_check import check_status
from tasks.storage import open_folder


def read_status(
    uri: str, clean: str | None = None, *, ages: bool = False, max_age: timedelta | None = None
) -> DestinationStatus:
    """The state of a corpus or of a whole pipeline. Raises `SourceError` where there is neither.

    ages: also since when shards wait. max_age: then it is checked as well that none failed or waits for longer.
    """
    source = open_folder(clean) if clean else None
    found = status.read_status(open_folder(uri), source, open_folder, ages=ages or max_age is not None)
    return found if max_age is None else check_status(found, max_age, datetime.now(UTC))
