"""A protected corpus as a folder of pictures, by address."""

from mem_core.protect.export.caption_files import CaptionForm
from mem_core.protect.export.export import export_corpus
from mem_core.protect.export.summary import ExportSummary, Missing, never_protected, other_splits
from tasks.progress import watched
from tasks.storage import open_folder


def export_to(protected: str, out: str, captions: CaptionForm = "txt", clean: str | None = None) -> ExportSummary:
    """Writes the pictures that are not there yet. clean: the corpus that was protected, to name what it does not have.

    Raises as `export_corpus` and `never_protected` do.
    """
    corpus = open_folder(protected)
    lacking: list[Missing] = []
    others: tuple[str, ...] = ()
    if clean is not None:
        before, around = open_folder(clean), open_folder(clean.rstrip("/").rpartition("/")[0] or "/")
        lacking, others = list(never_protected(corpus, before, around)), other_splits(before, around)
    with watched("export") as progress:
        found = export_corpus(corpus, open_folder(out), captions, progress)
    return found.model_copy(update={"missing": (*lacking, *found.missing), "other_splits": others})
