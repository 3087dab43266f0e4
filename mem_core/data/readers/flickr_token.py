"""`flickr-token`: Flickr8k.token.txt or results_20130124.token (`name.jpg#0<TAB>caption`), with optional split lists.

Split lists: Flickr_8k.trainImages.txt (devImages -> val, testImages) or train.txt, val.txt, test.txt, one image name a
line, with or without `.jpg`. With lists, images in none of them get the split `unlisted`.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from mem_core.data.readers.base import UNLISTED, RawSample
from mem_core.data.readers.captions import CaptionTable, Row
from mem_core.data.readers.records import Record, RecordReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.split_lists import find_split_lists
from mem_core.data.readers.text import read_lines

_NAME = re.compile(r"([^\t#]+\.\w{3,4})#\d+\s")


class FlickrTokenReader(RecordReader):
    """Captions from a token file, splits from the lists beside it."""

    format = "flickr-token"
    own_keys = True
    own_lists = True

    def _unnamed(self, table: CaptionTable, splits: set[str]) -> Iterator[RawSample]:
        return super()._unnamed(table, {UNLISTED} if table.has_splits else splits)

    def records(self, file: SourceFile) -> Iterator[Record | Row]:
        for number, line in read_lines(file, self.config.encoding):
            if not line.strip():
                continue
            image, tab, caption = line.partition("\t")
            name, mark, index = image.strip().rpartition("#")
            if tab and mark and name and index.isdigit():
                yield Record(f":{number}", {"image": name, "caption": caption})
            else:
                found = _NAME.match(line)
                reason = "expected `image.jpg#0<TAB>caption`, got another line"
                yield Record(f":{number}", {}, reason, found[1] if found else "")
        for split, path in find_split_lists(self.tree.inside(file.parent)):
            for _, line in read_lines(path, self.config.encoding):
                if name := line.strip():
                    # Without captions of its own, so a name that the token file lacks becomes a failed row.
                    yield Row(name if PurePosixPath(name).suffix else f"{name}.jpg", None, split)
