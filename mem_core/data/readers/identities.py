"""`identities`: one folder of images per person or thing; captions come from templates with the folder's name.

`Ada_Lovelace/1.jpg` -> "a photo of Ada Lovelace", by every template or by one drawn for each photo. One level
of train/val/test folders above is understood.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath

from mem_core.common.errors import ConfigError
from mem_core.common.rng import derived_seed
from mem_core.config import CorpusConfig
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.reader import FormatReader, side_pictures
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
_PLAIN = CorpusConfig()


class IdentitiesReader(FormatReader):
    """Images in folders by name, as the config says; `seed` draws the invented names of `rename`.

    files: one image of each folder is enough; the folders are gone through as a whole.
    """

    format = "identities"

    def __init__(
        self, tree: SourceTree, files: Sequence[SourceFile], config: CorpusConfig = _PLAIN, seed: int = 0
    ) -> None:
        super().__init__(tree, files, config, seed)
        self.templates = config.identities.templates or DEFAULT_TEMPLATES
        if any("{name}" not in template for template in self.templates):
            raise ConfigError(f"expected caption templates that contain {{name}}, got {self.templates!r}")

    def rows(self, file: SourceFile) -> Iterator[RawSample]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[RawSample]:
        self.left_out = side_pictures(self.tree)
        folders = self.tree.folders()
        files = ImageFiles(self.tree, search=False)
        if folders and all(_split(folder) for folder in folders):
            found = [(identity, _split(folder)) for folder in folders for identity in self.tree.folders(folder)]
        else:
            found = [(identity, "") for identity in folders]
        written = {identity: _written(identity) for identity, _ in found}
        names = renamed(written.values(), self.seed) if self.config.identities.rename else {}
        for identity, split in found:
            yield from self._identity(files, identity, split, names.get(written[identity], written[identity]))

    def _identity(self, files: ImageFiles, folder: str, split: str, name: str) -> Iterator[RawSample]:
        where, is_text = repaired(folder)
        images = image_files(self.tree, folder)
        if not images or not is_text:
            what = "images in" if is_text else "a name in UTF-8 for"
            reason = f"expected {what} the identity folder {where!r}, got none"
            yield failed(where, reason, "no-image" if is_text else "bad-encoding", split=split)
            return
        held_out = min(images, key=_hash) if self.config.identities.hold_out and not split and len(images) > 1 else None
        for image in images:
            found = "test" if image == held_out else split or ("train" if self.config.identities.hold_out else "")
            path = repaired(image.path)[0]
            yield RawSample(
                path, partial(_read, files, image.path), self._captions(path, name), found, {"identity": name}
            )

    def _captions(self, photo: str, name: str) -> tuple[str, ...]:
        """By all templates, or by the one that seed and photo draw."""
        drawn = derived_seed(self.seed, "template", photo) % len(self.templates)
        chosen = self.templates[drawn : drawn + 1] if self.config.identities.captions == "one" else self.templates
        return tuple(template.replace("{name}", name) for template in chosen)


def image_files(tree: SourceTree, folder: str) -> list[SourceFile]:
    """Image files right in the folder, by suffix, sorted. Links are kept: whether they lead out is seen later."""
    return [file for file in tree.inside(folder) if file.suffix in PICTURE_SUFFIXES]


def _written(folder: str) -> str:
    """The folder's name as words."""
    return " ".join(PurePosixPath(folder).name.replace("_", " ").split())


def _read(files: ImageFiles, path: str) -> bytes:
    return files.locate(path)()


def _hash(image: SourceFile) -> bytes:
    return hashlib.sha256(image.name.encode("utf-8", "surrogateescape")).digest()


def _split(folder: str) -> str:
    return split_in_name(PurePosixPath(folder).name)
