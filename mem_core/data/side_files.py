"""Files that a person never meant as data: hidden ones, and those that operating systems and disks put beside others.

._photo.jpg  .DS_Store  .trashed-1712-photo.jpg  .thumbnails/...     hidden: a name that begins with a dot
__MACOSX/...  @eaDir/...  #recycle/...  $RECYCLE.BIN/...             an archive's, a disk station's, a bin
Thumbs.db  desktop.ini  ~$list.csv  list.csv~                        a file browser's, an editor's
"""

import re

_FOLDERS = frozenset(
    (
        *("__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler"),
        *("lost+found", "__pycache__", "system volume information", "network trash folder", "temporary items"),
    )
)
_FILES = frozenset(("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"))
_EDITORS = re.compile(r"~\$.*|.*~|.*\.(?:part|crdownload|swp)", re.DOTALL)


def is_side_file(path: str) -> bool:
    """Whether a file is hidden, or of such a kind, or lies in such a folder. path: with `/` between parts."""
    *folders, name = path.removeprefix("./").lower().split("/")
    return (
        any(folder[:1] == "." or folder in _FOLDERS for folder in folders)
        or name[:1] == "."
        or name in _FILES
        or _EDITORS.fullmatch(name) is not None
    )
