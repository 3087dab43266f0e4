"""What a page in Prefect's UI is made of: pictures inside, places that a browser can use."""

import base64
from pathlib import Path

import pytest
from prefect import flow, get_client

from mem_core.common.storage.folder import LocalFolder
from mem_core.protect.shard_summary import ShardSummary
from tasks import result_pages
from tasks.artifacts import artifact_key
from tasks.result_pages import page_link, placed, show_night, with_pictures
from tasks.workspace import ProtectJob


def test_pictures_are_inside_as_long_as_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/small.png").write_bytes(b"small")
    (tmp_path / "pictures/large.png").write_bytes(b"large" * 10)
    monkeypatch.setattr(result_pages, "_PICTURE_BYTES", 20)
    found = with_pictures("a ![S](pictures/small.png) b ![L](pictures/large.png) ![N](no.png)", LocalFolder(tmp_path))
    assert f"a ![S](data:image/png;base64,{base64.b64encode(b'small').decode()}) b L: `" in found
    assert f"`{tmp_path}/pictures/large.png` on " in found
    assert f"N: `{tmp_path}/no.png` on " in found


def test_a_place_is_a_link_in_a_store_and_text_on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    from tasks.storage import _client

    _client.cache_clear()
    assert placed("s3://b/a b/report.html") == "[s3://b/a b/report.html](http://127.0.0.1:9/b/a%20b/report.html)"
    _client.cache_clear()
    assert placed("/data/report.html").startswith("`/data/report.html` on ")
    assert page_link("/data/report.html") == "file:///data/report.html"
    assert page_link("s3://b/report.html") == "s3://b/report.html"


def test_a_night_has_its_page_whatever_became_of_its_tables(prefect_api: str, tmp_path: Path) -> None:
    job = ProtectJob(clean=str(tmp_path / "clean"), dest=str(tmp_path / "published"))
    done = [ShardSummary(shard="00000", counts={"passthrough": 1, "protected": 2}, max_abs_difference=8)]

    @flow
    def night() -> None:
        show_night(job, "so many shards", done, {"00001": "a | b"}, {"00002": "another seed"})

    night()
    with get_client(sync_client=True) as client:
        (page,) = (one for one in client.read_artifacts() if one.key == artifact_key("night", job.dest))
    assert str(page.data).splitlines()[:7] == [
        "**so many shards**",
        "",
        "| shard | state | samples protected | failed | least PSNR | least SSIM | what |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 00001 | failed | - | - | - | - | a \\| b |",
        "| 00000 | new | 2 | 0 | - | - | 1 passthrough, largest difference 8/255 |",
        "| 00002 | left as it was | - | - | - | - | another seed |",
    ]
    assert "Least PSNR and SSIM, and pictures, could not be had: " in str(page.data)
