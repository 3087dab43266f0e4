"""What the parts of a path in a source say: its folder, its suffix, what looks like a picture or tar."""

from unicodedata import normalize

from mem_core.data.image_formats import PICTURE_SUFFIXES

TEXT_SUFFIXES = (".json", ".txt", ".caption")
"""Of the files that may hold captions of the picture of their name, in the order of `texts.read_captions`."""
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_PACKED = {
    **dict.fromkeys((".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"), "is packed: unpack it first"),
    **dict.fromkeys((".arrow", ".feather"), "is Arrow, as save_to_disk writes it: save it as Parquet"),
    ".tfrecord": "is TensorFlow's: have it written as tars (webdataset)",
}


def suffix_of(path: str) -> str:
    """In lower case, with its dot; "" where there is none."""
    stem, _, suffix = path.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if stem and suffix else ""


def without_suffix(path: str) -> str:
    """All but that."""
    return path[: len(path) - len(suffix_of(path))]


def folder_around(path: str) -> str:
    """ "" at the top."""
    return path.rpartition("/")[0]


def stem_of(path: str) -> str:
    """The path of a tar without its suffix."""
    return next((path[: -len(end)] for end in TAR_SUFFIXES if path.lower().endswith(end)), path)


def packed(path: str) -> str:
    """Of an archive that only the reader of tars may open, so that nobody knows what it holds: what it is and what to
    do; else ""."""
    return _PACKED.get(suffix_of(path), "")


def is_picture(path: str) -> bool:
    """Whether the source means the file as a picture: by its suffix, whatever it is a link to."""
    return suffix_of(path) in PICTURE_SUFFIXES


def folded(text: str) -> str:
    """Equal for texts of the same letters, whatever their case and form."""
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())
