"""Absolute names in an export: below the folder that all share, never above it, and the same when the corpus grows."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import SampleError
from mem_core.protect.export.absolute_names import AbsoluteNames

_PARTS = st.sampled_from(["home", "me", "pics", "a", "..", ".", "", "C:", "a.jpg"])
_NAMES = st.lists(st.lists(_PARTS, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)), max_size=8)


@given(_NAMES)
def test_a_name_is_its_folder_and_what_it_is_relative_to_it(names: list[str]) -> None:
    found = AbsoluteNames(names)
    for name in names:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or not parts:
            continue
        if found.folder:
            relative = found.relative(name)
            assert PurePosixPath(found.folder, relative).parts[1:] == tuple(parts)
            assert relative
            assert not relative.startswith("/")
        else:
            with pytest.raises(SampleError, match="share"):
                found.relative(name)


@given(_NAMES, _NAMES)
def test_what_was_exported_keeps_its_name_when_more_comes(names: list[str], more: list[str]) -> None:
    before = AbsoluteNames(names)
    if not before.folder:
        return
    after = AbsoluteNames([*more, *names], before.mark)
    assert (after.folder, after.mark) == (before.folder, before.mark)
    for name in names:
        if ".." not in name.split("/"):
            assert after.relative(name) == before.relative(name)


def test_names_of_other_systems_and_relative_ones() -> None:
    windows = AbsoluteNames(["C:\\Users\\me\\a.jpg", "C:\\Users\\me\\trip\\b.jpg", "c.jpg"])
    assert windows.folder == "C:/Users/me"
    assert [windows.relative(name) for name in ("C:\\Users\\me\\trip\\b.jpg", "c.jpg")] == ["trip/b.jpg", "c.jpg"]
    assert (AbsoluteNames(["a.jpg", "https://x.org/b.jpg", "../c.jpg"]).folder, AbsoluteNames([]).mark) == ("", "")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["/a/x.jpg", "/b/y.jpg"],
            "'/a/x.jpg' and '/b/y.jpg' share none: in the source, name them relative to one",
        ),
        (["/a/x.jpg", "C:\\a\\x.jpg"], "share none"),
        (["/x.jpg"], "but '/x.jpg' lies in none"),
    ],
)
def test_names_that_share_no_folder_are_refused(names: list[str], said: str) -> None:
    found = AbsoluteNames(names)
    for name in names:
        with pytest.raises(SampleError, match=said):
            found.relative(name)


def test_a_name_beside_the_folder_of_an_earlier_export_is_refused() -> None:
    mark = AbsoluteNames(["/home/me/pics/a.jpg"]).mark
    grown = AbsoluteNames(["/home/me/pics/a.jpg", "/home/me/other/b.jpg"], mark)
    assert grown.relative("/home/me/pics/a.jpg") == "a.jpg"
    with pytest.raises(SampleError, match="expected a name below /home/me/pics, .* export to another folder"):
        grown.relative("/home/me/other/b.jpg")
