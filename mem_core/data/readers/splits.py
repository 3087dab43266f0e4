"""Which split a sample is in, where its entry does not say so: one rule for all formats, as docs/formats.md states it.

The name of the file that holds the sample goes before the nearest folder around that file, and both before the folders
around the image. A name that says two splits (`train_val.csv`) says none.
"""

import re
from functools import lru_cache

_WORDS = {  # restval is Karpathy's: validation images given back to training
    **dict.fromkeys(("train", "training", "trn", "restval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "minival"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "testa", "testb"), "test"),
    **dict.fromkeys(("eval", "evaluation", "holdout", "heldout"), "test"),  # as Hugging Face reads eval
}
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_APART = re.compile(r"[^a-z]+")


def split_in_name(name: str) -> str:
    """The split that the name of a file or folder says: train, val, test, or "" where it says none."""
    found = {_WORDS[word] for word in _APART.split(name.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else ""


def split_of_folder(path: str) -> str:
    """The split that the folders around a file say, the nearest first."""
    return _split_in_folders(path.replace("\\", "/").rpartition("/")[0])


@lru_cache
def _split_in_folders(folders: str) -> str:
    return next(filter(None, map(split_in_name, reversed(folders.split("/")))), "")


def split_of(path: str) -> str:
    """The split of what a caption file, tar or table holds, by its own name, else by the folders around it."""
    return split_in_name(path.rpartition("/")[2]) or split_of_folder(path)


@lru_cache
def split_word(text: str) -> str:
    """Our name of the split: lower case, one of the words for train, val and test as that. Raises ValueError."""
    word = text.strip().lower()
    word = _WORDS.get(word, word)
    if word and not _NAME.fullmatch(word):
        raise ValueError(f"expected a split named with letters, digits, - or _, got {text[:80]!r}")
    return word
