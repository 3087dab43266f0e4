"""A folder of drawn data: it appears whole or not at all, and equal arguments leave it as it is."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mem_core.common.errors import DestinationError
from mem_core.common.paths import whole_path

_MARK = "procedural.json"


def drawn_folder(
    dest_path: str | os.PathLike[str], arguments: Mapping[str, int | str], draw: Callable[[Path], None]
) -> Path:
    """Calls `draw` with a new folder, which becomes `dest_path` when it is complete.

    The arguments are kept in procedural.json. Raises `DestinationError` if the path holds anything else.
    """
    dest = whole_path(dest_path)
    mark = json.dumps(dict(arguments))
    if _is_done(dest, mark):
        return dest
    partial = dest.with_name(f".partial-{dest.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    draw(partial)
    (partial / _MARK).write_text(mark + "\n", encoding="utf-8")
    if dest.exists():
        dest.rmdir()  # an empty folder, as checked above
    partial.rename(dest)
    return dest


@contextmanager
def captions_table(folder: Path) -> Iterator[Callable[[str, Sequence[str], str], None]]:
    """captions.csv of a `csv` source: call what it gives with an image's name, its captions and its split."""
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["image", "caption_id", "caption", "split"])
        yield lambda name, captions, split: table.writerows(
            (name, number, caption, split) for number, caption in enumerate(captions)
        )


def _is_done(dest: Path, mark: str) -> bool:
    """Whether this very corpus is there. Raises `DestinationError` if something else is."""
    if not dest.exists():
        return False
    if not dest.is_dir() or (any(dest.iterdir()) and not (dest / _MARK).is_file()):
        raise DestinationError(f"expected a new folder for the drawn corpus, but {dest} holds other data")
    if not any(dest.iterdir()):
        return False
    if (found := (dest / _MARK).read_text(encoding="utf-8").strip()) != mark:
        raise DestinationError(f"expected a drawn corpus with {mark} in {dest}, but it has {found}: use another folder")
    return True
