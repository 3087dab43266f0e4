"""Checks a folder that is about to be handed out, from its own bytes: nothing in it leads back to the clean corpus.

The clean corpus is not needed. With the protected corpus that the folder was taken from (private: its tables know the
clean hashes, names and trigger words), what is in the tars is compared with those, too.
"""

import json
from collections import Counter
from collections.abc import Iterator

from mem_core.audit.verify.keys import KeysOfTars
from mem_core.audit.verify.packing import packing_problems
from mem_core.audit.verify.problems import NAMED, Problem, VerifyReport
from mem_core.common.errors import ImageError, MismatchError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, Troubles
from mem_core.common.storage.hashing import HashingReader, sha256_bytes
from mem_core.config.methods import CLEAN
from mem_core.data.image_formats import picture_format
from mem_core.data.image_metadata import NOTE, carried, is_lossy
from mem_core.data.images import decode_image
from mem_core.data.loaders.index import is_index
from mem_core.data.origin import leads_back, repeats
from mem_core.data.receipt import read_receipt
from mem_core.data.sample_metadata import BLOCK, UNPROTECTED
from mem_core.data.shard import Broken, Sample, read_shard
from mem_core.data.table import SampleRow, read_rows
from mem_core.protect.destination import PROTECTOR, TWINS, TWINS_RECORD
from mem_core.protect.twins import twin_images

_TAR = ".tar"
_KINDS = {
    ".parquet": "a table: the clean images' hashes and names, and the trigger words, stand in it",
    ".receipt.json": "a receipt: it holds the hash of the clean tar",
    "manifest.json": "the manifest: it holds the hashes of the clean tars and all settings",
    "_stats.json": "statistics of what failed",
}
_TWINS = "the twins of samples, which stay at home: whoever has them knows what a model that saw the data is asked"
_BELOW = {
    PROTECTOR: "a protector: whoever has it makes the noise and the trigger words again",
    TWINS: _TWINS,
}
_OTHER = "neither a tar nor an index of the tars"


def verify_published(
    folder: Folder, private: Folder | None = None, *, progress: Progress = silent, max_pixels: int = 64_000_000
) -> VerifyReport:
    """What in the folder is not to be handed out, or cannot be read by who gets it.

    Raises `SourceError` for a folder without tars. Trouble of the store itself (OSError) goes up.
    """
    troubles: Troubles = {}
    names = list(folder.names(troubles))
    tars = [name for name in names if name.endswith(_TAR) and not _is_of_twins(name)]
    if not tars:
        raise SourceError(f"expected tars that are to be handed out in {folder.uri}, but there is none")
    found = _Findings(known=private is not None)
    for name, what in _not_to_be_there(names):
        found.problem("", name, what)
    for name, trouble in troubles.items():  # what copies and archives would follow
        found.problem("", name, f"not to be handed out: it {trouble.reason}")
    for done, name in enumerate(tars, start=1):
        _check_tar(folder, name, private, found, max_pixels)
        progress(done, len(tars), name)
    for name, what in found.keys.repeated():
        found.problem(name.removesuffix(_TAR), "", what)
    return found.report(len(tars))


class _Findings:
    """What was found so far. known: whether a table says of each sample whether it is protected."""

    def __init__(self, *, known: bool) -> None:
        self._known = known
        self._problems: list[Problem] = []
        self._of_shard: Counter[str] = Counter()
        self._extensions: Counter[str] = Counter()
        self._unmarked: list[tuple[str, str]] = []
        self._samples = self._marked = 0
        self.keys = KeysOfTars()

    def problem(self, shard: str, key: str, what: str) -> None:
        self._of_shard[shard] += 1
        if self._of_shard[shard] <= NAMED:
            self._problems.append(Problem(shard=shard, key=key, what=what))

    def sample(self, shard: str, sample: Sample) -> None:
        self._samples += 1
        self._extensions[sample.extension] += 1
        if isinstance(sample.metadata.get(BLOCK), dict) or f"note: {NOTE}" in carried(sample.image):
            self._marked += 1
        elif len(self._unmarked) < NAMED:
            self._unmarked.append((shard, sample.key))

    def report(self, shards: int) -> VerifyReport:
        if len(self._extensions) > 1:
            said = ", ".join(f"{count} .{extension}" for extension, count in self._extensions.most_common())
            self.problem("", "", f"expected one image extension throughout, as loaders are told one, got {said}")
        warnings = []
        if self._marked:
            for shard, key in self._unmarked:
                self.problem(shard, key, f"no {BLOCK} note says that it is protected, as others here have")
        elif not self._known and self._samples:
            what = "no sample says that it is protected, so whether one is clean cannot be told without the tables"
            warnings.append(Problem(shard="", key="", what=what))
        for shard, count in self._of_shard.items():
            if count > NAMED:
                self._problems.append(Problem(shard=shard, key="", what=f"and {count - NAMED} more problems"))
        counts = {"samples": self._samples}
        return VerifyReport(shards=shards, problems=tuple(self._problems), warnings=tuple(warnings), counts=counts)


def _not_to_be_there(names: list[str]) -> Iterator[tuple[str, str]]:
    """Whatever is neither a tar nor an index; what lies in one folder is named once."""
    below: Counter[str] = Counter()
    for name in names:
        top, _, rest = (TWINS, "", name) if _is_of_twins(name) else name.partition("/")
        if (name.endswith(_TAR) and not _is_of_twins(name)) or is_index(name):
            continue
        if name.rpartition("/")[2] == TWINS_RECORD:
            yield name, f"not to be handed out: it describes {_TWINS}"
            continue
        kind = next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), "")
        if rest and (top in _BELOW or not kind):
            below[top] += 1
        else:
            yield name, f"not to be handed out: {kind or _OTHER}"
    for top, count in below.items():
        yield f"{top}/", f"not to be handed out: {_BELOW.get(top, f'{count} files that are {_OTHER}')}"


def _is_of_twins(name: str) -> bool:
    return f"/{TWINS}/" in f"/{name}"


def _check_tar(folder: Folder, name: str, private: Folder | None, found: _Findings, max_pixels: int) -> None:
    place, _, base = name.removesuffix(_TAR).rpartition("/")
    shard = f"{place}/{base}" if place else base
    try:
        home = None if private is None else private.below(place) if place else private
        rows = _rows(home, base) if home is not None else None
        at_home = twin_images(home, base) if home is not None else frozenset()
        with folder.open(name) as stream:
            hashing, empty = HashingReader(stream), True
            for item in read_shard(hashing, shard):
                empty = False
                if isinstance(item, Broken):
                    found.problem(shard, item.key, f"no loader can use it: {item.reason}")
                    continue
                found.sample(shard, item)
                found.keys.add(name, item.key)
                for what in _sample_problems(item, max_pixels):
                    found.problem(shard, item.key, what)
                for what in _against(item, rows.get(item.key), at_home) if rows is not None else ():
                    found.problem(shard, item.key, what)
        if empty:
            found.problem(shard, "", "holds no sample, and some loaders stop at such a tar: leave it out")
        if home is not None and _recorded(home, base) != hashing.hexdigest():
            found.problem(shard, "", "the tar is not the one that the receipt of the protected corpus names")
        for key, what in packing_problems(folder, name):
            found.problem(shard, key, what)
    except (SourceError, MismatchError) as error:
        found.problem(shard, "", str(error))


def _rows(private: Folder, shard: str) -> dict[str, SampleRow]:
    try:
        return {row.key: row for row in read_rows(private, shard)}
    except FileNotFoundError:
        raise MismatchError(f"expected the table of shard {shard} in {private.uri}, but there is none") from None


def _recorded(private: Folder, shard: str) -> str:
    receipt = read_receipt(private, shard)
    return receipt.outputs[f"{shard}{_TAR}"] if receipt is not None else ""


def _sample_problems(sample: Sample, max_pixels: int) -> Iterator[str]:
    """What the sample itself tells."""
    try:
        decode_image(sample.image, max_pixels=max_pixels)
        if sample.extension not in picture_format(sample.image).suffixes:
            yield f"expected .{sample.extension} to be what it is called, got {picture_format(sample.image).name}"
        elif sample.extension not in ("png", "webp") or is_lossy(sample.image):
            yield f"expected a lossless .png or .webp, got a lossy .{sample.extension}: no protected image is one"
        elif other := [name for name in carried(sample.image) if name != f"note: {NOTE}"]:
            yield f"expected nothing besides pixels, colour and our note in the file, got {', '.join(other)[:200]}"
    except ImageError as error:
        yield f"no loader can read the image: {error}"
    if names := leads_back({name: value for name, value in sample.metadata.items() if name != BLOCK}):
        yield f"key.json leads back to the clean file, by {', '.join(names)[:200]}"
    block = sample.metadata.get(BLOCK)
    if isinstance(block, dict):
        if block.get("method") in (UNPROTECTED, CLEAN):
            yield "published unprotected, as its own note says"
        if names := leads_back({name: value for name, value in block.items() if name != "fingerprint"}):
            yield f"the note in key.json leads back to the clean file, by {', '.join(names)[:200]}"
        if told := sorted(name for name in block if name.startswith("trigger")):
            yield f"key.json tells the trigger words, by {', '.join(told)}"


def _against(sample: Sample, row: SampleRow | None, at_home: frozenset[str]) -> Iterator[str]:
    """What the private table says of it. at_home: hashes of the images of twins."""
    if row is None or row.status == "failed":
        yield "the table of the protected corpus has no such published sample"
        return
    if row.status != "protected":
        yield f"published unprotected: the table says {row.status}"
    digest = sha256_bytes(sample.image)
    if digest in at_home and digest != row.sha256_out:
        yield "published by mistake: the image is the twin's, which stays at home"
    elif digest != row.sha256_out:
        what = "the clean file" if digest == row.sha256_in else "another"
        yield f"expected the image that was published, got {what}"
    if sample.captions[0] != row.caption:
        yield "expected the caption that was published, got another"
    if repeats(sample.metadata, row.name, row.origin, row.sha256_in):
        yield "key.json repeats the name, address, id or hash of the clean file that the table holds"
    if row.trigger and row.trigger in json.dumps(sample.metadata.get(BLOCK, {}), ensure_ascii=False):
        yield "key.json tells the trigger words"
