"""What is published beside the pixels: licences stay, places and cameras go, and no file carries more than its note."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from PIL import Image, TiffImagePlugin

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.config.protect import MetadataConfig
from mem_core.data.image_metadata import NOTE, carried, embedded_rights
from mem_core.data.images import Picture, decode_image, encode_image
from mem_core.data.sample_metadata import published_metadata
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import read_table
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, photo, protect, small
from tests.support.data_strategies import metadata as any_metadata

POLICY = MetadataConfig()
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" exif:GPSLatitude="52,31.2N"
 plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"
 xmpRights:WebStatement="https://example.org/terms">
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Ada</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def camera_exif(orientation: int = 1) -> Image.Exif:
    """What a phone writes: maker, model, place, author, orientation."""
    exif = Image.Exif()
    exif.update({0x010F: "Canon", 0x0110: "EOS R5", 0x013B: "Ada", 0x8298: "(c) Ada 2020", 0x0112: orientation})
    exif[0x9286] = b"ASCII\0\0\0a private comment"
    rational = TiffImagePlugin.IFDRational
    exif.get_ifd(0x8825).update({1: "N", 2: (rational(52), rational(31), rational(12)), 3: "E"})
    return exif


def crawled(kind: str, orientation: int = 1) -> bytes:
    """A photo with every kind of metadata that the format holds."""
    stream = io.BytesIO()
    options: dict[str, Any] = {"exif": camera_exif(orientation)}
    if kind in ("JPEG", "WEBP"):
        options["xmp"] = XMP
    if kind == "JPEG":
        options["comment"] = b"taken at home"
    photo(4, 40, 24).save(stream, kind, **options)
    return stream.getvalue()


SECRETS = (b"Canon", b"EOS R5", b"GPS", b"private comment", b"taken at home", b"Exif", b"52,31")


def corpus(folder: Path, **sidecar: Any) -> LocalFolder:
    """One shard: the crawled photo in three formats, the first of them turned."""
    samples = [
        Sample("000000000", crawled("JPEG", orientation=6), "jpg", ("a dog",), sidecar),
        Sample("000000001", crawled("WEBP"), "webp", ("a cat",), sidecar),
        Sample("000000002", crawled("PNG"), "png", ("a bus",), sidecar),
    ]
    clean = LocalFolder(folder)
    write_bytes(clean, "00000.tar", shard_bytes(samples))
    return clean


def published(tmp_path: Path, config: ProtectConfig, **sidecar: Any) -> tuple[LocalFolder, LocalFolder]:
    clean, dest = corpus(tmp_path / "clean", **sidecar), LocalFolder(tmp_path / "dest")
    protect(Protection(Places(clean, dest), config, RUNTIME, seed=1))
    report = verify_corpus(clean, dest, tokenize=Tokenizer(77).encode)
    assert report.ok, report.problems
    return clean, dest


@pytest.mark.parametrize("image_format", ["png", "webp"])
@pytest.mark.parametrize("note", ["sidecar", "file", "off"])
def test_files_carry_pixels_colour_and_the_note_that_was_asked_for(
    tmp_path: Path, note: str, image_format: str
) -> None:
    config = small(method="random-trigger", image_format=image_format, metadata={"note": note})
    clean, dest = published(tmp_path, config, title="beach", license="CC BY 4.0")
    before, after = (load_shard(folder, "00000", 2**20) for folder in (clean, dest))
    assert [picture.pixels.shape for picture in after.pictures] == [(40, 24, 3), (24, 40, 3), (24, 40, 3)]
    for one, made in zip(before.samples, after.samples, strict=True):
        assert carried(one.image) != ()
        assert carried(made.image) == ((f"note: {NOTE}",) if note == "file" else ())
        assert not any(secret in made.image for secret in SECRETS)
        assert ("memshield" in made.metadata) == (note != "off")
        assert (made.metadata["title"], made.metadata["license"]) == ("beach", "CC BY 4.0")
        assert made.metadata["embedded_rights"]["artist"] == "Ada"
    assert after.samples[0].metadata["embedded_rights"] == {
        "artist": "Ada",
        "copyright": "(c) Ada",
        "data_mining": "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING",
        "web_statement": "https://example.org/terms",
    }


def test_sidecars_lose_place_and_camera_and_keep_rights() -> None:
    exif = json.dumps({"Image Make": "Canon", "GPS GPSLatitude": "[52, 31, 12]", "Image Copyright": "Ada"})
    private = {
        "exif": exif,
        "GPSLatitude": 52.5,
        "lat": 1.0,
        "geo_location": {"city": "x"},
        "photo": {"cameraModel": "EOS", "longitude": "13", "iso": 100},
        "Make": "Canon",
        "shots": [{"gpsAltitude": 3, "n": 1}],
    }
    public = {
        "license": {"name": "CC0", "location": "https://cc.org"},
        "noai": True,
        "tdm-reservation": 1,
        "caption_model": "blip",
        "latent": [1, 2],
    }
    sample = Sample("0", encoded(photo(1)), "png", ("a dog",), private | public)
    found = published_metadata(sample, ("zap a dog",), POLICY)
    assert found == public | {"exif": {"Image Copyright": "Ada"}, "photo": {"iso": 100}, "shots": [{"n": 1}]}
    kept = published_metadata(sample, ("a dog",), MetadataConfig(location="keep", camera="keep"))
    assert kept == sample.metadata


@given(any_metadata)
def test_no_policy_keeps_everything_and_the_policy_is_a_projection(values: dict[str, Any]) -> None:
    sample = Sample("0", b"no image", "png", ("\0 a caption that nothing repeats",), values)
    assert published_metadata(sample, sample.captions) == values
    once = published_metadata(sample, sample.captions, POLICY)
    again = published_metadata(Sample("0", b"", "png", sample.captions, once), sample.captions, POLICY)
    assert again == once
    assert once.keys() <= values.keys()


def test_metadata_that_repeat_a_clean_caption_are_not_published() -> None:
    values = {"caption": "a dog ", "url": "u", "alt": {"en": ["x", "a dog"]}, "n": 3}
    sample = Sample("0", b"no image", "png", ("a dog",), values)
    assert published_metadata(sample, ("zap a dog",)) == {"url": "u", "n": 3}
    assert published_metadata(sample, ("a dog",)) == values


def test_rights_of_iptc_are_read_and_unreadable_metadata_say_nothing() -> None:
    fields = b"".join(
        b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text
        for number, text in ((80, b"Grace"), (116, b"(c) Grace"), (90, b"Paris"))
    )
    resource = b"8BIM\x04\x04\0\0" + len(fields).to_bytes(4, "big") + fields + b"\0" * (len(fields) % 2)
    segment = b"Photoshop 3.0\0" + resource
    plain = encoded(photo(2), "JPEG")
    data = plain[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]
    assert embedded_rights(data) == {"artist": "Grace", "copyright": "(c) Grace"}
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    stream = io.BytesIO()
    photo(3).save(stream, "WEBP", xmp=bomb, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert embedded_rights(stream.getvalue()) == {}
    assert embedded_rights(b"no image at all") == {}


def test_what_hides_behind_the_picture_is_named() -> None:
    for image_format in ("png", "webp"):
        data = encode_image(Picture(decode_image(encoded(photo(1)), max_pixels=2**20).pixels), image_format)
        assert carried(data) == ()
        assert carried(data + b"EXIF\x02\0\0\0ab") != ()
        assert carried(data[:-9]) != ()


def test_a_file_that_carries_more_than_the_policy_allows_does_not_verify(tmp_path: Path) -> None:
    clean, dest = published(tmp_path, small(method="random-trigger", metadata={"note": "file"}))
    receipt_says_off = LocalFolder(tmp_path / "off")
    protect(
        Protection(
            Places(clean, receipt_says_off), small(method="random-trigger", metadata={"note": "off"}), RUNTIME, seed=1
        )
    )
    write_bytes(receipt_says_off, "00000.tar", read_bytes(dest, "00000.tar"))
    said = {p.what for p in verify_corpus(clean, receipt_says_off, tokenize=Tokenizer(77).encode).problems}
    assert any("expected nothing besides pixels and colour in the file, got 'note: " in what for what in said)
    assert "expected no memshield entry in key.json: the note is switched off" in said


def test_a_corpus_without_notes_can_be_taken_apart_again(tmp_path: Path) -> None:
    clean, dest = published(tmp_path, small(method="mem", metadata={"note": "off"}))
    words = LocalFolder(tmp_path / "words")
    config = small(method="trigger-only")
    protect(Protection(Places(clean, words, reuse=dest), config, RUNTIME, seed=1))
    triggers = [[row.trigger for row in read_table(read_bytes(f, "00000.parquet"), "t")] for f in (dest, words)]
    assert triggers[0] == triggers[1]


def test_ids_that_are_no_words_need_the_note() -> None:
    with pytest.raises(ConfigError, match="do not survive as text"):
        from mem_core.config import parse_config

        parse_config(ProtectConfig, {"profile": "paper", "metadata": {"note": "off"}}, "test")
