"""The report: golden bytes, its figures and pictures, and what happens where pieces are missing.

`python -m tests.mem_core.report.test_page` writes the golden files again; look at the difference before you keep it.
"""

import base64
import hashlib
import io
import itertools
import json
import re
import threading
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.images import Picture, decode_image, encode_image
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.table import SampleRow, write_table
from mem_core.protect.protection import Places, Protection
from mem_core.report import (
    EpochPoint,
    MontageItem,
    ProtectedSummary,
    ReportInputs,
    ReportRow,
    build_report,
    pick_samples,
    summarise_protection,
)
from mem_core.report.alt_texts import visibility_in_words
from mem_core.report.figures import Styles, draw_curves, spread_apart
from mem_core.report.histograms import draw_histograms
from mem_core.report.pictures import amplified_noise, contact_sheet
from tests.support.corpora import RUNTIME, protect, small
from tests.support.report_making import CLEAN, CONTROLS, FULL, GUESS, MEM, curve, montage_item, row

GOLDEN = Path(__file__).parents[1] / "golden"


def stripped(page: str) -> str:
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "[picture]", page)


def stripped_json(data: bytes) -> str:
    plain = json.loads(data)
    plain["pictures"] = sorted(plain["pictures"])  # the bytes of charts depend on matplotlib's version
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_golden(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    build_report(folder, FULL)
    assert stripped(read_bytes(folder, "report.html").decode()) == (GOLDEN / "report.html").read_text()
    assert stripped_json(read_bytes(folder, "report.json")) == (GOLDEN / "report.json").read_text()


def test_a_single_epoch_is_the_only_mark_of_its_axis() -> None:
    inputs = ReportInputs(rows=(row("clean", [(102, 85)], [(107, 90)], history=(curve(100)[:1],)),), chance=GUESS)
    figure = draw_curves(inputs, Styles(inputs.rows))
    assert figure is not None
    assert [list(axes.get_xticks()) for axes in figure.axes] == [[1]] * 3


def test_rows_that_change_no_image_are_named_and_not_drawn() -> None:
    unchanged = ProtectedSummary(counts={"protected": 2}, psnr=(None, None), ssim=(1.0, 1.0))
    plain = row("random-trigger", [(333, 244)], [(324, 370)], protected=unchanged)
    inputs = ReportInputs(rows=(MEM, plain), chance=GUESS)
    figure = draw_histograms(inputs, Styles(inputs.rows))
    assert figure is not None
    assert [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()] == ["MEM-3"] * 2
    assert [text.get_text() for text in figure.texts] == [f"Not drawn, as their images are unchanged: {plain.title}."]
    narrow = draw_histograms(inputs, Styles(inputs.rows), narrow=True)
    assert narrow is not None
    assert not narrow.texts
    said = figure.texts[0].get_text()
    assert visibility_in_words(inputs).endswith(f"Medians: MEM-3 PSNR 33.0 dB and SSIM 0.940. {said}")
    alone = ReportInputs(rows=(plain,), chance=GUESS)
    assert draw_histograms(alone, Styles(alone.rows)) is None


def test_equal_inputs_give_equal_bytes_also_in_threads(tmp_path: Path) -> None:
    folders = [LocalFolder(tmp_path / str(number)) for number in range(3)]
    threads = [threading.Thread(target=build_report, args=(folder, FULL)) for folder in folders[1:]]
    for thread in threads:
        thread.start()
    build_report(folders[0], FULL)
    for thread in threads:
        thread.join()
    written = [{name: read_bytes(folder, name) for name in folder.names()} for folder in folders]
    assert written[0] == written[1] == written[2]
    pictures = {f"pictures/{name}.png" for name in ("shares", "curves", "visibility", "montage", "worst")}
    assert set(written[0]) == {"report.html", "report.json"} | pictures


class Page(HTMLParser):
    """What a browser would fetch or run, and images without words."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.pictures: list[bytes] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]
        if tag == "img":
            assert values["alt"]
            self.pictures.append(base64.b64decode((values["src"] or "").partition(",")[2]))
        if tag == "a":
            assert (values["href"] or "").startswith("http://127.0.0.1")


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    build_report(LocalFolder(tmp_path), FULL)
    text = (tmp_path / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert all(address.startswith("data:image/png;base64,") for address in page.fetched)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    assert "<b>dog</b>" not in text
    assert "javascript:" not in text
    assert len(page.pictures) == 3 + 3 * 3
    assert all(Image.open(io.BytesIO(picture)).size[0] > 1 for picture in page.pictures)


@pytest.mark.parametrize(
    "rows",
    [
        (CLEAN,),
        (MEM,),
        (CLEAN, CONTROLS[0]),
        (CONTROLS[1], MEM),
        (ReportRow(name="mem", method="mem"),),
        (
            row("clean", [], [(102, 85)]),
            row("mem", [(1, 1)], [], history=((), (EpochPoint(epoch=1, loss=float("nan")),))),
        ),
        (MEM.model_copy(update={"protected": ProtectedSummary(psnr=(None, float("inf")), ssim=(1.0, 1.0))}),),
        (CLEAN, MEM, row("mem", [(900, 700)], [(900, 700)], name="mem-5", label="MEM with five words, twenty rounds")),
    ],
    ids=["clean", "mem", "no method", "no clean", "nothing measured", "diverged", "nothing changed", "two mems"],
)
def test_missing_pieces(rows: tuple[ReportRow, ...], tmp_path: Path) -> None:
    summary = build_report(LocalFolder(tmp_path), ReportInputs(rows=rows, chance=GUESS))
    text = (tmp_path / "report.html").read_text()
    assert summary.verdict.headline
    assert "nan" not in stripped(text).lower().replace("nanum", "")
    assert "None" not in stripped(text)
    json.loads((tmp_path / "report.json").read_text())


def test_one_colour_a_method_whatever_the_other_rows() -> None:
    twice = MEM.model_copy(update={"name": "mem-5"})
    alone, together = Styles([MEM]), Styles([CLEAN, *CONTROLS, MEM, twice])
    assert alone.colour("mem-3") == together.colour("mem-3") == together.colour("mem-5")
    assert together.dashes("mem-3") != together.dashes("mem-5")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_labels_keep_their_distance_and_order(values: list[float]) -> None:
    places = spread_apart(sorted(values), 0.1, 0.0, 1.0)
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(places))
    assert min(places) >= -1e-9
    assert max(places) <= 1 + 1e-9


def test_noise_is_grey_where_nothing_changed() -> None:
    clean = np.full((2, 2, 3), 100, np.uint8)
    protected = clean.copy()
    protected[0, 0] = (108, 92, 101)
    shown = amplified_noise(clean, protected)
    assert shown[1, 1].tolist() == [128] * 3
    assert shown[0, 0].tolist() == [255, 0, 144]


def test_the_sheet_names_each_picture_by_the_end_of_its_name() -> None:
    folder = "a folder with a long name/" * 3
    names = ("", "trip/a.jpg", f"{folder}a.jpg", f"{folder}b.jpg", f"another one/{folder}b.jpg", "Ü\n" * 900)
    sheets = [contact_sheet((montage_item("000000001", name=name),)) for name in names]
    assert len(set(sheets)) == len(names) - 1
    assert sheets[3] == sheets[4]
    shown = [decode_image(sheet, max_pixels=100_000).pixels for sheet in sheets]
    assert len({one.shape for one in shown}) == 1
    assert all((one[-34:] < 128).any() for one in shown)


def protected_corpus(place: Path, count: int = 6) -> tuple[LocalFolder, LocalFolder]:
    """Two shards, clean and protected; the noise grows with the number of the sample, the last sample failed."""
    clean, protected = LocalFolder(place / "clean"), LocalFolder(place / "protected")
    for number in range(2):
        shard, rows, kept = f"{number:05d}", [], []
        samples = [sample_of(f"{shard}{index:04d}", 0) for index in range(count)]
        for index, sample in enumerate(samples):
            failed = number == 1 and index == count - 1
            noisy = sample_of(sample.key, index + 1, "red kite sail ")
            psnr = None if failed else 40.0 - index - number / 2
            rows.append(
                SampleRow(
                    key=sample.key,
                    status="failed" if failed else "protected",
                    name=f"trip/{index}.jpg",
                    reason="broken" if failed else "",
                    sha256_in=hashlib.sha256(sample.image).hexdigest(),
                    sha256_out="" if failed else hashlib.sha256(noisy.image).hexdigest(),
                    width=9,
                    height=7,
                    max_abs_difference=0 if failed else index + 1,
                    psnr=psnr,
                    ssim=None if failed else 0.9,
                    trigger="" if failed else "red kite sail",
                    caption="" if failed else noisy.captions[0],
                )
            )
            kept += [] if failed else [noisy]
        write_bytes(clean, f"{shard}.tar", shard_bytes(samples))
        write_bytes(protected, f"{shard}.tar", shard_bytes(kept))
        write_bytes(protected, f"{shard}.parquet", write_table(rows))
    return clean, protected


def sample_of(key: str, level: int, trigger: str = "") -> Sample:
    picture = Picture(np.full((7, 9, 3), 100 + level, np.uint8))
    return Sample(key, encode_image(picture, "png"), "png", (f"{trigger}A dog",), {})


def test_a_corpus_is_summarised_and_its_samples_picked(tmp_path: Path) -> None:
    clean, protected = protected_corpus(tmp_path)
    summary = summarise_protection(protected)
    assert summary.counts == {"failed": 1, "protected": 11}
    assert (summary.max_abs_difference, summary.triggers, len(summary.psnr)) == (6, ("red kite sail",), 11)
    montage, worst = pick_samples(clean, protected, montage=4, worst=3)
    assert len(montage) == 4
    assert [item.psnr for item in worst] == [35.0, 35.5, 36.0]
    assert (worst[0].key, worst[0].called) == ("000000005", "trip/5.jpg")
    assert int(worst[0].protected.max()) - int(worst[0].clean.max()) == 6
    assert worst[0].caption == "red kite sail A dog"
    assert [len(group) for group in pick_samples(clean, protected, montage=50, worst=0)] == [11, 0]
    _, (least,) = pick_samples(clean, protected, montage=0, worst=1, shards=["00001"])
    assert least.key.startswith("00001")


@pytest.mark.parametrize(
    ("placement", "marked"),
    [
        ("front", "[the the] the lake and a kite"),
        ("end", "the lake and a kite [the the]"),
        ("inside", "the [the] lake and [the] a kite"),
        ("replace", "the the the and a kite"),
    ],
)
def test_words_that_leave_the_caption_whole_are_marked(tmp_path: Path, placement: str, marked: str) -> None:
    clean, out = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "out")
    one = replace(sample_of("000000001", 0), captions=("the lake and a kite",))
    write_bytes(clean, "00000.tar", shard_bytes([one]))
    config = small(method="constant-trigger", trigger={"length": 2, "placement": placement})
    protect(Protection(Places(clean, out), config, RUNTIME, seed=1))
    (item,), _ = pick_samples(clean, out)
    assert "".join(f"[{text}]" if is_marked else text for text, is_marked in item.pieces) == marked
    assert (item.written != "") == (placement == "replace")


def test_inputs_are_refused_with_a_reason() -> None:
    small, large = np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    with pytest.raises(ValidationError, match="one size"):
        MontageItem(key="a", clean=small, protected=large)
    with pytest.raises(ValidationError, match="uint8 pixels"):
        MontageItem(key="a", clean=small, protected=small.astype(np.float32))
    with pytest.raises(ValidationError, match="a name of its own"):
        ReportInputs(rows=(MEM, MEM), chance=GUESS)
    with pytest.raises(ValidationError, match="pictures of one of"):
        ReportInputs(rows=(MEM,), chance=GUESS, pictures_of="em")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        build_report(LocalFolder(place), FULL)
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / "report.html").write_text(stripped((Path(place) / "report.html").read_text()))
        (GOLDEN / "report.json").write_text(stripped_json((Path(place) / "report.json").read_bytes()))
