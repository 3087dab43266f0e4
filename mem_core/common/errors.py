"""Every error memshield raises on purpose, in the three classes that decide what a run does next.

    MemshieldError
    |-- StopRun                 nothing can go on: tell the user, exit
    |   |-- ConfigError         a setting is unknown, out of range or contradicts another
    |   |-- SourceError         the input cannot be read as a corpus at all
    |   |-- DestinationError    the output place is wrong: it is the source, or holds other data
    |   |-- MismatchError       stored bytes do not match their receipt, protector or config
    |   `-- StorageRefused      missing bucket, wrong credentials, no permission
    |-- SampleError             this sample is recorded as failed, the shard goes on
    |   |-- ImageError          the image cannot be decoded or published
    |   `-- CaptionError        a caption is missing, empty or not text
    `-- RetryShard              this shard may succeed when tried again (network, memory, lost worker)

Each message is one sentence: what was expected, what was found, and in which shard or sample. An error may carry a
hint: what would help, for whoever knows how to ask for it (`flows/cli/remedies.py`).
"""

from typing import Literal

from mem_core.common.reasons import Code

Hint = Literal[
    "shard the source",
    "name the format",
    "name the encoding",
    "name the columns",
    "name the datasets",
    "name the clean corpus",
    "look for failed samples",
    "name the protector",
    "protect once",
    "protect again",
    "take the protector's method",
    "redo shards",
    "redo the fit",
    "train a victim",
    "evaluate victims",
    "run a stress test",
    "run the pipeline",
    "train a language model",
    "ask for twins",
    "open the key",
    "name the key",
    "make twins",
    "finish it",
    "name another folder",
]


class MemshieldError(Exception):
    """Base of all errors that memshield raises on purpose. about: the place or the value that the hint is about."""

    def __init__(self, *message: str, hint: Hint | None = None, about: str = "") -> None:
        super().__init__(*message)
        self.hint, self.about = hint, about


class StopRun(MemshieldError):
    """The run cannot go on; the message tells the user what to change."""


class ConfigError(StopRun):
    """A setting is unknown, out of its range, or contradicts another."""


class SourceError(StopRun):
    """The input cannot be read as a corpus."""


class DestinationError(StopRun):
    """The output place cannot be used."""


class MismatchError(StopRun):
    """Stored bytes do not match their receipt, their protector or the config."""


class StorageRefused(StopRun):
    """The store refuses the request: no such bucket, no permission, wrong credentials."""


class SampleError(MemshieldError):
    """One sample cannot be processed; it becomes a row with this reason, counted by its code."""

    usual_code: Code = "unusable"

    def __init__(self, *message: str, code: Code | None = None) -> None:
        super().__init__(*message)
        self.code: Code = code or self.usual_code


class ImageError(SampleError):
    """The image cannot be decoded, or not be published within the budget."""

    usual_code = "damaged-image"


class CaptionError(SampleError):
    """A caption is missing, empty or not text."""

    usual_code = "caption-not-text"


class RetryShard(MemshieldError):
    """The shard failed for a temporary reason."""
