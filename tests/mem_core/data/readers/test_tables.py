"""Tables of any make: encodings, names of columns, forms of captions, entries that are broken."""

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError, SourceError
from mem_core.config import CorpusConfig
from mem_core.config.base import parse_config
from mem_core.data.readers import RawSample, open_source
from tests.support.source_making import picture, write_images

GOOD = "".join(f"{n}.jpg,picture {n}\n" for n in (3, 4, 5))


def read(root: Path, name: str, content: bytes | str, **settings: str) -> tuple[dict[str, RawSample], list[str]]:
    """The samples of one table by name, and the reasons of the captions that are left out."""
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    reader = open_source(root / name, config=CorpusConfig(**settings))  # type: ignore[arg-type]
    samples = {sample.name: sample for sample in reader}
    for sample in samples.values():
        if not sample.problem:
            assert len(sample.places) == len(sample.captions) > 0
            assert all(place.startswith(f"{name}:") for place in sample.places)
    return samples, [left.reason for left in reader.left_out if left.what == "caption"]


BROKEN_LINES = {
    "a loose quote": (
        '2.jpg,"Stop" says the sign\n',
        "2.jpg",
        "captions.csv:2: expected a well-formed row: ",
    ),
    "an open quote": ('2.jpg,"open\n', "2.jpg", "captions.csv:2: expected a well-formed row: unexpected end of data"),
    "a quote closed by another row": (
        '2.jpg,"open\n7.jpg,5" of it\n8.jpg,a pipe of 5"\n',
        "2.jpg",
        "captions.csv:2: expected",
    ),
    "a quote around rows": (
        '2.jpg,"open\n7.jpg,words\n8.jpg,a pipe of 5"\n',
        "2.jpg",
        "captions.csv:2: expected a closing quote, but the lines behind it are rows by themselves",
    ),
    "too many columns": ("2.jpg,one, two\n", "2.jpg", "captions.csv:2: expected 2 columns, got 3"),
    "too few columns": ("2.jpg\n", "2.jpg", "captions.csv:2: expected 2 columns, got 1"),
    "no image": (
        ",words\n",
        "captions.csv:2",
        "captions.csv:2: expected the path of an image or its bytes, got nothing",
    ),
    "a zero byte": ("2.jpg,a\0b\n", "2.jpg", "captions.csv:2: expected a caption as text, got a zero byte in it"),
    "other bytes": (
        b"2.jpg,caf\xe9\n",
        "2.jpg",
        "captions.csv:2: expected a caption of valid Unicode, got other bytes",
    ),
    "a text over lines without an end": (
        '2.jpg,"' + "and so on\n" * 150,
        "2.jpg",
        "captions.csv:2: expected a well-formed row: a quote is open for more than 100",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_LINES)
def test_a_broken_row_costs_itself(tmp_path: Path, kind: str) -> None:
    line, name, reason = BROKEN_LINES[kind]
    write_images(tmp_path, [f"{n}.jpg" for n in range(2, 9)])
    line = line if isinstance(line, bytes) else line.encode()
    samples, _ = read(tmp_path, "captions.csv", b"image,caption\n" + line + GOOD.encode())
    assert samples[name].problem.startswith(reason)
    assert samples[name].code == ("bad-encoding" if kind == "other bytes" else "bad-entry")
    assert [samples[f"{n}.jpg"].captions for n in (3, 4, 5)] == [(f"picture {n}",) for n in (3, 4, 5)]
    assert all(len(sample.captions) <= 1 and "\n" not in "".join(sample.captions) for sample in samples.values())


def test_a_broken_row_of_an_image_with_other_captions_is_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, ["2.jpg"])
    samples, left_out = read(tmp_path, "captions.csv", 'image,caption\n2.jpg,"Stop" it says\n2.jpg,a sign\n2.jpg\n')
    assert samples["2.jpg"].captions == ("a sign",)
    assert samples["2.jpg"].places == ("captions.csv:3",)
    assert not samples["2.jpg"].problem
    assert [reason.partition(": ")[0] for reason in left_out] == ["captions.csv:2", "captions.csv:4"]


def test_long_fields_and_quoted_lines_are_captions(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg", "3.jpg"])
    long = "word " * 200_000
    poem = "\n".join(f'line {n}, with a comma and a "word"' for n in range(60))
    stream = io.StringIO()
    csv.writer(stream).writerows([("image", "caption"), ("1.jpg", long), ("2.jpg", poem), ("3.jpg", "after, it")])
    samples, _ = read(tmp_path, "captions.csv", stream.getvalue())
    assert samples["1.jpg"].captions == (long.strip(),)
    assert samples["2.jpg"].captions == (poem,)
    assert samples["3.jpg"].captions == ("after, it",)
    assert samples["3.jpg"].places == ("captions.csv:63",)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    samples, _ = read(tmp_path, "captions.csv", end.join(("image,caption", '1.jpg,"one, two"', "", "2.jpg,three")))
    assert [(sample.captions, sample.places) for sample in samples.values()] == [
        (("one, two",), ("captions.csv:2",)),
        (("three",), ("captions.csv:4",)),
    ]


BROKEN_OBJECTS = ('{"image": "2.jpg", ', "[1]", "5", '"text"', "nothing", "null", '{"image": 5.5, "caption": "x"}')
BROKEN_CAPTIONS = {
    '{"image": "2.jpg", "caption": 5}': "caption-not-text",
    '{"image": "2.jpg", "caption": {"en": {}}}': "caption-not-text",
    '{"image": "2.jpg", "captions": [[1]]}': "caption-not-text",
    '{"image": "2.jpg", "caption": "a\\ud800b"}': "bad-encoding",
    '{"image": "2.jpg", "caption": "a\\u0000b"}': "bad-entry",
    '{"image": "2.jpg", "caption": "x", "caption": "y"}': "bad-entry",
    '{"image": "2.jpg", "caption": ' + "[" * 20_000 + "]" * 20_000 + "}": "bad-entry",
}


def test_broken_json_lines_cost_themselves(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    good = '{"image": "1.jpg", "caption": "one"}'
    for line in (*BROKEN_OBJECTS, *BROKEN_CAPTIONS):
        samples, _ = read(tmp_path, "all.jsonl", f"{line}\n{good}\n")
        assert samples["1.jpg"].captions == ("one",)
        assert ("2.jpg" in line) == (samples["2.jpg"].code != "no-caption")  # fails once, by what is wrong in its line
        (wrong,) = (sample for sample in samples.values() if "all.jsonl:1: " in sample.problem)
        assert wrong.code == BROKEN_CAPTIONS.get(line, "bad-entry")
    samples, left_out = read(tmp_path, "all.jsonl", '{"image": "1.jpg", "captions": ["one", 5, "two"]}')
    assert samples["1.jpg"].captions == ("one", "two")
    assert left_out == ["all.jsonl:1: expected a caption as text, got int"]


def test_parquet_with_text_that_is_none(tmp_path: Path) -> None:
    texts = pyarrow.array([b"good", b"caf\xe9", b"fine"], pyarrow.binary()).view(pyarrow.string())
    table = pyarrow.table({"image": [b"1", b"2", b"3"], "name": ["a", "b", "c"], "caption": texts})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    samples, _ = read(tmp_path, "all.parquet", stream.getvalue())
    assert {name: sample.code for name, sample in samples.items() if sample.problem} == {"b": "bad-encoding"}
    assert samples["c"].captions == ("fine",)


@pytest.mark.parametrize(
    ("form", "setting"),
    [
        *(("utf-8", {}), ("utf-8-sig", {}), ("utf-16", {}), ("utf-32", {})),
        *((form, {"encoding": form}) for form in ("latin-1", "cp1252", "utf-16-le", "utf-16-be", "utf-32-le")),
        ("utf-8-sig", {"encoding": "latin-1"}),
        ("utf-16", {"encoding": "latin-1"}),
    ],
)
def test_encodings(tmp_path: Path, form: str, setting: dict[str, str]) -> None:
    write_images(tmp_path, ["é.jpg", "b.jpg"])
    text = "image,caption\né.jpg,café in Köln\nb.jpg,words\n"
    objects = json.dumps(
        [{"image": "é.jpg", "caption": "café in Köln"}, {"image": "b.jpg", "caption": "words"}], ensure_ascii=False
    )
    token = "é.jpg#0\tcafé in Köln\nb.jpg#0\twords\n"
    for name, content in (("captions.csv", text), ("all.token", token)):
        samples, _ = read(tmp_path, name, content.encode(form), **setting)
        assert {name: sample.captions[0] for name, sample in samples.items()} == {
            "é.jpg": "café in Köln",
            "b.jpg": "words",
        }
    samples = {s.name: s for s in _opened(tmp_path / "all.json", objects.encode(form), **setting)}
    assert samples["é.jpg"].captions == ("café in Köln",)


def _opened(path: Path, content: bytes, **setting: str) -> list[RawSample]:
    path.write_bytes(content)
    return list(open_source(path, format="jsonl", config=CorpusConfig(**setting)))  # type: ignore[arg-type]


GERMAN = "".join(f'{n}.jpg,"ein Bär läuft über die Wiese, Bild {n}"\n' for n in range(30))
RUSSIAN = "".join(f"{n}.jpg,медведь бежит по лугу\n" for n in range(30))
ENGLISH = "".join(f"{n}.jpg,a bear runs over a meadow number {n}\n" for n in range(30))


@pytest.mark.parametrize(
    ("rows", "form", "words", "about"),
    [
        (
            GERMAN,
            "latin-1",
            "30 of the first 31 entries have other bytes, that in line 2 first: it looks like latin-1",
            "cp1252",
        ),
        (RUSSIAN, "cp1251", "it looks like an encoding of one script, such as cp1251", "NAME"),
        (ENGLISH, "utf-16-le", "which looks like UTF-16-LE without a byte order mark", "utf-16-le"),
        (ENGLISH, "utf-16-be", "which looks like UTF-16-BE without a byte order mark", "utf-16-be"),
        (RUSSIAN, "utf-16-le", "which looks like UTF-16-LE without a byte order mark", "utf-16-le"),
        (ENGLISH, "utf-32-le", "which looks like UTF-32-LE without a byte order mark", "utf-32-le"),
        (ENGLISH, "utf-32-be", "which looks like UTF-32-BE without a byte order mark", "utf-32-be"),
    ],
)
def test_a_whole_file_in_another_encoding_is_one_sentence(
    tmp_path: Path, rows: str, form: str, words: str, about: str
) -> None:
    path = tmp_path / "captions.csv"
    path.write_bytes(f"image,caption\n{rows}".encode(form))
    with pytest.raises(SourceError, match=words) as caught:
        list(open_source(path))
    assert (caught.value.hint, caught.value.about) == ("name the encoding", about)


def test_a_few_broken_lines_are_rows(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{n}.jpg" for n in range(30)])
    lines = ENGLISH.encode().splitlines()
    lines[3], lines[17] = b"3.jpg,caf\xe9", b"17.jpg,K\xf6ln"
    samples, _ = read(tmp_path, "captions.csv", b"image,caption\n" + b"\n".join(lines))
    assert {name for name, sample in samples.items() if sample.problem} == {"3.jpg", "17.jpg"}


@pytest.mark.parametrize("name", ["", "hex", "rot13", "idna", "punycode", "undefined", "no-such", "a\0b"])
def test_an_encoding_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="encoding: expected an encoding of text, such as utf-8, latin-1"):
        parse_config(CorpusConfig, {"encoding": name}, "settings")


HEADERS = (
    *(
        "image,caption",
        "Image;Caption",
        "file_name\ttext",
        "FILEPATH|Description",
        " img , alt text ",
        "Image Path,Alt-Text",
    ),
    *(
        "filename,title",
        "image_name| comment",
        "photo,sentences",
        "sep=;\nimage;text",
        "\nimage,caption",
        '"image","caption"',
    ),
)


@pytest.mark.parametrize("header", HEADERS)
def test_usual_names_of_columns(tmp_path: Path, header: str) -> None:
    write_images(tmp_path, ["1.jpg"])
    delimiter = next(sign for sign in ",;\t|" if sign in header.splitlines()[-1])
    samples, _ = read(tmp_path, "captions.csv", f"{header}\n1.jpg{delimiter}a dog\n")
    assert samples["1.jpg"].captions == ("a dog",)


def test_columns_of_other_names_are_named_by_settings(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg"])
    rows = {"Datei": "1.jpg", "Beschreibung": "ein Hund", "text": "no caption", "path": "no image"}
    table = ";".join(rows) + "\n" + ";".join(rows.values())
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({key: [value] for key, value in rows.items()}), stream)
    contents = {"t.csv": table.encode(), "t.jsonl": json.dumps(rows).encode(), "t.parquet": stream.getvalue()}
    for name, content in contents.items():
        samples, _ = read(tmp_path, name, content, image_key="datei", caption_key="BESCHREIBUNG")
        assert samples["1.jpg"].captions == ("ein Hund",)
        with pytest.raises(
            SourceError, match=r"expected the column 'bild', .* got the columns Datei, Beschreibung"
        ) as caught:
            read(tmp_path, name, content, image_key="bild")
        assert caught.value.hint == "name the columns"


def test_a_header_in_another_language_is_one_sentence(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg"])
    for name, content in (
        ("bilder.csv", "Datei;Beschreibung\n1.jpg;ein Hund\n"),
        ("bilder.tsv", "url\tcaption\n1.jpg\ta dog\n"),  # an address is no file
        ("bilder.jsonl", '{"Datei": "1.jpg", "Beschreibung": "ein Hund"}\n'),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(SourceError, match=r"got the columns (Datei, Beschreibung|url, caption)") as caught:
            list(open_source(tmp_path / name))
        assert caught.value.hint == "name the columns"


CELLS = {
    '["a dog", "a hound"]': ("a dog", "a hound"),
    "['a dog', 'a hound']": ("a dog", "a hound"),
    """['a dog', "a hound's tail"]""": ("a dog", "a hound's tail"),
    "['a dog' 'a hound'\n 'a cur']": ("a dog", "a hound", "a cur"),  # numpy's, which Python reads as one text
    r"""['it\'s', 'a\\b']""": ("it's", r"a\b"),
    '["caf\\u00e9"]': ("café",),
    "[applause]": ("[applause]",),
    "[]": ("[]",),
    "[1, 2]": ("[1, 2]",),
    "['a', b]": ("['a', b]",),
    "['a'": ("['a'",),
    "['a' + 'b']": ("['a' + 'b']",),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_may_hold_a_list(tmp_path: Path, cell: str) -> None:
    write_images(tmp_path, ["1.jpg"])
    stream = io.StringIO()
    csv.writer(stream).writerows([("image", "captions"), ("1.jpg", cell)])
    samples, _ = read(tmp_path, "captions.csv", stream.getvalue())
    assert samples["1.jpg"].captions == CELLS[cell]


def test_numbered_columns_are_all_captions(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    table = "image,caption_2,caption_10,caption_1,other\n1.jpg,two,ten,one,x\n2.jpg,,three,,y\n"
    samples, left_out = read(tmp_path, "captions.csv", table)
    assert samples["1.jpg"].captions == ("one", "two", "ten")
    assert samples["2.jpg"].captions == ("three",)
    assert samples["1.jpg"].metadata == {"other": "x"}
    assert left_out == []


JSON_FILES: dict[str, object] = {
    "a list of records": [{"image": f"{n}.jpg", "caption": f"picture {n}"} for n in (1, 2)],
    "records in an object": {"version": 1, "data": [{"file_name": f"{n}.jpg", "text": f"picture {n}"} for n in (1, 2)]},
    "captions by name": {f"{n}.jpg": f"picture {n}" for n in (1, 2)},
    "lists by name": {f"{n}.jpg": [f"picture {n}"] for n in (1, 2)},
    "objects by name": {f"{n}.jpg": {"caption": f"picture {n}", "likes": 3} for n in (1, 2)},
    "sentences by name": {f"{n}.jpg": [{"raw": f"picture {n}", "tokens": []}] for n in (1, 2)},
    "records by number": {str(n): {"image": f"{n}.jpg", "caption": f"picture {n}"} for n in (1, 2)},
}


@pytest.mark.parametrize("form", JSON_FILES)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_files(tmp_path: Path, form: str, indent: int | None) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    samples = _opened(tmp_path / "all.json", json.dumps(JSON_FILES[form], indent=indent).encode())
    assert [(sample.name, sample.captions, sample.problem) for sample in samples] == [
        (f"{n}.jpg", (f"picture {n}",), "") for n in (1, 2)
    ]
    assert all(place.startswith("all.json") for sample in samples for place in sample.places)


def test_captions_of_one_name_are_all_read(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    samples = _opened(tmp_path / "all.json", b'{"1.jpg": "one", "1.jpg": "uno", "2.jpg": "two"}')
    assert [(sample.name, sample.captions) for sample in samples] == [("1.jpg", ("one", "uno")), ("2.jpg", ("two",))]


def test_json_files_that_hold_something_else(tmp_path: Path) -> None:
    for content, words in (
        (b"5", "got neither"),
        (b'{"a": 1}', "got neither"),
        (b'{"a": [], "a": []}', "but the key 'a' comes more than once"),
        (b"[1, 2", "cannot be parsed: .*line 1"),
    ):
        with pytest.raises(SourceError, match=words):
            _opened(tmp_path / "all.json", content)


TYPES: dict[str, Callable[[list[str]], pyarrow.Array]] = {
    "string": lambda texts: pyarrow.array(texts),
    "large_string": lambda texts: pyarrow.array(texts, pyarrow.large_string()),
    "string_view": lambda texts: pyarrow.array(texts, pyarrow.string_view()),
    "binary": lambda texts: pyarrow.array([text.encode() for text in texts], pyarrow.binary()),
    "dictionary": lambda texts: pyarrow.array(texts).dictionary_encode(),
    "list": lambda texts: pyarrow.array([[text] for text in texts]),
    "large_list": lambda texts: pyarrow.array([[text] for text in texts], pyarrow.large_list(pyarrow.string())),
    "objects": lambda texts: pyarrow.array([[{"raw": text, "sentid": 1}] for text in texts]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_types_of_parquet(tmp_path: Path, kind: str) -> None:
    write_images(tmp_path, ["in/1.jpg", "in/2.jpg"])
    texts = TYPES[kind](["picture 1", "picture 2"])
    images = pyarrow.array([{"bytes": None, "path": f"in/{n}.jpg"} for n in (1, 2)])
    bytes_of = pyarrow.array([picture("in/1.jpg"), picture("in/2.jpg")], pyarrow.large_binary())
    for columns in ({"image": images}, {"jpg": bytes_of, "__key__": ["in/1.jpg", "in/2.jpg"]}):
        stream = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({**columns, "caption": texts}), stream, row_group_size=1)
        samples, _ = read(tmp_path, "all.parquet", stream.getvalue())
        assert {name: sample.captions for name, sample in samples.items()} == {
            f"in/{n}.jpg": (f"picture {n}",) for n in (1, 2)
        }
        assert all(sample.image() == picture(name) for name, sample in samples.items())


_cells = st.text(st.sampled_from("ab\"'\\,;|\t\n\r []é\0\ufeff\u2028\x85😀"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_cells, min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)),
    st.sampled_from(("\n", "\r\n")),
    st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-32")),
)
def test_well_formed_tables_are_read_as_written(
    cells: list[str], delimiter: str, quoting: int, end: str, form: str
) -> None:
    """Every caption names its picture: what a writer of CSV wrote comes back, or its row is failed with its line."""
    stream = io.StringIO()
    table = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    table.writerows([("image", "text"), *((f"{n}.jpg", f"{n}: {cell} :{n}") for n, cell in enumerate(cells))])
    _check_names_its_picture(stream.getvalue().encode(form), [f"{n}: {cell} :{n}" for n, cell in enumerate(cells)])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_cells, st.booleans(), st.booleans()), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_tables_written_by_hand(rows: list[tuple[str, bool, bool]], delimiter: str) -> None:
    """Quotes and separators anywhere, quoted or half quoted: no caption on another picture, no row lost."""
    lines = [
        "".join((f"{n}.jpg{delimiter}", '"' * opened, f"{n}: {cell} :{n}", '"' * closed))
        for n, (cell, opened, closed) in enumerate(rows)
    ]
    table = "\n".join((f"image{delimiter}text", *lines, ""))
    _check_names_its_picture(table.encode(), None, len(rows))


def _check_names_its_picture(content: bytes, expected: list[str] | None, count: int = 0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "captions.csv")
        path.write_bytes(content)
        samples = {sample.name: sample for sample in open_source(path)}
    for name, sample in samples.items():  # others are rests of lines that were cut by a line end: no pictures
        number = name.removesuffix(".jpg")
        for caption in sample.captions if number.isdigit() else ():
            assert caption.lstrip('"').startswith(f"{number}:")
            assert ".jpg" not in caption
    for n, text in enumerate(expected or []):
        sample = samples[f"{n}.jpg"]
        assert sample.captions == (text.strip(),) or ({"\0", "\r"} & {*text} and sample.code == "bad-entry")
    for n in range(count):
        assert f"{n}.jpg" in samples
