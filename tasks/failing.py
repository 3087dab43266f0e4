"""The samples of a corpus that failed, by its address."""

from mem_core.data.failed_samples import FailedSamples, failed_samples
from tasks.storage import open_folder


def failed_in(address: str, most: int) -> FailedSamples:
    """How many failed, and the first so many by name. Raises as `failed_samples` does."""
    return failed_samples(open_folder(address), most)
