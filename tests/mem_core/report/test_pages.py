"""Every page, as a screen reader, a keyboard and tired eyes meet it; what takes a browser is not asked here."""

import itertools
import re
from functools import cache

import pytest

from mem_core.config.methods import METHODS
from mem_core.report.figures import SOFT, text_colour
from tests.support.html_reading import Read, contrast, palettes, rgb, turned_over
from tests.support.pages import PAGES, certificate, preview

_AA = 4.5  # what WCAG 2 asks of text at level AA


@cache
def page(name: str) -> str:
    return PAGES[name]().decode()


@pytest.fixture(params=PAGES)
def read(request: pytest.FixtureRequest) -> Read:
    return Read(page(request.param))


def test_a_page_says_what_it_is(read: Read) -> None:
    (html,) = read.all("html")
    assert html.values["lang"] == "en"
    named = {meta.values.get("name"): meta.values.get("content") for meta in read.all("meta")}
    assert named["viewport"] == "width=device-width, initial-scale=1"
    assert named["color-scheme"] == "light dark"
    assert len(read.all("title")) == len(read.all("main")) == 1


def test_nothing_is_fetched_or_run(read: Read) -> None:
    assert not read.all("script", "link", "iframe", "object")
    addresses = [tag.values[name] for tag in read.tags for name in ("src", "srcset") if name in tag.values]
    assert all(address.startswith("data:image/png;base64,") for address in addresses)


def test_headings_begin_with_one_h1_and_skip_no_level(read: Read) -> None:
    levels = [int(tag.name[1]) for tag in read.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_pictures_say_what_they_show(read: Read) -> None:
    for image in read.all("img"):
        assert len(image.values["alt"]) > 15
    for chart in read.all("picture"):
        assert any(tag.name == "source" and tag.inside[-1] == chart for tag in read.tags)


def test_charts_tell_their_numbers() -> None:
    told = {name: [image.values["alt"] for image in Read(page(name)).all("img")] for name in PAGES}
    assert "MEM-3 54\N{NO-BREAK SPACE}% (50 to 58)" in told["report"][0]
    assert "words dropped 40\N{NO-BREAK SPACE}% (clean pairs only: 30\N{NO-BREAK SPACE}%)" in told["stress"][0]
    assert "1,500 twin pairs" in told["detection"][0]
    assert told["study"][0] == told["report"][0]


def test_tables_have_captions_and_headers_with_a_scope(read: Read) -> None:
    assert all(th.values["scope"] in ("row", "col", "colgroup") for th in read.all("th"))
    captions = [tag for tag in read.tags if tag.name == "caption"]
    assert [caption.inside[-1] for caption in captions] == read.all("table")
    assert all(any(table in th.inside for th in read.all("th")) for table in read.all("table"))


def test_what_is_wide_scrolls_in_a_named_box_that_the_keyboard_reaches(read: Read) -> None:
    boxes = [tag for tag in read.tags if tag.values.get("class", "").startswith("scroll")]
    assert all(table.inside[-1] in boxes for table in read.all("table"))
    assert all((box.values["role"], box.values["tabindex"]) == ("region", "0") for box in boxes)
    labels = [box.values["aria-label"] for box in boxes]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", PAGES)
def test_text_stands_out_from_its_ground_by_day_and_by_night(name: str) -> None:
    for colours in palettes(page(name)).values():
        for text, ground in (("ink", "paper"), ("ink", "ground"), ("soft", "paper"), ("soft", "ground")):
            assert contrast(rgb(colours[text]), rgb(colours[ground])) >= _AA
        assert contrast(rgb(colours["accent"]), rgb(colours["paper"])) >= _AA
        assert contrast(rgb(colours["marked"]), rgb(colours["mark"])) >= _AA


@pytest.mark.parametrize("colour", [SOFT, *(method.colour for method in METHODS.values())])
def test_words_in_charts_stand_out_on_white_and_turned_over(colour: str) -> None:
    paper = rgb(palettes(page("report"))["dark"]["paper"])
    shown = rgb(text_colour(colour))
    assert contrast(shown, rgb("#ffffff")) >= _AA
    assert contrast(turned_over(shown, paper), paper) >= _AA


def test_one_of_a_thing_is_no_plural() -> None:
    for text in (certificate().decode(), preview(1).decode(), page("report")):
        found = re.findall(r"(?<![\d,.:/ ])\b1 \w*(?:samples|images|words|pairs|shards|problems|epochs|tests)", text)
        assert found == []
    assert "The sample whose noise shows most" in preview(1).decode()
    assert "The 2 samples whose noise shows most" in page("preview")


def test_what_comes_from_data_is_escaped() -> None:
    text = page("report")
    assert "<b>dog</b>" not in text
    assert "A &lt;b&gt;dog&lt;/b&gt; &amp; a ball" in text
