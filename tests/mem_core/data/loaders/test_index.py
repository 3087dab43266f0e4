"""Index files of a published corpus; that loaders read them is shown in tests/loaders."""

import json
from pathlib import Path

import pytest
import yaml

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.loaders.index import IndexSummary, is_index, write_index
from mem_core.data.shard import shard_bytes
from tests.support.corpora import contents, emptied, open_again, protect, sample, samples_of, small, tiny_corpus

NOISE = small(method="random-noise")


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[LocalFolder, LocalFolder]:
    """Clean and protected: three shards, of the second of which nothing could be published."""
    clean = tiny_corpus(tmp_path / "clean", 3, 0, 2)
    lost = shard_bytes([sample("000010000", None, "to be emptied")])
    write_bytes(clean, "00001.tar", emptied(lost, b"to be emptied"))
    dest = LocalFolder(tmp_path / "protected")
    protect(open_again(clean, dest, NOISE))
    return clean, dest


def test_what_has_samples_is_listed_and_nothing_clean(corpus: tuple[LocalFolder, LocalFolder]) -> None:
    clean, dest = corpus
    before = set(dest.names())
    found = write_index(dest)
    assert found == IndexSummary(uri=dest.uri, samples=5, tars=2, card_kept=False, empty=("00001.tar",))
    written = {name: data for name, data in contents(dest).items() if name not in before}
    assert all(is_index(name) for name in written)
    assert not any(is_index(name) for name in before)
    assert json.loads(written["wids.json"])["shardlist"] == [
        {"url": "00000.tar", "nsamples": 3},
        {"url": "00002.tar", "nsamples": 2},
    ]
    originals = [found for shard in ("00000", "00002") for found in samples_of(clean, shard)]
    private = [sha256_bytes(read_bytes(clean, f"{shard}.tar")) for shard in ("00000", "00001", "00002")]
    private += [text for found in originals for text in (sha256_bytes(found.image), found.metadata["url"])]
    for data in written.values():
        assert not any(text.encode() in data for text in (*private, "memshield", "protect"))
    write_index(dest)
    assert {name: read_bytes(dest, name) for name in written} == written


def test_a_page_of_the_users_own_stays(corpus: tuple[LocalFolder, LocalFolder]) -> None:
    _, dest = corpus
    write_bytes(dest, "README.md", b"# Our pictures\n")
    assert write_index(dest).card_kept
    assert read_bytes(dest, "README.md") == b"# Our pictures\n"


@pytest.mark.parametrize(
    ("license", "link", "front"),
    [
        ("unknown", "", {"license": "unknown"}),
        ("cc-by-4.0", "", {"license": "cc-by-4.0"}),
        ("ours: 1", "x/y", {"license": "other", "license_name": "ours: 1", "license_link": "x/y"}),
    ],
)
def test_licences_stand_in_the_front_matter(
    corpus: tuple[LocalFolder, LocalFolder], license: str, link: str, front: dict[str, str]
) -> None:
    _, dest = corpus
    write_index(dest, license=license, license_link=link)
    card = yaml.safe_load(read_bytes(dest, "README.md").decode().split("---\n")[1])
    assert {name: value for name, value in card.items() if name.startswith("license")} == front
    assert card["configs"][0]["data_files"] == [{"split": "train", "path": ["00000.tar", "00002.tar"]}]


def test_what_is_no_protected_corpus_is_refused(corpus: tuple[LocalFolder, LocalFolder], tmp_path: Path) -> None:
    clean, dest = corpus
    with pytest.raises(SourceError, match="there is none"):
        write_index(clean)
    write_bytes(dest, "00000.tar", read_bytes(dest, "00002.tar"))
    with pytest.raises(MismatchError, match=r"expected 3 samples in 00000\.tar in .*, got 2"):
        write_index(dest)
    write_bytes(dest, "00000.tar", read_bytes(clean, "00000.tar")[:700])
    with pytest.raises(MismatchError, match=r"00000\.tar"):
        write_index(dest)
