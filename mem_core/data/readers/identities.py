"""`identities`: one folder of images per person or thing; captions come from templates with the folder's name.

`Ada_Lovelace/1.jpg` -> "a photo of Ada Lovelace", by every template or by one drawn for each photo. Images in deeper
folders show the same as those above them. Folders of train/val/test above are understood, and one around all of them
(`identity_folders.py`). Numbers before all of the names (`10_cats`, `001.Albatross`) are no part of them: counts of
repeats, or of classes.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, partial
from itertools import chain

from mem_core.common.errors import ConfigError
from mem_core.common.rng import derived_seed
from mem_core.config import CorpusConfig
from mem_core.data.readers.base import Detected, RawSample, failed
from mem_core.data.readers.identity_folders import levels_of
from mem_core.data.readers.path_parts import is_picture
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.splits import split_in_name
from mem_core.data.readers.text import repaired
from mem_core.data.synthetic.names import renamed

DEFAULT_TEMPLATES = (
    "a photo of {name}",
    "a picture of {name}",
    "a portrait of {name}",
    "a photo of the face of {name}",
    "this is {name}",
)
_NUMBERED = re.compile(r"\d+[_.](?=.*[^\W\d_])")


class IdentitiesReader(FormatReader):
    """All images of the source, in folders by name, as the config says; `seed` draws the invented names of `rename`."""

    format = "identities"
    all_pictures = True

    def __init__(self, tree: SourceTree, found: Detected, config: CorpusConfig, seed: int) -> None:
        super().__init__(tree, found, config, seed)
        self._levels = levels_of(filter(is_picture, tree.names))
        self._photos = self._by_folder(tree)
        self.files = sorted(chain.from_iterable(self._photos.values()), key=_parts)
        self.templates = config.identities.templates or DEFAULT_TEMPLATES
        if any("{name}" not in template for template in self.templates):
            raise ConfigError(f"expected caption templates that contain {{name}}, got {self.templates!r}")

    def split_of(self, file: SourceFile) -> str:
        level = self._levels.split
        return split_in_name(_parts(file)[level]) if 0 <= level < len(_parts(file)) - 1 else ""

    def rows(self, file: SourceFile) -> Iterator[RawSample]:
        folder = self._levels.folder_of(file.path)
        where, is_text = repaired(folder)
        if not is_picture(file.path):
            yield failed(where, f"expected images in the identity folder {where!r}, got none", "no-image")
            return
        path = repaired(file.path)[0]
        sample = partial(RawSample, path, self.images.at(file))
        if not folder:
            reason = f"expected an image in a folder named after what it shows, but {path!r} lies beside such folders"
            yield sample((), problem=reason, code="no-caption")
        elif not is_text:
            reason = f"expected a name in UTF-8 for the identity folder {where!r}, got none"
            yield sample((), problem=reason, code="bad-encoding")
        else:
            name = self._names[folder]
            yield sample(self._captions(path, name), self._held_out(file, folder), {"identity": name})

    def _by_folder(self, tree: SourceTree) -> dict[str, list[SourceFile]]:
        """The images of each identity, or some file where it has none, so that it is missed."""
        found: defaultdict[str, list[SourceFile]] = defaultdict(list)
        for file in sorted(tree, key=lambda file: not is_picture(file.path)):
            folder = self._levels.folder_of(file.path)
            if is_picture(file.path) or (folder and folder not in found):
                found[folder].append(file)
        return found

    @cached_property
    def _names(self) -> dict[str, str]:
        """Of each identity, as they stand in captions."""
        written = {folder: folder.rpartition("/")[2] for folder in self._photos if folder}
        if all(map(_NUMBERED.match, written.values())):
            written = {folder: _NUMBERED.sub("", name, count=1) for folder, name in written.items()}
        written = {folder: " ".join(name.replace("_", " ").split()) for folder, name in written.items()}
        invented = renamed(written.values(), self.seed) if self.config.identities.rename else {}
        return {folder: invented.get(name, name) for folder, name in written.items()}

    def _held_out(self, file: SourceFile, folder: str) -> str:
        """The split, where one photo of each identity is held out."""
        if self._levels.split >= 0 or not self.config.identities.hold_out:
            return ""
        return "test" if file.path == self._tests.get(folder) else "train"

    @cached_property
    def _tests(self) -> dict[str, str]:
        return {folder: min(photos, key=_hash).path for folder, photos in self._photos.items() if len(photos) > 1}

    def _captions(self, photo: str, name: str) -> tuple[str, ...]:
        """By all templates, or by the one that seed and photo draw."""
        drawn = derived_seed(self.seed, "template", photo) % len(self.templates)
        chosen = self.templates[drawn : drawn + 1] if self.config.identities.captions == "one" else self.templates
        return tuple(template.replace("{name}", name) for template in chosen)


def _parts(file: SourceFile) -> list[str]:
    return file.path.split("/")


def _hash(image: SourceFile) -> bytes:
    return hashlib.sha256(image.name.encode("utf-8", "surrogateescape")).digest()
