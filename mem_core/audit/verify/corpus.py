"""Checks a protected corpus against its clean corpus, its receipts and its budget, from the bytes only.

Two tars are walked side by side: one sample of each is in memory, and the table of one shard.
"""

from collections import Counter
from collections.abc import Iterator

from mem_core.audit.verify.order import PUBLISHED, TableOrder, TarOrder
from mem_core.audit.verify.problems import NAMED, Problem, VerifyReport
from mem_core.audit.verify.sample import SampleCheck, Tokenize
from mem_core.audit.verify.twins import TwinCheck, twin_check
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.formatting import counted
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.common.storage.hashing import HashingReader, sha256_bytes, sha256_of
from mem_core.data.corpus import list_shards
from mem_core.data.manifest import read_manifest
from mem_core.data.receipt import Receipt, has_receipt, read_receipt, receipt_name
from mem_core.data.shard import Broken, Sample, read_shard
from mem_core.data.table import SampleRow, read_rows, table_name
from mem_core.protect.destination import TWINS, TWINS_RECORD
from mem_core.protect.key_place import KeyPlace


def verify_corpus(
    clean: Folder,
    protected: Folder,
    *,
    tokenize: Tokenize,
    progress: Progress = silent,
    max_pixels: int = 64_000_000,
    keys: KeyPlace | None = None,
) -> VerifyReport:
    """Checks all shards of both folders; see `verify_shard`. Raises `SourceError` if a folder has no shards.

    keys: where the secret key of twins lies; without it their coins are not checked, and a warning says so.
    """
    expected, found = list_shards(clean), list_shards(protected)
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    problems = [Problem(shard=name, key="", what="missing: no tar in the protected corpus") for name in missing]
    problems += [Problem(shard=name, key="", what="extra: no such shard in the clean corpus") for name in extra]
    problems += _manifest_problems(protected, found)
    warnings: list[Problem] = []
    twins, damaged = _twins_of(protected, keys)
    problems += damaged
    if twins is not None and twins.missing:
        what = f"the coins of the twins were not checked: {twins.missing}"
        warnings.append(Problem(shard="", key="", what=what))
    if twins is not None and twins.record.coins_can_be_told:
        what = (
            f"{TWINS}/{TWINS_RECORD} has no secret for draws: whoever has memshield can tell the coins. What is not "
            "published yet should be protected anew, into another destination"
        )
        warnings.append(Problem(shard="", key="", what=what))
    counts: Counter[str] = Counter()
    shared = sorted(set(expected) & set(found))
    for done, shard in enumerate(shared, start=1):
        report = verify_shard(clean, protected, shard, tokenize, max_pixels=max_pixels, twins=twins)
        problems += report.problems
        warnings += report.warnings
        counts.update(report.counts)
        progress(done, len(shared), f"shard {shard}, {counted(len(problems), 'problem')}")
    return VerifyReport(shards=len(shared), problems=tuple(problems), warnings=tuple(warnings), counts=dict(counts))


def _twins_of(protected: Folder, keys: KeyPlace | None) -> tuple[TwinCheck | None, list[Problem]]:
    try:
        return twin_check(protected, keys), []
    except MismatchError as error:
        return None, [Problem(shard="", key="", what=str(error))]


def verify_shard(
    clean: Folder,
    protected: Folder,
    shard: str,
    tokenize: Tokenize,
    *,
    max_pixels: int = 64_000_000,
    twins: TwinCheck | None = None,
) -> VerifyReport:
    """Re-reads a clean and a protected shard and names everything that differs from what the receipt allows.

    Hashes of tars, table and statistics as in the receipt; keys and order of the clean tar, less the samples that the
    table records as failed; for every sample its row, its pixels, its captions and its tokens (see `verify_sample`).
    twins: those of the corpus; each is then checked as its published sample is, and its coin.
    Trouble of the store itself (OSError) is not a finding and goes up.
    """
    walk = _Walk(shard)
    try:
        receipt = read_receipt(protected, shard)
        if receipt is None:
            walk.problem("", f"missing: no {receipt_name(shard)}, so the shard was never finished")
        else:
            rows, check = walk.read_rows(protected, receipt), SampleCheck(receipt, tokenize, max_pixels)
            walk.compare(clean, protected, receipt, rows, check)
            walk.compare_twins(clean, protected, receipt, rows, check, twins)
    except (MismatchError, SourceError) as error:
        walk.problem("", str(error))
    except FileNotFoundError as error:
        walk.problem("", f"missing: {error.filename or error}")
    return walk.report()


class _Walk:
    """The findings of one shard while it is walked."""

    def __init__(self, shard: str) -> None:
        self.shard = shard
        self.counts: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._unnamed = 0
        self._names: dict[str, str] = {}  # key -> name

    def problem(self, key: str, what: str) -> None:
        if len(self._problems) < NAMED:
            self._problems.append(self._found(key, what))
        else:
            self._unnamed += 1

    def _found(self, key: str, what: str) -> Problem:
        return Problem(shard=self.shard, key=key, what=what, name=self._names.get(key, ""))

    def report(self) -> VerifyReport:
        if self._unnamed:
            what = f"and {self._unnamed} more problems in this shard"
            self._problems.append(Problem(shard=self.shard, key="", what=what))
        problems, warnings = tuple(self._problems), tuple(self._warnings)
        return VerifyReport(shards=1, problems=problems, warnings=warnings, counts=dict(self.counts))

    def read_rows(self, protected: Folder, receipt: Receipt) -> list[SampleRow]:
        """The rows of the table, after its hash and counts and those of the statistics were compared."""
        for name in receipt.outputs:
            if not name.endswith(".tar"):  # the tar is hashed while it is walked
                self._same_hash(name, receipt.outputs[name], sha256_of(protected, name))
        if table_name(self.shard) not in receipt.outputs:
            self.problem("", f"the receipt names no {table_name(self.shard)}")
        rows = read_rows(protected, self.shard)
        self.counts = Counter(row.status for row in rows)
        self._names = {row.key: row.name for row in rows}
        recorded = {status: count for status, count in receipt.counts.items() if count}
        if recorded != dict(self.counts):
            self.problem("", f"the receipt counts {recorded}, the table {dict(self.counts)}")
        for row in rows:
            if row.status == "passthrough" and len(self._warnings) < NAMED:
                what = f"published unprotected, as was asked for: {row.reason}"
                self._warnings.append(self._found(row.key, what))
        return rows

    def compare(
        self, clean: Folder, protected: Folder, receipt: Receipt, rows: list[SampleRow], check: SampleCheck
    ) -> None:
        """Walks both tars to their end, then compares their hashes with the receipt."""
        tar = f"{self.shard}.tar"
        with clean.open(tar) as clean_file, protected.open(tar) as protected_file:
            clean_stream, protected_stream = HashingReader(clean_file), HashingReader(protected_file)
            clean_items = read_shard(clean_stream, f"{self.shard} (clean)")
            published = read_shard(protected_stream, f"{self.shard} (protected)")
            order = TarOrder(published, rows, self.problem)
            self._noise(rows, check)
            self._compare_items(clean_items, TableOrder(rows, self.problem), order, check)
        self._same_hash(f"the clean {tar}", receipt.input_sha256, clean_stream.hexdigest())
        self._same_hash(tar, receipt.outputs[tar], protected_stream.hexdigest())

    def compare_twins(
        self,
        clean: Folder,
        protected: Folder,
        receipt: Receipt,
        rows: list[SampleRow],
        check: SampleCheck,
        twins: TwinCheck | None,
    ) -> None:
        """The same for the versions that stay at home, if there are any."""
        if twins is None:
            if receipt.twins:
                self.problem("", f"missing: {TWINS}/{TWINS_RECORD}, though the receipt names the twins of the shard")
            return
        known = {row.key: row for row in rows}
        if lacking := twins.check(clean, protected, receipt, known, check, self.problem):
            self._warnings.append(Problem(shard=self.shard, key="", what=lacking))

    def _noise(self, rows: list[SampleRow], check: SampleCheck) -> None:
        """Warns of images marked protected that equal the clean ones; a shard of nothing else is a problem."""
        without = [row for row in rows if check.lacks_noise(row)]
        if len(without) > 1 and len(without) == self.counts["protected"]:
            self.problem("", "every image is the clean one, though the method adds noise")
        for row in without[: NAMED - len(self._warnings)]:
            what = "the image is the clean one, though the method adds noise"
            self._warnings.append(self._found(row.key, what))

    def _compare_items(
        self, items: Iterator[Sample | Broken], rows: TableOrder, published: TarOrder, check: SampleCheck
    ) -> None:
        for item in items:
            row, passed = rows.take(item.key)
            published.withdraw(passed)
            if row is None:
                continue
            for what in check.row_problems(item, row):
                self.problem(row.key, what)
            other = published.take(row.key) if row.status in PUBLISHED else None
            if isinstance(item, Sample) and other is not None:
                for what in check.problems(item, other, row):
                    self.problem(row.key, what)
        published.withdraw(rows.finish())
        published.finish()

    def _same_hash(self, name: str, expected: str, found: str) -> None:
        if expected != found:
            self.problem("", f"hash: {name} has SHA-256 {found[:12]}, the receipt says {expected[:12]}")


def _manifest_problems(protected: Folder, found: list[str]) -> Iterator[Problem]:
    """Where the manifest, if there is one, contradicts the folder."""
    try:
        manifest = read_manifest(protected)
    except MismatchError as error:
        yield Problem(shard="", key="", what=str(error))
        return
    if manifest is None:
        return
    entries = {entry.name: entry for entry in manifest.shards}
    for shard in sorted(set(found) ^ set(entries)):
        where = "folder, but not in the manifest" if shard in found else "manifest, but not in the folder"
        yield Problem(shard=shard, key="", what=f"the shard is in the {where}")
    for shard in sorted(set(found) & set(entries)):
        if has_receipt(protected, shard):
            digest = sha256_bytes(read_bytes(protected, receipt_name(shard)))
            if digest != entries[shard].receipt_sha256:
                yield Problem(shard=shard, key="", what="hash: the receipt is not the one the manifest lists")
