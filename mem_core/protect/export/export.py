"""The way back: the pictures of a protected corpus as files under their original names, with their captions.

Nothing that is there is written over, so a killed export goes on where it stopped, and a corpus that has grown is
exported again into the same folder. Memory does not grow with the corpus.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from mem_core.common.errors import DestinationError, MismatchError, SampleError, SourceError
from mem_core.common.prefetch import prefetch_map
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes, require_disjoint, write_bytes
from mem_core.common.storage.hashing import HashingWriter, sha256_bytes
from mem_core.data.finished_shard import protected_receipts
from mem_core.data.manifest import read_manifest
from mem_core.data.receipt import Receipt
from mem_core.data.shard import Broken, Sample, open_tar, read_shard
from mem_core.data.table import SampleRow, read_rows
from mem_core.protect.export.absolute_names import AbsoluteNames
from mem_core.protect.export.caption_files import TABLES, CaptionForm, CaptionTable, files_beside
from mem_core.protect.export.mark import ExportMark, begin, note_below, note_table, require_unchanged
from mem_core.protect.export.places import Places
from mem_core.protect.export.summary import ExportSummary, Missing, failed_row, failed_shards

_WRITERS, _AHEAD, _BYTES_AHEAD = 8, 64, 256 << 20


@dataclass(frozen=True)
class _Item:
    """A published sample, its row, and its place without the extension; or why it has none."""

    sample: Sample
    row: SampleRow
    stem: str = ""
    trouble: str = ""

    @property
    def file(self) -> str:
        return f"{self.stem}.{self.sample.extension}"


@dataclass(frozen=True)
class _Written:
    """An item, and whether all of its files were there before; or why one of them is not as it should be."""

    item: _Item
    before: bool = False
    trouble: str = ""


def export_corpus(
    protected: Folder, out: Folder, captions: CaptionForm = "txt", progress: Progress = silent
) -> ExportSummary:
    """Writes every published picture, and its captions, into a folder that is empty or an export of this corpus.

    Absolute names are relative to the folder that all of them share. What is missing there is named with its reason.
    Raises `SourceError` for a corpus that is not protected or not finished, `DestinationError` for a folder that holds
    something else or lies in or around the corpus, `MismatchError` for shards that are not as their tables say, or an
    export of others.
    """
    require_disjoint(protected.uri, out.uri)
    receipts = protected_receipts(protected)
    if read_manifest(protected) is None:
        raise SourceError(f"expected a finished corpus in {protected.uri}, but it has no manifest", hint="finish it")
    mark, is_new = begin(out, {receipt.shard: receipt.outputs[f"{receipt.shard}.tar"] for receipt in receipts})
    names = AbsoluteNames(_published_names(protected, receipts), mark.below)
    mark = note_below(out, mark, names.mark)
    with ExitStack() as stack:
        table = _table(stack, out, mark, captions)
        export = _Export(protected, out, names, captions, table, is_new=is_new)
        for done, receipt in enumerate(receipts):
            progress(done, len(receipts), receipt.shard)
            export.add(receipt)
    return export.summary()


def _published_names(protected: Folder, receipts: Iterable[Receipt]) -> Iterator[str]:
    for receipt in receipts:
        yield from (row.name for row in read_rows(protected, receipt.shard) if row.status != "failed")


def _weight(item: _Item) -> int:
    return len(item.sample.image)


def _table(stack: ExitStack, out: Folder, mark: ExportMark, form: CaptionForm) -> CaptionTable | None:
    """The table of captions, if there is to be one; it appears when the stack is left without an error."""
    if (name := TABLES.get(form)) is None:
        return None
    require_unchanged(out, mark, name)
    stream = HashingWriter(stack.enter_context(out.write(name)))
    stack.push(lambda kind, *_: None if kind else note_table(out, mark, name, stream.hexdigest()))
    return CaptionTable(stream, form)


class _Export:
    """The files of one export, shard after shard."""

    def __init__(
        self,
        protected: Folder,
        out: Folder,
        names: AbsoluteNames,
        form: CaptionForm,
        table: CaptionTable | None,
        *,
        is_new: bool,
    ) -> None:
        self._protected, self._out, self._names, self._form = protected, out, names, form
        self._table, self._is_new = table, is_new
        self._places = Places()
        self._missing: list[Missing] = []
        self._unprotected: list[str] = []
        self._pictures = self._before = self._captions = 0
        self._extension = ""

    def add(self, receipt: Receipt) -> None:
        """Writes all of a shard."""
        rows = {row.key: row for row in read_rows(self._protected, receipt.shard)}
        items = self._items(receipt.shard, rows)
        in_order = prefetch_map(
            self._write, items, threads=_WRITERS, depth=_AHEAD, weight=_weight, heaviest=_BYTES_AHEAD
        )
        for written in in_order:
            self._count(written)
        for row in rows.values():
            if row.status != "failed":
                raise self._damaged(receipt.shard, row.key, "it is not in the tar")
            self._missing.append(failed_row(row, "protect"))

    def summary(self) -> ExportSummary:
        """What came of it."""
        return ExportSummary(
            uri=self._out.uri,
            pictures=self._pictures,
            before=self._before,
            captions=self._captions,
            extension=self._extension,
            below=self._names.folder,
            missing=(*failed_shards(self._protected), *self._missing),
            unprotected=tuple(self._unprotected),
        )

    def _items(self, shard: str, rows: dict[str, SampleRow]) -> Iterator[_Item]:
        """The samples of a tar with their places; takes their rows out of `rows`."""
        with open_tar(self._protected, shard) as stream:
            for sample in read_shard(stream, f"{shard} in {self._protected.uri}"):
                row = rows.pop(sample.key, None)
                if isinstance(sample, Broken) or row is None or row.sha256_out != sha256_bytes(sample.image):
                    raise self._damaged(shard, sample.key, "it has other bytes, or cannot be read")
                if sample.captions[0] != row.caption:
                    raise self._damaged(shard, sample.key, "it has another caption")
                try:
                    name = self._names.relative(row.name)
                    yield _Item(sample, row, self._places.place(name, shard, sample.key, sample.extension))
                except SampleError as error:
                    yield _Item(sample, row, trouble=str(error))

    def _write(self, item: _Item) -> _Written:
        if item.trouble:
            return _Written(item, trouble=item.trouble)
        files = [(item.file, item.sample.image)]
        files += [(item.stem + suffix, data) for suffix, data in files_beside(item.sample, self._form)]
        try:
            there = [self._put(name, data) for name, data in files]
        except (DestinationError, FileExistsError) as error:
            return _Written(item, trouble=str(error))
        return _Written(item, before=all(there))

    def _put(self, name: str, data: bytes) -> bool:
        """Writes a file, or finds it there. Raises `FileExistsError` where another one has its name."""
        try:
            if self._is_new or not self._out.exists(name):
                write_bytes(self._out, name, data, only_if_absent=True)
                return False
        except FileExistsError:
            pass
        if read_bytes(self._out, name) != data:
            raise FileExistsError(f"expected {name} as it is published, but another file is there: it stays as it is")
        return True

    def _count(self, written: _Written) -> None:
        item, row = written.item, written.item.row
        if written.trouble:
            self._missing.append(Missing(name=row.called, at="export", code="", reason=written.trouble))
            return
        self._pictures += 1
        self._before += written.before
        self._captions += len(item.sample.captions)
        self._extension = item.sample.extension
        if row.status == "passthrough":
            self._unprotected.append(row.called)
        if self._table is not None:
            self._table.add(item.file, item.sample.captions)

    def _damaged(self, shard: str, key: str, what: str) -> MismatchError:
        return MismatchError(
            f"expected sample {key} of shard {shard} in {self._protected.uri} as its table says, but {what}"
        )
