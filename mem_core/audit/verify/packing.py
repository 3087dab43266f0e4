"""How a tar that is about to be handed out is packed, member by member: what readers of samples pass over or never see.

Members that are no part of a sample, what headers say of who packed them and when, a text that is not the caption of
the `.json` beside it, entries of a `.json` that a later one of the same name hides.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import IO, Any

from mem_core.common.storage.folder import Folder
from mem_core.data.image_formats import IMAGE_EXTENSIONS
from mem_core.data.tar_reader import MAX_TEXT_BYTES

_TEXTS = {"txt", "json"}
_MEMBERS = IMAGE_EXTENSIONS | _TEXTS
_PACKER = {"memshield"}
_OF_NAMES = {"path", "size"}  # what a longer header is for


def packing_problems(folder: Folder, name: str) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of one tar; the key is "" for what is wrong with the tar."""
    others: list[str] = []
    packed: list[str] = []
    with folder.open(name) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for key, members in groupby(_members(tar), lambda member: member.name.rpartition("/")[2].partition(".")[0]):
            texts: dict[str, bytes] = {}
            endings = set()
            for member in members:
                extension = member.name.rpartition("/")[2].partition(".")[2]
                endings.add(extension)
                if not key or not member.isreg() or extension not in _MEMBERS:
                    others.append(member.name)
                elif extension in _TEXTS and member.size <= MAX_TEXT_BYTES:
                    texts[extension] = _read(tar.extractfile(member))
                if not packed and (told := _told(member)):
                    packed.append(f"{member.name} ({told})")
            if endings & IMAGE_EXTENSIONS:
                yield from ((key, what) for what in _of_texts(texts))
    if others:
        yield (
            "",
            f"expected images, .txt and .json alone, got {len(others)} other members, {others[0][:200]!r} the first",
        )
    if packed:
        yield "", f"expected headers without owner and time, as memshield writes them, got those of {packed[0][:200]}"


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # else all headers stay in memory
        yield member


def _read(stream: IO[bytes] | None) -> bytes:
    return stream.read() if stream else b""


def _told(member: tarfile.TarInfo) -> str:
    """What a header says besides the member's name and size."""
    if member.mtime or member.uid or member.gid or {member.uname, member.gname} - _PACKER:
        return f"{member.uname or member.uid}, time {int(member.mtime)}"
    more = [f"{name}={value}" for name, value in member.pax_headers.items() if name not in _OF_NAMES]
    return ", ".join([*more, *filter(None, (member.linkname,))])


def _of_texts(texts: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the texts of one sample."""
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    try:
        values = json.loads(texts.get("json", b"{}"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        return  # said where the sample is read
    captions = values.get("captions") if isinstance(values, dict) else None
    first = captions[0] if isinstance(captions, list) and captions else None
    if "txt" not in texts:
        yield "no .txt is beside the image, where most loaders look for the caption"
    elif isinstance(first, str) and texts["txt"].decode("utf-8", "replace").strip() != first.strip():
        yield "expected the first of its captions in .txt, as in .json, got another text"
    if twice:
        yield f"expected each entry of key.json once, got {', '.join(twice)[:200]} more than once"
