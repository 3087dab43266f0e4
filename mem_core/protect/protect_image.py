"""One image and its caption, protected at once with a codebook: what a server calls before it publishes an upload.

No torch is loaded. Decoding, noise, words, encoding and the check after it are the pipeline's own functions, so the
bytes are those that the pipeline publishes for the same key.
"""

from dataclasses import dataclass
from pathlib import Path

from mem_core.common.draws import draw_seed
from mem_core.common.errors import ConfigError, ImageError, MismatchError, SampleError
from mem_core.common.storage.folder import LocalFolder
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import ProtectConfig
from mem_core.config.methods import METHODS
from mem_core.data.already import protected_already
from mem_core.data.images import ImageFormat, Pixels, decode_image
from mem_core.data.texts import check_caption
from mem_core.models.byte_pairs import BytePairs
from mem_core.models.placement import published_caption, spelled
from mem_core.perturb.allowed_words import allowed_ids, ids_sha256
from mem_core.perturb.codebook import Noise, Topics, plain_ids, sample_noise, topic_ids
from mem_core.protect.protector import Protector, check_vocabulary, parse_protector, require_protector
from mem_core.protect.published_image import published_image


@dataclass(frozen=True)
class CodebookProtector:
    """A codebook ready for use, by any number of threads; `load_protector` makes it.

    allowed: the ids that trigger words are drawn from; words: the ids of each topic's, none where captions say nothing
    about them.
    """

    config: ProtectConfig
    seed: int
    topics: Topics
    tokenizer: BytePairs
    allowed: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]

    def trigger(self, topic: int, shard: str, key: str) -> str:
        """The trigger words of one sample, as text."""
        kind, trigger = self.config.recipe.trigger, self.config.trigger
        if kind == "topic":
            ids = list(self.words[topic])
        else:
            ids = plain_ids(kind, self.allowed, trigger, self.tokenizer, self._draw_seed, shard, key)
        return spelled(ids, self.tokenizer, trigger.placement)

    def noise(self, topic: int, clean: Pixels, shard: str, key: str) -> Noise:
        """The grating for one sample's image, uint8 [H, W, 3]."""
        return sample_noise(topic, clean, self.config.noise, self._draw_seed, shard, key, self.config.draw)

    @property
    def _draw_seed(self) -> int:
        return draw_seed(self.seed, self.config.draw)


def load_protector(source: str | Path | bytes, *, image_format: ImageFormat | None = None) -> CodebookProtector:
    """The protector of a codebook, to be loaded once: half a second of work.

    source: the folder that `memshield protect` left it in, its `protector.json`, or the bytes of that file.
    image_format: of the published files, None for that of the corpus it was fitted on; its other settings hold.

    Raises `ConfigError` where no protector is, `MismatchError` for one that is damaged, of another method, or of a
    version whose trigger words are others.
    """
    place = "these bytes" if isinstance(source, bytes) else str(source)
    stored = _stored(source)
    config = stored.config if image_format is None else stored.config.model_copy(update={"image_format": image_format})
    if stored.topics is None:
        able = " or ".join(row.name for row in METHODS.values() if row.noise == "codebook")
        raise MismatchError(
            f"expected the protector of a {able} in {place}, got one of {config.method}: its noise takes a model "
            "and the other images of a shard, so protect a shard with it"
        )
    tokenizer = BytePairs()
    allowed = allowed_ids(tokenizer, config.trigger)
    check_vocabulary(stored, ids_sha256(allowed), place)
    words: list[list[int]] = []
    if config.recipe.trigger == "topic":
        words = topic_ids(stored.topics, allowed, config.trigger, stored.seed, tokenizer, config.draw)
    return CodebookProtector(config, stored.seed, stored.topics, tokenizer, allowed, tuple(map(tuple, words)))


def protect_image(
    data: bytes, caption: str, protector: CodebookProtector, *, shard: str = "", key: str = ""
) -> tuple[bytes, str]:
    """The published file (lossless, every pixel within epsilon, read back and compared) and the published caption.

    data: an image file of any format that is read; caption: its one caption; shard, key: the names that the sample has
    in a corpus, whose bytes these then are. Without a key the file's SHA-256 is it: equal uploads become equal files.

    Raises `ImageError` for an image that cannot be read or published, `CaptionError` for a caption that is no text or
    has nothing to read, `SampleError` (of which both are kinds) for a file with memshield's note in it. The error's
    `code` names the reason, as in the tables of a corpus.
    """
    if not isinstance(protector, CodebookProtector):
        raise TypeError(f"expected a protector as load_protector returns it, got a {type(protector).__name__}")
    if not isinstance(data, bytes):
        raise ImageError(f"expected the bytes of an image file, got a {type(data).__name__}", code="not-an-image")
    check_caption(caption)
    config, key = protector.config, key or sha256_bytes(data)
    if config.protected == "refuse" and (why := protected_already(data, {}, "protect.protected")):
        raise SampleError(why, code="protected-already")
    clean = decode_image(data, max_pixels=config.max_pixels)
    topic = protector.topics.of([caption], protector.tokenizer)
    noise = protector.noise(topic, clean.pixels, shard, key)
    words = protector.trigger(topic, shard, key)
    return published_image(clean, noise, config).data, published_caption(words, caption, config.trigger.placement)


def _stored(source: str | Path | bytes) -> Protector:
    if isinstance(source, bytes):
        return parse_protector(source, "these bytes")
    path = Path(source)
    if not path.is_file():
        return require_protector(LocalFolder(path))
    try:
        return parse_protector(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"expected a protector in {path}, which cannot be read: {error.strerror}") from error
