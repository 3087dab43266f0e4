"""Which format a source is in: one pure function of its listing and a first look at its tables.

A source is understood, or refused with what was seen and the two nearest formats. Captions are never made up where
anything lies that could be real ones.
"""

from collections.abc import Iterable

from mem_core.common.errors import SourceError
from mem_core.common.formatting import counted
from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers.base import Detected
from mem_core.data.readers.columns import IMAGE
from mem_core.data.readers.listing import Listing
from mem_core.data.readers.look import Look
from mem_core.data.readers.path_parts import packed
from mem_core.data.readers.split_lists import is_list_name
from mem_core.data.texts import CAPTION_NAMES

LOOKED_FOR = {
    "csv": f"a .csv, .tsv or .txt table with an image column ({', '.join(IMAGE)}) and a caption column "
    f"({', '.join(CAPTION_NAMES)})",
    "flickr-token": "*.token or *.token.txt with lines of image#0, tab, caption",
    "karpathy": "a .json with images that have sentences",
    "coco": "a .json with images, and annotations with captions, as annotations/captions_train2017.json",
    "jsonl": "a .jsonl or .json of records with an image and a caption, named as the columns of csv",
    "imagefolder": "metadata.csv, .jsonl or .parquet with file_name and a caption, at the top or in split folders",
    "parquet": "*.parquet with an image (bytes or a path) and a caption, named as the columns of csv",
    "webdataset": "*.tar with images, and their captions in .txt or .json of the same names",
    "beside": "images with their captions beside them: 1.jpg with 1.txt, 1.caption or 1.json",
    "identities": "folders named after what their images show, of whose names captions are made",
}
_TABLES = ("csv", "jsonl", "parquet")
_WITH_MANY_TEXTS = ("flickr-token", "beside", "webdataset")
_SAID = 3
_PLAIN = CorpusConfig()


def detected(
    names: Iterable[str], look: Look, uri: str, config: CorpusConfig = _PLAIN, format: str = "auto"
) -> Detected:
    """What a source with these files is read as. names: all paths; look: the first look at one of the files.

    format: `auto`, or the one that is asked for. Raises `SourceError` if nothing fits, or several do.
    """
    listing = Listing(names, look, config)
    if format != "auto":
        return _asked_for(listing, format, uri)
    usable = listing.usable
    if len(usable) > 1:
        found = " and ".join(f"{name} ({', '.join(_examples(listing, name))})" for name in usable)
        raise SourceError(f"expected one kind of captions in {uri}, got {found}", hint="name the format")
    for chosen, files in usable.items():
        return Detected(chosen, files, _reason(listing, chosen), _notes(listing, chosen))
    is_asked = config.identities != IdentitiesConfig()
    is_alone = not (listing.kinds or listing.paired or listing.tars) and listing.has_named_folders
    if (is_asked or is_alone) and (files := listing.promised("identities")):
        reason = "folders of images and nothing that could be captions; these are made of the folders' names"
        return Detected("identities", files, reason, _notes(listing, "identities"))
    raise _refused(listing, uri)


def _asked_for(listing: Listing, format: str, uri: str) -> Detected:
    files = listing.usable.get(format) or listing.promised(format)
    if not files:
        what = f"a source of the format {format} ({LOOKED_FOR[format]}) in {uri}"
        raise SourceError(f"expected {what}, but it is not there; it has {listing.seen}")
    return Detected(format, files, "it is asked for", _notes(listing, format))


def _refused(listing: Listing, uri: str) -> SourceError:
    near = list(dict.fromkeys([*listing.nearest, "csv", "beside"]))[:2]
    nearest = " and ".join(f"{name} ({LOOKED_FOR[name]})" for name in near)
    has_table = any(name in _TABLES for name in listing.nearest)
    asked = _asked_columns(listing.config)
    help = "" if asked else f". The nearest formats are {nearest}"
    return SourceError(
        f"expected {asked or 'images with captions'} in {uri}, but it has {listing.seen}{help}",
        hint="name the columns" if has_table else "name the format" if listing.pictures else None,
    )


def _asked_columns(config: CorpusConfig) -> str:
    """The columns that settings name: their user needs no list of the usual names."""
    named = (("images", config.image_key), ("captions", config.caption_key))
    return " and ".join(f"{what} in a column or key {key!r}" for what, key in named if key)


def _examples(listing: Listing, format: str) -> tuple[str, ...]:
    """Some of the files that hold captions of a format."""
    return tuple((listing.captions_beside if format == "beside" else listing.usable[format])[:2])


def _reason(listing: Listing, format: str) -> str:
    first, many = _examples(listing, format)[0], listing.usable[format]
    if format == "beside":
        return f"{counted(len(listing.paired), 'file')} with captions beside images of their names, as {first}"
    if format == "webdataset":
        return f"{counted(len(many), 'tar')}, as {first}"
    return f"{counted(len(many), 'file')} of this kind, as {first}: {listing.kinds[first].about}"


def _notes(listing: Listing, format: str) -> tuple[str, ...]:
    """What lies beside and is not read."""
    lone = [name for name, kind in listing.kinds.items() if kind.sidecar and listing.is_lone(name)]
    said = [f"{name} is about samples of a tar or folder that is not here" for name in lone]
    if format not in _WITH_MANY_TEXTS:
        others = [
            (name, kind)
            for name, kind in listing.kinds.items()
            if name not in listing.usable.get(format, ())
            and not (kind.format or kind.sidecar or is_list_name(name) or packed(name))
        ]
        said += [f"{name} is not read: it {kind.about}" for name, kind in others]
    more = [f"and {len(said) - _SAID} more like these"] if len(said) > _SAID else []
    return (*said[:_SAID], *more)
