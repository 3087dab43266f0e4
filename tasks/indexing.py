"""Index files for others' loaders beside the tars of a protected corpus, by address."""

from mem_core.data.loaders.index import IndexSummary, write_index
from tasks.progress import watched
from tasks.storage import open_folder


def index_corpus(address: str, license: str, license_link: str) -> IndexSummary:
    """Reads all tars once. Raises as `write_index` does."""
    with watched("index") as progress:
        return write_index(open_folder(address), license=license, license_link=license_link, progress=progress)
