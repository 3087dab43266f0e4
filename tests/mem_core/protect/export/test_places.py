"""Places in an exported folder: one each, inside the folder, the same whenever they are asked for."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import SampleError
from mem_core.common.storage.folder import LocalFolder
from mem_core.protect.export.places import BESIDE, Places

_PARTS = st.sampled_from(
    ["a", "A", "a.jpg", "a.webp", "a.jpg.png", "ä.JPG", "a\u0308.jpg", "b", "b.txt", "..", ".", ""]
)
_NAMES = st.lists(st.lists(_PARTS, min_size=1, max_size=3).map("/".join) | st.text(max_size=8), max_size=12)


def placed(names: list[str]) -> dict[int, str]:
    """Number of the name -> its place; those that are refused are left out."""
    places, found = Places(), {}
    for number, name in enumerate(names):
        try:
            found[number] = places.place(name, "00000", f"00000{number:04d}", "png")
        except SampleError:
            continue
    return found


@given(_NAMES)
def test_no_two_samples_share_a_file_on_any_disk_and_none_lies_outside(names: list[str]) -> None:
    found = placed(names)
    files = [f"{stem}{suffix}".casefold() for stem in found.values() for suffix in (".png", *BESIDE)]
    folders = {str(above) for file in files for above in PurePosixPath(file).parents}
    assert len(set(files)) == len(files)
    assert not folders & set(files)
    for stem in found.values():
        assert not stem.startswith("/")
        assert not {"", ".", ".."} & set(stem.split("/"))
        LocalFolder("/nowhere").exists(f"{stem}.png")  # a name that storage takes


@given(_NAMES, st.text(max_size=5))
def test_what_is_placed_stays_there_when_more_comes(names: list[str], more: str) -> None:
    longer = placed([*names, more])
    longer.pop(len(names), None)
    assert longer == placed(names)


def test_names_are_kept_as_far_as_they_can() -> None:
    names = [
        "holiday/a.jpg",
        "holiday/a.webp",
        "holiday/A.JPG",
        "holiday/a.jpg",
        "b.jpg.png",
        "b.jpg",
        "",
        "c",
        "c.d.gif",
    ]
    assert list(placed(names).values()) == [
        *("holiday/a", "holiday/a.webp", "holiday/A.JPG", "holiday/a.jpg.000000003", "b.jpg"),
        *("b", "00000/000000006", "c", "c.d"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../a.jpg",
        "a/../../b.jpg",
        "..\\a.jpg",
        "C:\\a.jpg",
        "https://x.org/a.jpg",
        "a\0.jpg",
        "a\n.jpg",
        ".",
    ],
)
def test_names_that_could_lead_out_are_refused(name: str) -> None:
    with pytest.raises(SampleError, match="expected"):
        Places().place(name, "00000", "000000000", "png")


def test_a_picture_where_a_folder_should_be_is_told() -> None:
    places = Places()
    places.place("a.jpg", "00000", "000000000", "png")
    with pytest.raises(SampleError, match=r"expected a folder at a\.png"):
        places.place("a.png/b.jpg", "00000", "000000001", "png")
