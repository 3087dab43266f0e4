"""What a hostile crawl or store brings, met by a whole protection: one sentence, and nothing of it is published."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zlib
from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.shard import read_shard, shard_bytes
from mem_core.data.table import read_table
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, encoded, photo, plain_shard, protect, sample, small

NOISE = small(method="random-noise")


def with_member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> bytes:
    """A good shard with one more member, of which only the header is there."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    whole = plain_shard("00001", 2).rstrip(b"\0")
    return whole + bytes(-len(whole) % 512) + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


TARS = {
    "traversal": (with_member("../../000010009.png"), "leads outside"),
    "absolute path": (with_member("/etc/cron.d/000010009.png"), "leads outside"),
    "symbolic link": (with_member("000010009.png", tarfile.SYMTYPE, link="/etc/passwd"), "link, device"),
    "hard link": (with_member("000010009.png", tarfile.LNKTYPE, link="000010000.png"), "link, device"),
    "device": (with_member("000010009.png", tarfile.CHRTYPE), "link, device"),
    "pipe": (with_member("000010009.png", tarfile.FIFOTYPE), "link, device"),
    "a terabyte by its header": (with_member("000010009.bin", size=1 << 40), "whole tar"),
    "a gigabyte of header": (with_member("x", tarfile.XHDTYPE, size=1 << 30), "a header has"),
    "a packed bomb": (gzip.compress(bytes(32 << 20)), "uncompressed tar"),
    "cut short": (plain_shard("00001", 2)[:3000], "whole tar"),
    "two in one": (plain_shard("00001", 2) + plain_shard("00001", 1), "after the end"),
    "no tar": (b"MZ" * 4000, "shard 00001"),
}


@pytest.mark.parametrize("case", TARS)
def test_a_hostile_tar_is_refused_and_its_neighbour_lives(case: str, tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    data, said = TARS[case]
    write_bytes(clean, "00000.tar", plain_shard("00000", 2))
    write_bytes(clean, "00001.tar", data)
    protection = Protection(Places(clean, dest), NOISE, RUNTIME, seed=3)
    protection.begin()
    with pytest.raises(SourceError, match=said) as caught:
        protection.publish("00001")
    assert "\n" not in str(caught.value)
    assert f"shard 00001 in {clean.uri}" in str(caught.value)
    protection.publish("00000")
    protection.finish()
    assert {name.partition(".")[0].partition("_")[0] for name in contents(dest)} == {"00000", "manifest"}
    assert set(tmp_path.iterdir()) == {tmp_path / "clean", tmp_path / "dest"}


def png_of(width: int, height: int) -> bytes:
    """A picture of that size by its header; it weighs next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )


def json_of(depth: int) -> bytes:
    return b'{"captions": ["a thing"], "deep": ' + b"[" * depth + b"]" * depth + b"}"


def test_bombs_inside_samples_fail_alone(tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    good, large = sample("000000000"), sample("000000001", png_of(100_000, 100_000), "a bomb")
    stream = io.BytesIO()
    members = {"000000002.png": encoded(photo(2)), "000000002.json": json_of(100_000)}
    members |= {"000000003.png": encoded(photo(3)), "000000003.json": b'{"captions": ["x"], "n": ' + b"9" * 9999 + b"}"}
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    start = shard_bytes([good, large]).rstrip(b"\0")
    write_bytes(clean, "00000.tar", start + bytes(-len(start) % 512) + stream.getvalue())
    protect(Protection(Places(clean, dest), NOISE, RUNTIME, seed=3))
    rows = {row.key: row for row in read_table(read_bytes(dest, "00000.parquet"))}
    assert {key: row.status for key, row in rows.items()} == {
        "000000000": "protected",
        **dict.fromkeys(("000000001", "000000002", "000000003"), "failed"),
    }
    assert "at most 64000000 pixels" in rows["000000001"].reason
    assert "nested too deeply" in rows["000000002"].reason
    with dest.open("00000.tar") as tar_stream:
        assert [item.key for item in read_shard(tar_stream, "00000")] == ["000000000"]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_pickle_in_place_of_a_surrogate_runs_nothing(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path, sealed: bool
) -> None:
    """Also where the description was edited to vouch for it."""
    protector, dest = LocalFolder(tmp_path / "protector"), LocalFolder(tmp_path / "dest")
    name, trap = "surrogate-000.safetensors", tmp_path / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (trap,)

    bomb = pickle.dumps(Trap())
    for file, data in contents(mem.below("protector")).items():
        write_bytes(protector, file, bomb if file == name else data)
    if sealed:
        values = json.loads(read_bytes(protector, "protector.json"))
        values["surrogates"][name] = sha256_bytes(bomb)
        write_bytes(protector, "protector.json", json.dumps(values).encode())
    replay = Protection(Places(clean, dest, protector=protector), small(strategy="replay"), RUNTIME, seed=0)
    with pytest.raises(MismatchError, match=name) as caught:
        replay.publish("00001")
    assert "\n" not in str(caught.value)
    assert not trap.exists()
    assert contents(dest) == {}


@pytest.mark.parametrize("name", ["00 01.tar", "00001\n.tar", "\u65e5\u672c.tar", "-rf;.tar", "a+b%20c.tar"])
def test_shards_with_odd_names_stop_before_anything_is_written(name: str, tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    for shard in ("00000.tar", name):
        write_bytes(clean, shard, plain_shard("00000", 1))
    protection = Protection(Places(clean, dest), NOISE, RUNTIME, seed=3)
    with pytest.raises(SourceError, match="in the name of shard") as caught:
        protect(protection)
    assert "\n" not in str(caught.value)
    assert not [found for found in contents(dest) if found.endswith(".tar")]
