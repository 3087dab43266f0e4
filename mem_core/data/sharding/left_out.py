"""What a source holds and no sample has: `left_out.parquet` at the top of a clean corpus, one row each.

With it counts add up: pictures seen = published + failed + left out. A corpus without the file left nothing out.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from mem_core.common.errors import MismatchError
from mem_core.common.formatting import counted
from mem_core.common.reasons import CODES
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.data.readers import LeftOut
from mem_core.data.readers.text import repaired
from mem_core.data.sharding.split_writer import ShardingSummary

LEFT_OUT_NAME = "left_out.parquet"


def write_left_out(dest: Folder, rows: Sequence[LeftOut]) -> None:
    """Puts the table at the top of a clean corpus, or removes an older one where nothing is left out."""
    if not rows:
        dest.delete(LEFT_OUT_NAME)
        return
    data = _encoded(rows)
    if not dest.exists(LEFT_OUT_NAME) or read_bytes(dest, LEFT_OUT_NAME) != data:
        write_bytes(dest, LEFT_OUT_NAME, data)


def read_left_out(corpus: Folder) -> list[LeftOut]:
    """What `shard` left out of a clean corpus; nothing where there is no table. Raises `MismatchError` for others."""
    import pyarrow  # here: half a second that those who read no table need not wait for
    import pyarrow.parquet

    try:
        data = read_bytes(corpus, LEFT_OUT_NAME)
    except FileNotFoundError:
        return []
    try:
        rows = [LeftOut(**values) for values in pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()]
    except (pyarrow.ArrowException, OSError, ValueError, TypeError) as error:
        raise MismatchError(f"expected {LEFT_OUT_NAME} in {corpus.uri} as memshield wrote it: {error}") from error
    if unknown := next((row.code for row in rows if row.code not in CODES), None):
        raise MismatchError(f"expected a known code in {LEFT_OUT_NAME} in {corpus.uri}, got {unknown!r}")
    return rows


def counted_codes(rows: Iterable[LeftOut], what: str) -> dict[str, int]:
    """How many of the pictures, captions or shards were left out by each code; the most frequent first."""
    return dict(Counter(str(row.code) for row in rows if row.what == what).most_common())


def sharding_lines(splits: Mapping[str, ShardingSummary], left_out: Sequence[LeftOut]) -> list[str]:
    """What became of a source, for people: a line for each split, then what was left out."""
    lines = [_split_line(split, summary) for split, summary in splits.items()]
    for what in ("picture", "caption", "shard"):
        codes = counted_codes(left_out, what)
        if codes:
            first = next(row for row in left_out if row.what == what)
            total = counted(sum(codes.values()), what)
            lines.append(f"left out: {total} ({_codes(codes)}), as {first.name}: {first.reason}")
    return lines


def _split_line(split: str, summary: ShardingSummary) -> str:
    samples = counted(summary.samples, "sample")
    if summary.images != summary.samples + summary.failed:
        samples = f"{counted(summary.samples, 'pair')} of {counted(summary.images, 'image')}"
    failed = f", {summary.failed} failed ({_codes(summary.codes)})" if summary.failed else ""
    before = f", {summary.kept} of them finished before" if summary.kept else ""
    return f"{split}: {samples}{failed} in {counted(summary.shards, 'shard')}{before}"


def _codes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in codes.items())


def _encoded(rows: Sequence[LeftOut]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(field.name, pyarrow.string()) for field in fields(LeftOut)])
    stream = io.BytesIO()
    table = pyarrow.table({name: [repaired(getattr(row, name))[0] for row in rows] for name in schema.names}, schema)
    pyarrow.parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()
