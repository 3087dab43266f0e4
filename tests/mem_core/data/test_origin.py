"""Nothing that is handed out leads back to the clean file, whatever its metadata call what does; the table keeps it."""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config.protect import MetadataConfig
from mem_core.data.origin import leads_back, origin_of
from mem_core.data.sample_metadata import published_metadata
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.table import read_table
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, photo, protect, small
from tests.support.data_strategies import json_values

IMAGE = encoded(photo(1))
CRC32 = zlib.crc32(IMAGE)
MD5, SHA1, SHA256 = (hashlib.new(kind, IMAGE).hexdigest() for kind in ("md5", "sha1", "sha256"))
POLICY = MetadataConfig()

LEADS_BACK: list[dict[str, Any]] = [
    # by its name
    {"url": "u"},
    {"image_url": "x"},
    {"thumbnailUrl": "x"},
    {"coco_url": "x"},
    {"source": "flickr"},
    {"name": "beach"},
    {"file_name": "beach"},
    {"filename": "beach"},
    {"path": "a/b"},
    {"original_width": 9000},
    {"originalName": "x"},
    {"key": "000000000"},
    {"s3_key": "x"},
    {"id": 7},
    {"photoId": 7},
    {"imgid": 7},
    {"cocoid": 7},
    {"coco_id": "7"},
    {"sentids": [1, 2]},
    {"uid": "x"},
    {"md5": "x"},
    {"sha512sum": "x"},
    {"pHash": "x"},
    {"phash": -3},
    {"perceptual_hash": "x"},
    {"ETag": "x"},
    {"file_crc": "x"},
    {"adler32": 7},
    {"meta": {"image": {"name": "x"}}},
    # by its value
    {"note": "https://x.example/1"},
    {"note": "from www.x.example"},
    {"note": "x.example/photos/1"},
    {"note": "s3://bucket/a"},
    {"note": "data:image/png;base64,AAAA"},
    {"note": "taken as IMG_2041.JPG"},
    {"note": "/home/ada/photos/beach"},
    {"note": r"C:\photos\2019\beach"},
    {"note": SHA256},
    {"note": MD5.upper()},
    {"note": f"sha1:{SHA1}"},
    {"note": "0f343b0931126a20"},
    {"note": "123e4567-e89b-12d3-a456-426614174000"},
    {"note": {"deeper": [[{"x": SHA256}]]}},
    {"json": json.dumps({"ImageUniqueID": "x"})},
    {"note": "sha256-" + base64.b64encode(hashlib.sha256(b"another file").digest()).decode()},
    {"note": ":".join(MD5[at : at + 2] for at in range(0, 32, 2))},
    {"check": CRC32},
    {"check": f"0x{CRC32:08X}"},
    {SHA256: True},
    {"https://x.example/1.jpg": 1},
    {"license": f"see {SHA256}"},
]

STAYS: dict[str, Any] = {
    "license": "https://creativecommons.org/licenses/by/2.0/",
    "license_id": 4,
    "rights": {"url": "https://x.example/terms", "name": "CC0"},
    "attribution": "Ada, https://x.example/ada",
    "noai": True,
    "width": 640,
    "height": 480,
    "category_id": 3,
    "objects": [{"name": "dog", "bbox": [1, 2, 3, 4]}],
    "labels": ["/m/01yrx"],
    "hashtags": ["#sea"],
    "keypoints": [1, 2],
    "grid": 3,
    "valid": True,
    "caption_model": "blip",
    "caption_index": 2,
    "aesthetic": 5.123456789,
    "title": "At the sea, i.e. on the beach and/or in a boat.",
    "taken": "2020-01-02T03:04:05",
}


def clean(metadata: dict[str, Any]) -> Sample:
    return Sample("000000000", IMAGE, "png", ("a dog",), metadata)


@pytest.mark.parametrize("entry", LEADS_BACK, ids=str)
def test_what_leads_back_goes_into_the_table(entry: dict[str, Any]) -> None:
    sample = clean(STAYS | entry)
    expected = {name: value for name, value in STAYS.items() if name not in entry}
    assert published_metadata(sample, ("zap a dog",), POLICY) == expected
    name, origin = origin_of(sample)
    kept = ({"name": name} if name else {}) | json.loads(origin or "{}")
    assert kept.keys() == entry.keys()
    assert published_metadata(sample, ("zap a dog",), MetadataConfig(origin="keep")) == sample.metadata


def test_what_says_of_rights_and_of_what_is_shown_stays() -> None:
    assert published_metadata(clean(STAYS), ("zap a dog",), POLICY) == STAYS
    assert (leads_back(STAYS), origin_of(clean(STAYS))) == ((), ("", ""))


def test_a_right_or_text_goes_where_it_repeats_what_leads_back() -> None:
    values = {
        "name": "photos/IMG_2041.jpg",
        "photo_id": 3456789012,
        "homepage": "https://www.x.example/",
        "attribution_url": "https://x.example/ada/3456789012",
        "credit_line": "IMG_2041 by Ada",
        "licence": "https://www.x.example/terms",
    }
    assert published_metadata(clean(values), ("zap a dog",), POLICY) == {"licence": values["licence"]}
    name, origin = origin_of(clean(values))
    assert name == values["name"]
    assert json.loads(origin) == {key: value for key, value in values.items() if key not in ("name", "licence")}


secrets = st.text("abcdefghij0123456789", min_size=8, max_size=16).map("zq{}qz1".format)
hidden_ones = st.one_of(
    secrets.map("https://x.example/{}.jpg".format), secrets.map("{}.png".format), secrets.map("/data/{0}/{0}/x".format)
)


@given(
    st.dictionaries(st.sampled_from(["url", "name", "md5", "image_path", "note", "photo"]), hidden_ones, min_size=1),
    st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    st.sampled_from(["license", "alt", "deep", "listed"]),
)
def test_no_value_that_leads_back_stands_in_the_bytes_of_a_tar(
    telling: dict[str, str], others: dict[str, Any], place: str
) -> None:
    first = next(iter(telling.values()))
    repeated = {"license": first, "alt": f"see {first}", "deep": {"a": {"b": first}}, "listed": [[first], SHA1]}
    others.pop("captions", None)
    sample = clean({**others, place: repeated[place], **telling, "copied": SHA256, "copyright": MD5})
    made = Sample(sample.key, b"other pixels", "png", ("zap",), published_metadata(sample, ("zap",), POLICY))
    tar = shard_bytes([made])
    for secret in (*telling.values(), SHA256, MD5, SHA1):
        assert secret.encode() not in tar


@given(st.recursive(json_values, lambda inner: st.lists(inner, max_size=2), max_leaves=30))
def test_any_metadata_are_parted_and_what_stays_leads_nowhere(value: Any) -> None:
    kept = published_metadata(clean({"x": value}), ("zap",), POLICY)
    assert leads_back(kept) == ()


def test_metadata_nested_without_end_cost_no_more_than_themselves() -> None:
    deep: Any = "https://x.example/1.jpg"
    for _ in range(300):
        deep = [{"a": deep}]
    assert published_metadata(clean({"deep": deep, "n": 1}), ("zap",), POLICY) == {"n": 1}


def test_the_table_of_a_protected_shard_joins_key_with_name_and_address(tmp_path: Path) -> None:
    folder, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    names = ("train/beach 7.jpg", "train/dog 8.jpg")
    samples = [
        Sample(f"00000000{i}", encoded(photo(i)), "png", ("a dog",), {"name": name, "url": f"https://x.example/{i}"})
        for i, name in enumerate(names)
    ]
    write_bytes(folder, "00000.tar", shard_bytes(samples))
    protect(Protection(Places(folder, dest), small(method="random-noise"), RUNTIME, seed=1))
    rows = read_table(read_bytes(dest, "00000.parquet"))
    assert [(row.key, row.name, json.loads(row.origin)) for row in rows] == [
        (f"00000000{i}", name, {"url": f"https://x.example/{i}"}) for i, name in enumerate(names)
    ]
    tar = read_bytes(dest, "00000.tar")
    assert not any(secret in tar for secret in (b"x.example", b"beach 7", b"dog 8", rows[0].sha256_in.encode()))
