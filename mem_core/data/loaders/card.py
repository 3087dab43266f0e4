"""The page that Hugging Face's hub and `datasets` read first: which files are the data, and what is in them.

It says nothing of protection: whether that is told is a setting of the corpus (`protect.metadata.note`).
"""

from collections.abc import Mapping
from typing import Any

import yaml

from mem_core.common.formatting import counted

CARD = "README.md"
MARK = "<!-- Made from the shards, and made again with them. Without this line the page is yours and stays. -->"


def card_text(
    counts: Mapping[str, int], images: str, size: int, *, complete: bool, license: str, license_link: str
) -> str:
    """The page. counts: samples of each shard that has any; complete: there are no other tars in the folder; images:
    the extension of the images; size: bytes of all members; license: the hub's name of one, or with a link any.

    Features are named, as `datasets` otherwise guesses them from the first five samples and stops at the first JSON
    that has more, and at a first tar that is empty. Its cache knows a local folder by its name and by what the card
    says: without the split's size it would give the samples of an older corpus of this name.
    """
    pairs = sum(counts.values())
    terms = (
        {"license": "other", "license_name": license, "license_link": license_link}
        if license_link
        else {"license": license}
    )
    kinds = {images: "image", "txt": "string", "json": "json", "__key__": "string", "__url__": "string"}
    front: dict[str, Any] = terms | {
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "*.tar" if complete else [f"{shard}.tar" for shard in counts]}
                ],
            }
        ],
        "dataset_info": {
            "features": [{"name": name, "dtype": kind} for name, kind in kinds.items()],
            "splits": [{"name": "train", "num_bytes": size, "num_examples": pairs}],
        },
    }
    return (
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{MARK}\n\n# Images and captions\n\n"
        f"{counted(pairs, 'image')} with captions in {counted(len(counts), 'shard')}, in the WebDataset format: "
        f"`{images}` is the image, `txt` its first caption, and `json` has all `captions` and what else is known.\n"
    )
