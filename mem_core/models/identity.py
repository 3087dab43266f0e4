"""What a fingerprint says about the weights that a model starts from; no torch is needed to tell them apart."""

import hashlib
from pathlib import Path


def weights_identity(pretrained: str) -> str:
    """What a fingerprint says about the start: a file by its SHA-256, a tag of open_clip by its name."""
    path = Path(pretrained)
    if not pretrained or not path.is_file():
        return pretrained
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
