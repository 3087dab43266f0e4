"""Source and destination under several names."""

from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError
from mem_core.common.storage.folder import require_disjoint


@pytest.mark.parametrize(
    ("source", "dest", "sentence"),
    [
        ("{tmp}/a", "{tmp}/a/", "is the source"),
        ("{tmp}/a", "{tmp}/b/../a", "is the source"),
        ("{tmp}/a", "{tmp}/link", "is the source"),
        ("{tmp}/link", "{tmp}/a", "is the source"),
        ("{tmp}/a", "{tmp}/link/new", "lies inside"),
        ("{tmp}/a/b", "{tmp}/link", "lies inside it"),
        ("s3://bucket/a", "s3://bucket/a", "is the source"),
        ("s3://bucket/a", "s3://bucket/a/b", "lies inside"),
        ("s3://bucket/a", "s3://bucket", "lies inside it"),
    ],
)
def test_overlapping_places_are_refused(tmp_path: Path, source: str, dest: str, sentence: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(DestinationError, match=sentence):
        require_disjoint(source.replace("{tmp}", str(tmp_path)), dest.replace("{tmp}", str(tmp_path)))


@pytest.mark.parametrize(
    ("source", "dest"),
    [
        ("{tmp}/a", "{tmp}/ab"),
        ("s3://bucket/a", "s3://bucket/ab"),
        ("s3://bucket/a", "s3://other/a"),
        ("{tmp}/a", "s3://bucket/a"),
    ],
)
def test_places_beside_each_other_are_fine(tmp_path: Path, source: str, dest: str) -> None:
    require_disjoint(source.replace("{tmp}", str(tmp_path)), dest.replace("{tmp}", str(tmp_path)))
