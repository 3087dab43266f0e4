"""`webdataset`: folders of tars, as img2dataset and others write them (key.jpg, key.txt, key.json).

Members with the same name up to their suffix are one sample, wherever in the tar they stand: names are only names, as
new keys are given. Pictures with a longer name (`key.mask.png`) are further ones of the sample: it takes the one with
its plain name, else the only one called image. A sample's name is the `name` in its metadata (our own corpora keep the
source's name there), else `shard/key`.
"""

import gzip
import re
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO, Literal

from mem_core.common.errors import SampleError, SourceError, StopRun
from mem_core.common.reasons import Code
from mem_core.common.storage.atomic_file import is_refusal
from mem_core.data.already import receipt_of_protected
from mem_core.data.corpus import SHARDING_NAME
from mem_core.data.image_formats import IMAGE_SUFFIXES
from mem_core.data.readers.base import LeftOut, NoImage, RawSample, failed
from mem_core.data.readers.path_parts import stem_of
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.shard_gaps import missing_pictures, shard_gaps
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.tar_members import Member, TarMembers, blocks
from mem_core.data.readers.text import repaired
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, MAX_TEXT_BYTES, shown

_REWRITTEN = frozenset({"name", "key", "width", "height", "sha256", "caption_index"})
_CALLED_IMAGE = re.compile(r"(image|img|picture|photo)[_-]?\d*", re.IGNORECASE)
_NO_FILE = "is a link, a device or a sparse file: pack what it stands for (tar --dereference --hard-dereference)"
_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip", b"7z\xbc\xaf": "7z"}


class WebDatasetReader(FormatReader):
    """Samples from tars; one tar is open at a time."""

    format = "webdataset"
    own_lists = True

    def split_of(self, file: SourceFile) -> str:
        """A corpus of our own has a folder for each split, whatever its name."""
        return file.parent if SHARDING_NAME in self.tree else super().split_of(file)

    def __iter__(self) -> Iterator[RawSample]:
        yield from super().__iter__()
        self.left_out += shard_gaps(self.tree, self.files)

    def rows(self, file: SourceFile) -> Iterator[RawSample]:
        with _unpacked(file) as stream:
            members = TarMembers(stream, str(file))
            tar = _Tar(self, file, members)
            tar.leave_out(members.side_files, "side-file", "expected pictures, but a hidden or side file is none")
            twice = receipt_of_protected(file.folder, stem_of(file.path)) if self.config.protected == "refuse" else ""
            for group in members.groups():
                for raw in (raw for one in blocks(group) for raw in tar.samples(one)):
                    bad = not twice or raw.problem
                    yield raw if bad else replace(raw, problem=twice, code="protected-already")
            self.left_out += missing_pictures(file, members.pictures)


class _Tar:
    """The samples of one tar, and what its reader leaves out of it."""

    def __init__(self, reader: WebDatasetReader, file: SourceFile, members: TarMembers) -> None:
        self._reader, self._members = reader, members
        self._place = repaired(stem_of(file.path))[0]

    def samples(self, cut: Sequence[list[Member]]) -> Iterator[RawSample]:
        """What becomes of the members of one name: mostly a sample. Of several under one name the first is taken, if it
        is whole."""
        first, *again = cut
        everything = [member for block in cut for member in block]
        if not again or len(_pictures(everything)) == len(everything):
            yield from self._sample(everything)
            return
        is_whole = 0 < len(_pictures(first)) < len(first)
        if is_whole:
            yield from self._sample(first)
        reason = f"expected each name once, but {shown(first[0].stem)} comes {len(cut)} times in the tar"
        for number, block in enumerate(again if is_whole else [everything], start=2):
            pictures = _pictures(block)
            if not (is_whole or pictures):
                pictures = list(self._members.further(first[0].key))
            if pictures:
                yield failed(self._name(f"{first[0].stem}#{number}"), reason, "duplicate")
                self.leave_out(pictures[1:], "duplicate", reason)
            elif any(member.suffix != ".json" for member in block):
                self.leave_out(block[:1], "duplicate", reason)

    def _sample(self, members: Sequence[Member]) -> Iterator[RawSample]:
        """Members of one name, each suffix once, or pictures alone."""
        key, pictures = members[0].key, _pictures(members)
        texts = [member for member in members if not member.picture]
        further = [] if pictures else list(self._members.further(key))
        others = [*pictures, *further]
        if not texts:
            yield from self._without_text(pictures)
            return
        if not others:
            yield from self._without_picture(texts)
            return
        candidates = [member for member in pictures if member.suffix in IMAGE_SUFFIXES] or pictures
        candidates = candidates or [one for one in further if _CALLED_IMAGE.fullmatch(one.key[len(key) + 1 :])]
        if len(candidates) == 1:
            yield self._whole(candidates[0], texts)
            self._leave_out_further([member for member in others if member != candidates[0]], texts[0].stem)
            return
        names = ", ".join(shown(member.name) for member in others[:5])
        reason = f"expected one picture called {shown(texts[0].stem)} beside its text, got {len(others)}: {names}"
        yield failed(self._name(texts[0].stem), reason, "ambiguous-image")
        self.leave_out(others[1:], "ambiguous-image", reason)

    def _without_text(self, pictures: Sequence[Member]) -> Iterator[RawSample]:
        key, names = pictures[0].key, Counter(picture.name for picture in pictures)
        texts = {one: self._members.texts_of(one) if names[one.name] == 1 else [] for one in pictures}
        yield from (self._whole(one, own) for one, own in texts.items() if own)
        pictures = [one for one, own in texts.items() if not own]
        first, owner = next(iter(pictures), None), self._members.owner(key)
        if first is None:
            return
        if owner is None:
            what = f"expected a caption of {shown(first.name)} in a .txt, .caption or .json of the same name, got none"
            yield RawSample(self._name(first.stem), self._image(first), (), problem=what, code="no-caption")
            self.leave_out(pictures[1:], "no-caption", what)
        elif owner[1]:
            self._leave_out_further(pictures, owner[0])
        # else the sample that they are further pictures of has none of its own, and tells of them

    def _without_picture(self, texts: Sequence[Member]) -> Iterator[RawSample]:
        first = texts[0]
        if self._members.has_whole_name(first.key):
            return  # the picture tells of them
        owner = self._members.owner(first.key)
        reason = f"expected a picture beside {shown(first.name)}, got none of that name"
        if owner is None or not owner[1]:
            captions = self._captioned(first.stem, NoImage(reason), texts).captions
            yield failed(self._name(first.stem), reason, "no-image", captions=captions)
        elif first.suffix != ".json":  # a further JSON is metadata of some kind
            self.leave_out(texts[:1], "no-image", reason)

    def _whole(self, picture: Member, texts: Sequence[Member]) -> RawSample:
        sample = self._captioned(self._name(texts[0].stem), self._image(picture), texts)
        stored = sample.metadata.get("name")
        name = repaired(stored)[0] if isinstance(stored, str) and stored else sample.name
        metadata = {key: value for key, value in sample.metadata.items() if key.lower() not in _REWRITTEN}
        return replace(sample, name=name, metadata=metadata)

    def _captioned(self, name: str, image: Callable[[], bytes], texts: Sequence[Member]) -> RawSample:
        return self._reader.captioned(name, image, {text.suffix: partial(self._text, text) for text in texts})

    def _text(self, member: Member) -> bytes:
        if trouble := _trouble(member, "text", MAX_TEXT_BYTES):
            raise SampleError(trouble.reason, code=trouble.code)
        return self._members.read(member)

    def _image(self, member: Member) -> Callable[[], bytes]:
        """Read now: the tar is not open for long."""
        return _trouble(member, "picture", MAX_IMAGE_BYTES) or partial(bytes, self._members.read(member))

    def _name(self, stem: str) -> str:
        return f"{self._place}/{shown(stem)}"

    def _leave_out_further(self, pictures: Sequence[Member], owner: str) -> None:
        reason = f"expected one picture a sample: this is a further one of {shown(owner)}"
        self.leave_out(pictures, "ambiguous-image", reason)

    def leave_out(self, members: Iterable[Member], code: Code, reason: str) -> None:
        """Notes what no sample has."""
        self._reader.left_out += [
            LeftOut(f"{self._place}/{shown(one.name)}", "picture" if one.picture else "caption", code, reason)
            for one in members
        ]


def _pictures(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.picture]


def _trouble(member: Member, what: Literal["picture", "text"], most: int) -> NoImage | None:
    """Why a member cannot be read."""
    name = shown(member.name)
    if member.size < 0:
        return NoImage(f"expected a {what}, but {name} {_NO_FILE}", "unreadable")
    if member.size > most:
        return NoImage(f"expected at most {most} bytes, but {name} has {member.size}", "too-large")
    if not member.size and what == "picture":
        return NoImage(f"expected a picture, but {name} has 0 bytes", "empty-image")
    return None


@contextmanager
def _unpacked(file: SourceFile) -> Iterator[BinaryIO]:
    """The tar, to be read back and forth: where the store only streams, or it is gzipped, from a temporary copy."""
    try:
        with file.seekable() as stream:
            start = stream.read(6)
            stream.seek(0)
            if packed := next((name for mark, name in _PACKED.items() if start.startswith(mark)), ""):
                raise SourceError(f"expected an uncompressed tar, but {file} is a file of {packed}: unpack it first")
            if not start.startswith(b"\x1f\x8b"):
                yield stream
                return
            with tempfile.TemporaryFile() as copy:
                _gunzip(stream, copy, file)
                yield copy
    except FileNotFoundError as error:
        raise SourceError(f"expected a tar in {file}, but it is missing") from error
    except OSError as error:
        if not is_refusal(error):
            raise
        what = f"expected room for {file} in the folder for temporary files (TMPDIR), but: {error.strerror}"
        raise StopRun(what) from error


def _gunzip(stream: BinaryIO, copy: BinaryIO, file: SourceFile) -> None:
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            shutil.copyfileobj(unpacked, copy, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"expected a whole gzip file, but {file} cannot be unpacked: {error}") from error
    copy.seek(0)  # writes what is buffered, too
