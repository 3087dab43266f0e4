"""Everything needed to protect more data later the same way: surrogates, vocabulary, config, fingerprint."""

import json
from contextlib import suppress
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from mem_core import __version__
from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import Frozen, OptimizerConfig, ProtectConfig, fingerprint, first_mistake
from mem_core.config.stored import write_record
from mem_core.models.identity import weights_identity
from mem_core.perturb.codebook import Topics

ONE_PATTERN = (
    "it was fitted by version 0.3.0 or older, which added one pattern to all images: noise of each image's own is made "
    "now, so it cannot protect more the same way; fit anew"
)
_FILE = "protector.json"
_BEFORE: dict[str, dict[str, Any]] = {
    "trigger": {
        **{"personal_names": "allow", "spelling": "any"},  # 0.1.0, 0.2.0
        **{"captions": "shuffled", "gradient": "each-position"},  # 0.3.0, in the paper's profile as well
    },
    "surrogate": {"optimizer": OptimizerConfig().model_dump()},  # 0.3.0, in the paper's profile as well
}
# settings that change neither fit nor trigger
_PUBLISHING = {"strategy", "image_format", "on_error", "max_pixels", "protected", "metadata", "quality", "draw"}
_PLACE: dict[str, Any] = {"surrogate": {"checkpoint"}}  # where a given surrogate lies: what it is counts


def surrogate_name(round_number: int) -> str:
    """The file of one round's surrogate, beside the description."""
    return f"surrogate-{round_number:03d}.safetensors"


class Protector(Frozen):
    """The description of a finished fit; the surrogates lie beside it, one file a round. topics: a codebook's."""

    format: Literal[1] = 1
    config: ProtectConfig
    seed: int
    code_version: str
    vocabulary_sha256: str
    fit_fingerprint: str
    surrogates: dict[str, str]
    losses: tuple[float, ...]
    topics: Topics | None = None

    @model_validator(mode="before")
    @classmethod
    def _older(cls, data: Any) -> Any:
        """A setting that is younger than the protector says what was done before there was a choice."""
        with suppress(KeyError, TypeError, AttributeError):  # what is no protector is refused for that
            for part, then in _BEFORE.items():
                data = {**data, "config": {**data["config"], part: {**then, **data["config"][part]}}}
        return data

    @model_validator(mode="after")
    def _holds_what_its_method_needs(self) -> "Protector":
        recipe = self.config.recipe
        names = {surrogate_name(number) for number in range(len(self.losses))}
        if recipe.learns_first and len(self.losses) > 1:
            raise ValueError(ONE_PATTERN)
        if recipe.needs_surrogate and (not names or set(self.surrogates) != names):
            raise ValueError(f"expected a surrogate for each of {len(self.losses)} rounds, got {len(self.surrogates)}")
        if recipe.noise == "codebook" and (self.topics is None or self.topics.count != self.config.noise.topics):
            found = 0 if self.topics is None else self.topics.count
            raise ValueError(f"expected {self.config.noise.topics} topics, got {found}")
        return self

    @property
    def replay_config(self) -> ProtectConfig:
        """The settings to protect more data with, the same way."""
        return self.config.model_copy(update={"strategy": "replay"})

    @property
    def rounds(self) -> int:
        """Rounds that were done: fewer than configured if the loss threshold was reached."""
        return len(self.surrogates)

    @property
    def fingerprint(self) -> str:
        absent = {} if self.topics else {"topics": True}
        return fingerprint(self.model_dump(mode="json", exclude={"config": _PLACE | {"draw": True}, **absent}))


def fit_fingerprint(
    config: ProtectConfig, seed: int, vocabulary_sha256: str, inputs: list[str], given: str = ""
) -> str:
    """What a fit depends on: config, start, seed, words, code, and the hashes of the shards it is fitted on.

    given: the fingerprint of the victim that is the surrogate, if one is, wherever it lies.
    The controls that leave MEM's noise or trigger out are fitted as MEM itself.
    """
    settings = config.model_dump(mode="json", exclude=dict.fromkeys(_PUBLISHING, True) | _PLACE)
    settings["method"] = config.recipe.family
    start = given or weights_identity(config.surrogate.pretrained)
    return fingerprint(settings, start, seed, __version__, vocabulary_sha256, *sorted(inputs))


def publishing_fingerprint(config: ProtectConfig, seed: int, protector: str, input_sha256: str, twins: str = "") -> str:
    """What a published shard depends on. The strategy is no part of it: rounds and replay give the same bytes.

    twins: what says which draw of each sample is published; "" where all are of the config's draw.
    """
    settings = config.model_dump(mode="json", exclude={"strategy": True, **_PLACE})
    return fingerprint(settings, seed, protector, input_sha256, __version__, *filter(None, [twins]))


def note_fingerprint(config: ProtectConfig, seed: int, protector: str, input_sha256: str) -> str:
    """What the note of a published sample says: the same for all draws, as it would tell which of them is published."""
    return publishing_fingerprint(config.model_copy(update={"draw": 0}), seed, protector, input_sha256)


def effective_config(protector: Protector, wanted: ProtectConfig, uri: str) -> ProtectConfig:
    """The config to replay a protector with: its own settings, published as wanted.

    Raises `MismatchError` if another method is wanted than the protector was fitted for.
    """
    if wanted.recipe.family != protector.config.recipe.family:
        raise MismatchError(
            f"expected a protector for {wanted.method}, but {uri} was fitted for {protector.config.method}",
            hint="take the protector's method",
            about=protector.config.method,
        )
    taken = {name: getattr(wanted, name) for name in (*_PUBLISHING, "method")}
    return protector.config.model_copy(update=taken)


def write_protector(folder: Folder, protector: Protector) -> None:
    """The description, written after everything it describes."""
    write_record(folder, _FILE, protector)


def discard_protector(folder: Folder) -> None:
    """Removes the description, so that the surrogates beside it are those of no finished fit."""
    folder.delete(_FILE)


def holds_another_fit(folder: Folder, identity: str, *, redo: bool) -> bool:
    """Whether a finished protector is there that is damaged, or not the one of the fit `identity`.

    Only with `redo` is that an answer: without it `MismatchError` is raised.
    """
    try:
        done = read_protector(folder)
    except MismatchError:
        if not redo:
            raise
        return True
    differs = done is not None and done.fit_fingerprint != identity
    if differs and not redo:
        raise MismatchError(
            f"expected {folder.uri} to be fitted with these settings on this corpus, but it was fitted "
            "otherwise: choose another destination",
            hint="redo the fit",
        )
    return differs


def read_protector(folder: Folder) -> Protector | None:
    """The description, or None where none is. Raises `MismatchError` if it is not one."""
    try:
        return parse_protector(read_bytes(folder, _FILE), f"{folder.uri}/{_FILE}")
    except FileNotFoundError:
        return None


def parse_protector(data: bytes, place: str) -> Protector:
    """The description in the bytes of a file. place: where they lie, for sentences. Raises `MismatchError`."""
    values: Any = None
    try:
        values = json.loads(data)
        return Protector.model_validate(values)
    except (ValueError, RecursionError) as error:  # of the former pydantic's are some
        reason = first_mistake(error) if isinstance(error, ValidationError) else error
        written = values.get("code_version") if isinstance(values, dict) else None
        by = f" ({_versions(written)})" if isinstance(written, str) and written != __version__ else ""
        raise MismatchError(f"expected a protector in {place}, which cannot be read: {reason}{by}") from error


def check_vocabulary(protector: Protector, sha256: str, place: str) -> None:
    """Raises `MismatchError` if the words that are made here, whose hash is `sha256`, are not those of the fit."""
    if protector.vocabulary_sha256 != sha256:
        raise MismatchError(
            f"expected the vocabulary of {place}, but this tokenizer, blocklist or language model makes another "
            f"({_versions(protector.code_version)})"
        )


def _versions(written: str) -> str:
    return f"memshield {written[:40]} wrote it, this is {__version__}"


def require_protector(folder: Folder) -> Protector:
    """The description of a finished protector. Raises `ConfigError` where none is."""
    found = read_protector(folder)
    if found is None:
        raise ConfigError(f"expected a finished protector in {folder.uri}, but there is none")
    return found
