"""Why a sample was not published, or a picture or caption not taken: one fixed code for each cause.

Codes are what statistics, `status` and artifacts count; the sentence beside a code has the details.
"""

from typing import Literal, get_args

Code = Literal[
    "no-caption",  # the picture is there, no caption of it is
    "empty-caption",  # nothing to read in it: blanks, dots, invisible letters
    "caption-not-text",  # a number, a list of lists, a lone surrogate
    "bad-encoding",  # bytes that are no text in the encoding that was asked for
    "bad-entry",  # a line, row or record that cannot be understood
    "bad-metadata",  # a sidecar that is no JSON object
    "bad-key",  # a sample key that WebDataset's readers would not understand
    "no-image",  # a caption is there, the picture that it names is not
    "ambiguous-image",  # several pictures fit the name, or one sample has several
    "outside",  # a path or link that leads out of the source
    "unreadable",  # the file is there and cannot be read
    "empty-image",  # 0 bytes
    "not-an-image",  # no format that is read
    "missing-decoder",  # a format that a package not installed here would read
    "damaged-image",  # cut short, or bytes that no decoder takes
    "animated",  # several frames
    "too-large",  # bytes, pixels or sides beyond a limit
    "split-conflict",  # named for two splits, or for a split that cannot be one
    "duplicate",  # the same picture or key once more
    "protected-already",  # carries memshield's note or noise
    "side-file",  # hidden, or an operating system's own
    "over-limit",  # beyond `corpus.limit`
    "over-budget",  # cannot be protected within the noise or quality budget
    "unusable",  # a cause without a code of its own
]
CODES: tuple[Code, ...] = get_args(Code)
