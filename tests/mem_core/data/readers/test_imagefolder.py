"""Hugging Face's imagefolder: tables named metadata, at the top or in folders, with paths relative to their folder."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.data.readers import open_source
from tests.support.source_making import captions, picture, write_images

Rows = list[dict[str, str]]


def _csv(rows: Rows) -> bytes:
    stream = io.StringIO(newline="")
    table = csv.DictWriter(stream, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue().encode()


def _jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(rows: Rows) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), stream)
    return stream.getvalue()


TABLES: dict[str, Callable[[Rows], bytes]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
# Folder of a table -> paths of its images from there, and what the samples' splits are.
LAYOUTS: dict[str, tuple[dict[str, list[str]], list[str]]] = {
    "at the top": ({"": ["0.jpg", "1.jpg"]}, ["", ""]),
    "at the top, images in folders": ({"": ["train/0.jpg", "test/0.jpg"]}, ["train", "test"]),
    "in split folders": ({"train": ["0.jpg", "1.jpg"], "test": ["0.jpg"]}, ["train", "train", "test"]),
    "in folders below them": ({"train/a": ["0.jpg"], "validation/a": ["x/0.jpg"]}, ["train", "val"]),
    "in data": ({"data/train": ["0.jpg"], "data/test": ["0.jpg"]}, ["train", "test"]),
}


def source(root: Path, tables: dict[str, Rows], kind: str) -> None:
    for folder, rows in tables.items():
        write_images(root, [f"{folder}/{row['file_name']}".lstrip("/") for row in rows])
        (root / folder / f"metadata.{kind}").write_bytes(TABLES[kind](rows))


def found(root: Path) -> dict[str, tuple[str, ...]]:
    samples = list(open_source(root))
    assert not [sample.problem for sample in samples if sample.problem]
    assert all(sample.image() == picture(sample.name) for sample in samples)
    return {sample.name: sample.captions for sample in samples}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_paths_are_relative_to_the_folder_of_their_table(layout: str, kind: str, tmp_path: Path) -> None:
    folders, splits = LAYOUTS[layout]
    rows = {
        f: [{"file_name": name, "text": f"{f}/{name}".lstrip("/")} for name in names] for f, names in folders.items()
    }
    source(tmp_path, rows, kind)
    assert found(tmp_path) == {row["text"]: (row["text"],) for table in rows.values() for row in table}
    read = {sample.name: sample.split for sample in open_source(tmp_path)}
    expected = [row["text"] for table in rows.values() for row in table]
    assert read == dict(zip(expected, splits, strict=True))


@pytest.mark.parametrize("column", ["file_name", "image_file_name", "photo_file_name"])
@pytest.mark.parametrize("kind", TABLES)
def test_the_images_column_may_say_what_they_are(column: str, kind: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["train/0.jpg"])
    (tmp_path / "train" / f"metadata.{kind}").write_bytes(TABLES[kind]([{column: "0.jpg", "caption": "words"}]))
    assert found(tmp_path) == {"train/0.jpg": ("words",)}


FOLDERS = st.sampled_from(["train", "test", "train/a", "validation", "b c/d"])
NAMES = st.sampled_from(["0.jpg", "1.jpg", "x/0.jpg"])


@given(
    st.dictionaries(FOLDERS, st.dictionaries(NAMES, captions, min_size=1), min_size=1), st.sampled_from(sorted(TABLES))
)
def test_each_caption_names_its_own_image(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, dict[str, str]], kind: str
) -> None:
    root = tmp_path_factory.mktemp("images")
    rows = {
        f: [{"file_name": n, "text": f"{text}, picture {f}/{n}"} for n, text in of.items()] for f, of in tables.items()
    }
    source(root, rows, kind)
    samples = list(open_source(root))
    expected = {f"{f}/{row['file_name']}": row["text"] for f, of in rows.items() for row in of}
    for sample in samples:
        texts = [text for text in expected.values() if text.endswith(f"picture {sample.name}")]
        assert list(sample.captions) == texts
        assert sample.image() == picture(sample.name)
    assert {sample.name for sample in samples} == set(expected)
