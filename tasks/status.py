"""What stands in a destination, by address; see `mem_core.experiments.status`."""

from mem_core.experiments import status
from mem_core.experiments.status import DestinationStatus
from tasks.storage import open_folder


def read_status(uri: str, clean: str | None = None) -> DestinationStatus:
    """The state of a corpus or of a whole pipeline. Raises `SourceError` where there is neither."""
    return status.read_status(open_folder(uri), open_folder(clean) if clean else None, open_folder)
