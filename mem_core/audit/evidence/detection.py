"""One detection: which model was asked, what it prefers, and what follows from the coins; and how others check it."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mem_core import __version__
from mem_core.audit.evidence.blocks import block_sizes, blocks_of
from mem_core.audit.evidence.commitment import Commitment, coin_of, names_hash, require_key
from mem_core.audit.evidence.encoding import Encoder, features_of
from mem_core.audit.evidence.outcome import EvidenceOutcome, EvidencePlan, outcome_of, sequential_p
from mem_core.audit.evidence.pairs import DrawnPair
from mem_core.audit.evidence.recorded import RecordedVectors
from mem_core.audit.evidence.scores import Score, preferences
from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import Frozen, fingerprint
from mem_core.config.stored import parse_record
from mem_core.models import OpenClipEncoder, save_model
from mem_core.protect.coins import TwinKey

_OTHERS = "expected the pairs that were committed to, in their order, but there are others"
_SAME = 1e-9  # numbers computed again may differ in their last bits from one numpy to another


class AskedModel(Frozen):
    """name: as it was given. sha256: of its weights, or of the file of vectors that were recorded of it. about: what
    else is known of it."""

    name: str
    sha256: str
    about: str = ""


class Detection(Frozen):
    """pairs: their names in the committed order. preferences: of each, for its draw 1, by score; no coin is in them.
    key: the secret, hexadecimal, where it was opened; with it anybody can throw the coins again. sha256: of all the
    rest."""

    format: Literal[1] = 1
    made_with: str = __version__
    model: AskedModel
    commitment: str = Field(description="its sha256")
    test: EvidencePlan
    outcome: EvidenceOutcome
    pairs: tuple[str, ...]
    preferences: dict[Score, tuple[float, ...]]
    key: str = ""
    sha256: str = ""

    def sealed(self) -> "Detection":
        """The same with the hash of everything else in it."""
        return self.model_copy(update={"sha256": fingerprint(self.model_dump(mode="json", exclude={"sha256"}))})

    @property
    def arrays(self) -> dict[Score, NDArray[np.float64]]:
        """The preferences, float64 [N] each."""
        return {score: np.array(values, dtype=np.float64) for score, values in self.preferences.items()}


def detect(
    commitment: Commitment,
    pairs: Iterable[DrawnPair],
    encoder: Encoder,
    key: TwinKey,
    model: AskedModel,
    *,
    answered: Callable[[DrawnPair], bool] | None = None,
    progress: Progress = silent,
) -> Detection:
    """The committed test of one model. answered: whether a recorded model was asked about a pair; a sequential test may
    end with the first block that was not asked about in full.

    Raises `MismatchError` for another key or other pairs than were committed to, `SourceError` for features that are
    missing or cannot be used.
    """
    require_key(commitment, key)
    plan, names = commitment.test, list[str]()
    found: dict[Score, list[float]] = {score: [] for score in plan.scores}
    for block, committed in zip(blocks_of(pairs, commitment.pairs), commitment.blocks, strict=True):
        if names_hash(pair.name for pair in block) != committed:
            raise MismatchError(_OTHERS)
        if plan.sequential and names and answered is not None and not all(map(answered, block)):
            break
        features = features_of(block, encoder, plan.scores)
        names += [pair.name for pair in block]
        for score, values in found.items():
            values += preferences(score, features).tolist()
        progress(len(names), commitment.pairs, "pairs scored")
        if plan.sequential and _is_reached(plan, found, coins_of(commitment, key, names)):
            break
    arrays = {score: np.array(values, dtype=np.float64) for score, values in found.items()}
    detection = Detection(
        model=model,
        commitment=commitment.sha256,
        test=plan,
        outcome=outcome_of(plan, arrays, coins_of(commitment, key, names)),
        pairs=tuple(names),
        preferences={score: tuple(values) for score, values in found.items()},
    ).sealed()
    _require_all_pairs(commitment, detection)
    return detection


def asked_model(place: str, model: OpenClipEncoder) -> AskedModel:
    """A model at hand: by the last part of its place, and the hash of its weights as safetensors."""
    about = f"{model.architecture}, which reads images at {model.image_size} pixels"
    return AskedModel(name=_last_part(place), sha256=sha256_bytes(save_model(model)), about=about)


def asked_recorded(name: str, vectors: RecordedVectors) -> AskedModel:
    """A model that was asked through an endpoint: by its name, and the hash of what was recorded."""
    return AskedModel(name=_last_part(name), sha256=vectors.sha256, about="whose answers were recorded")


def _last_part(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2] or place


def coins_of(commitment: Commitment, key: TwinKey, names: Iterable[str]) -> NDArray[np.int64]:
    """The published draw of each pair, 0 or 1 [N]."""
    return np.array([coin_of(key, commitment, name) for name in names], dtype=np.int64)


def _is_reached(plan: EvidencePlan, found: Mapping[Score, Sequence[float]], coins: NDArray[np.int64]) -> bool:
    arrays = [np.array(values, dtype=np.float64) for values in found.values()]
    return bool(sequential_p(arrays, coins)[-1] <= plan.alpha)


def opened(detection: Detection, key: TwinKey) -> Detection:
    """The same with the key in it, so that others can check it. Whoever has it knows all coins of the corpus."""
    return detection.model_copy(update={"key": key.secret.hex()}).sealed()


def detection_bytes(detection: Detection) -> bytes:
    """Canonical JSON, on one line."""
    values = detection.model_dump(mode="json")
    return (json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def read_detection(folder: Folder, name: str) -> Detection:
    """Raises `SourceError` where there is none, `MismatchError` for anything but one with the hash of its content."""
    place = f"{folder.uri}/{name}"
    try:
        data = read_bytes(folder, name)
    except FileNotFoundError as error:
        raise SourceError(f"expected the result of a detection at {place}, but there is no such file") from error
    detection = parse_record(data, Detection, "the result of a detection", place)
    written = json.loads(data)  # hashed as it stands
    if detection.sha256 != fingerprint({name: value for name, value in written.items() if name != "sha256"}):
        raise MismatchError(f"expected the result {place} as memshield wrote it, but it was edited")
    return detection


def check_detection(commitment: Commitment, detection: Detection, key: TwinKey | None = None) -> EvidenceOutcome:
    """Computes a result again from the opened key and the recorded preferences.

    key: where the result was not opened. Raises `ConfigError` where neither has a key, `MismatchError` for a result
    that belongs to another commitment, is of another statistic or of a subset, or says something else than follows.
    """
    key = key or _opened_key(detection)
    require_key(commitment, key)
    if detection.commitment != commitment.sha256:
        raise MismatchError(
            f"expected a result under the commitment {commitment.sha256[:12]}, but it is under "
            f"{detection.commitment[:12]}"
        )
    if detection.test != commitment.test or set(detection.preferences) != set(commitment.test.scores):
        raise MismatchError(
            f"expected the test that was committed to ({_named(commitment.test)}), but the result is of another "
            f"({_named(detection.test)}): it was changed afterwards"
        )
    _require_all_pairs(commitment, detection)
    again = outcome_of(commitment.test, detection.arrays, coins_of(commitment, key, detection.pairs))
    if other := next(_differing(again.model_dump(), detection.outcome.model_dump()), ""):
        raise MismatchError(
            f"expected the result that follows from the key and the preferences, but it says {other}: it was edited"
        )
    return again


def _opened_key(detection: Detection) -> TwinKey:
    try:
        secret = bytes.fromhex(detection.key)
    except ValueError as error:
        raise MismatchError(
            "expected the opened key as hexadecimal digits in the result, got something else"
        ) from error
    if not secret:
        raise ConfigError("expected a result with its key opened, but it has none", hint="open the key")
    return TwinKey(secret)


def _require_all_pairs(commitment: Commitment, detection: Detection) -> None:
    """A fixed test takes all pairs; a sequential one the first blocks, as far as they go."""
    count, sizes = len(detection.pairs), block_sizes(commitment.pairs)
    if len(set(detection.pairs)) < count:  # the same coin again would count as another one that was guessed
        name = next(name for name, times in Counter(detection.pairs).items() if times > 1)
        raise MismatchError(f"expected each pair once, as each has one coin, but {name} is there more than once")
    if any(len(values) != count for values in detection.preferences.values()):
        raise MismatchError(f"expected a preference for each of {count} pairs, got others: the result was edited")
    if count != commitment.pairs and not (commitment.test.sequential and count in accumulate(sizes)):
        raise MismatchError(
            f"expected all {commitment.pairs} pairs that were committed to, but the result is of {count}: a subset was "
            "chosen afterwards"
        )
    whole = sum(end <= count for end in accumulate(sizes))
    found = tuple(map(names_hash, islice(blocks_of(detection.pairs, commitment.pairs), whole)))
    if found != commitment.blocks[:whole]:
        raise MismatchError(_OTHERS)


def _named(plan: EvidencePlan) -> str:
    return f"{plan.statistic}, alpha {plan.alpha:g}, {'sequential' if plan.sequential else 'fixed'}"


def _differing(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """What the other says that this one does not, by name: `p = 1e-09 in place of 0.31`."""
    if isinstance(one, dict):
        for key, value in one.items():
            yield from _differing(value, other[key], f"{name} {key}".lstrip())
    elif isinstance(one, list | tuple) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True), start=1):
            yield from _differing(*pair, f"{name} {number}")
    elif not _same(one, other):
        yield f"{name} = {other} in place of {one}" if isinstance(other, str | int | float | None) else f"other {name}"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _SAME * max(abs(one), abs(other), 1e-300)
    return bool(one == other)
