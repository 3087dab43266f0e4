"""All index files of a published corpus, from its manifest and one pass over its tars."""

import json
from collections.abc import Iterator, Mapping

from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen
from mem_core.data.loaders.card import CARD, MARK, card_text
from mem_core.data.loaders.energon import META, META_FILES, TAR_INDEX, image_extensions, write_energon
from mem_core.data.loaders.shard_line import loadable
from mem_core.data.loaders.tar_index import TarIndex, index_tar
from mem_core.data.manifest import read_manifest

WIDS = "wids.json"


class IndexSummary(Frozen):
    """An indexed corpus. card_kept: there was a page that is not ours. empty: tars without samples, left out."""

    uri: str
    samples: int
    tars: int
    card_kept: bool
    empty: tuple[str, ...]


def is_index(name: str) -> bool:
    """Whether a file of this name, relative to a corpus, is one of its index."""
    in_meta = name.removeprefix(f"{META}/") in META_FILES and name.startswith(META)
    return name in (WIDS, CARD) or in_meta or ("/" not in name and name.endswith(TAR_INDEX))


def write_index(
    folder: Folder, *, license: str = "unknown", license_link: str = "", progress: Progress = silent
) -> IndexSummary:
    """Writes beside the tars what wids, Megatron-Energon and Hugging Face's hub ask for; made again, it is renewed.

    Nothing in it is of the clean corpus. Raises `SourceError` for a folder without a manifest of a protected corpus
    with samples, or one whose images have several extensions, as loaders are told one; `MismatchError` for a tar that
    is not as its receipt says.
    """
    manifest = read_manifest(folder)
    counts = loadable(manifest) if manifest is not None and manifest.kind == "protected" else {}
    if manifest is None or not counts:
        none = "there is none: the protected corpus has it, and is indexed before its tars are copied"
        found = none if manifest is None else f"it has {manifest.kind} shards and {len(counts)} to hand out"
        raise SourceError(f"expected the manifest of a protected corpus with samples in {folder.uri}, but {found}")
    sizes = write_energon(folder, _indexed(folder, counts, progress), counts)
    images = image_extensions(sizes)
    if len(images) != 1:
        raise SourceError(f"expected one image format in all tars of {folder.uri}, got {', '.join(images)}")
    shards = [{"url": f"{shard}.tar", "nsamples": samples} for shard, samples in counts.items()]
    wids = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    write_bytes(folder, WIDS, json.dumps(wids, indent=1).encode() + b"\n")
    empty = tuple(f"{entry.name}.tar" for entry in manifest.shards if not entry.samples)
    ours = not folder.exists(CARD) or MARK.encode() in read_bytes(folder, CARD)
    if ours:
        size = sum(sizes.values())
        text = card_text(counts, images[0], size, complete=not empty, license=license, license_link=license_link)
        write_bytes(folder, CARD, text.encode())
    return IndexSummary(uri=folder.uri, samples=sum(counts.values()), tars=len(counts), card_kept=not ours, empty=empty)


def _indexed(folder: Folder, counts: Mapping[str, int], progress: Progress) -> Iterator[TarIndex]:
    for done, (shard, samples) in enumerate(counts.items()):
        progress(done, len(counts), shard)
        yield index_tar(folder, shard, samples)
