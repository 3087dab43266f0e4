"""What of a sample's metadata is published: no clean captions and, by default, not where and with what it was taken,
nor what leads back to the clean file.

Entries are judged by the words of their names at any depth, so `GPSLatitude`, `geo_location` and `camera: {...}` are
all found. Whatever names a licence, a right or an opt-out stays, also inside an entry that goes.
"""

from typing import Any

from mem_core.common.errors import SampleError
from mem_core.config.protect import MetadataConfig
from mem_core.data.image_metadata import embedded_rights
from mem_core.data.origin import is_right, name_words, object_in, without_origin
from mem_core.data.shard import Sample

RIGHTS = "embedded_rights"
"""The sidecar's entry for what stood inside the image file."""
BLOCK = "memshield"
"""The sidecar's entry for what was done to the sample."""
UNPROTECTED = "none"
"""The method that it names where a sample passed through as it was."""

_LOCATION = frozenset(
    (
        *("lat", "lon", "lng", "geo", "geotag", "geotags", "geotagged", "geolocation", "geohash", "geocode"),
        *("location", "locations", "place", "woeid", "coordinate", "coordinates", "altitude"),
    )
)
_CAMERA = frozenset(("exif", "xmp", "iptc", "makernote", "makernotes", "camera", "lens", "serial", "device"))
_CAMERA_ALONE = frozenset({"make", "model"})  # `caption_model` is no camera


def published_metadata(
    sample: Sample, published: tuple[str, ...], policy: MetadataConfig | None = None
) -> dict[str, Any]:
    """The metadata of a clean sample as they may stand beside published captions.

    Entries that repeat a clean caption are left out: img2dataset's JSON has the caption once more under "caption", and
    kept, it would hand out what the trigger hides. policy: None keeps all others (shards made before there was one).
    """
    hidden = {caption.strip() for caption in sample.captions} - {caption.strip() for caption in published}
    kept = {name: value for name, value in sample.metadata.items() if name != BLOCK and not _repeats(value, hidden)}
    if policy is None:
        return kept
    rights = embedded_rights(sample.image) if policy.rights == "sidecar" else {}
    rights = {name: text for name, text in rights.items() if text not in hidden}
    kept |= {RIGHTS: rights} if rights else {}
    try:
        return _without_private(without_origin(kept, sample) if policy.origin == "strip" else kept, policy)
    except RecursionError:
        what = f"expected metadata of {sample.key} that are not nested too deeply"
        raise SampleError(what, code="bad-metadata") from None


def _without_private(values: dict[str, Any], policy: MetadataConfig) -> dict[str, Any]:
    kept = {}
    for name, value in values.items():
        if is_right(name):
            kept[name] = value
        elif _is_private(name, policy):
            if rights := _rights_inside(value):
                kept[name] = rights
        else:
            kept[name] = _filtered(value, policy)
    return kept


def _filtered(value: Any, policy: MetadataConfig) -> Any:
    if isinstance(value, dict):
        return _without_private(value, policy)
    return [_filtered(item, policy) for item in value] if isinstance(value, list) else value


def _rights_inside(value: Any) -> dict[str, Any]:
    """The entries on rights in an object that goes; img2dataset's `exif` is an object written as a string."""
    value = object_in(value) if isinstance(value, str) else value
    return {name: item for name, item in value.items() if is_right(name)} if isinstance(value, dict) else {}


def _is_private(name: str, policy: MetadataConfig) -> bool:
    words = set(name_words(name))
    place = bool(words & _LOCATION) or any(
        word.startswith("gps") or word.endswith(("latitude", "longitude")) for word in words
    )
    device = bool(words & _CAMERA) or bool(words and words <= _CAMERA_ALONE)
    return (policy.location == "strip" and place) or (policy.camera == "strip" and device)


def _repeats(value: object, captions: set[str]) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and item.strip() in captions:
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
