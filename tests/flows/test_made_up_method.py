"""A method or control is one row of the table: made-up ones go from the source to the report, named nowhere else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flows.pipeline import pipeline
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import merge
from mem_core.config.methods import METHODS, Recipe
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import read_receipt
from mem_core.experiments.config import RunConfig
from mem_core.protect.protector import read_protector
from tasks.reporting import ReportPlace

CONTROL = Recipe(
    name="made-up",
    kind="control",
    label="Noise and words by lot",
    about="random noise and random trigger words",
    isolates="neither is optimised",
    colour="#123456",
    noise="random",
    trigger="random",
)
METHOD = Recipe(
    name="made-up-fitted",
    kind="method",
    label="Optimised noise, constant words",
    about="noise optimised for shuffled captions behind the same neutral words",
    colour="#654321",
    noise="optimised",
    trigger="constant",
    shuffles_captions=True,
)
PART = replace(
    METHOD,
    name="made-up-part",
    kind="control",
    label="Its words only",
    isolates="without its noise",
    publishes_noise=False,
    fitted_as=METHOD.name,
)
ROWS = (CONTROL, METHOD, PART)


@pytest.fixture(scope="module")
def finished(
    prefect_api: str, drawn_source: Path, smoke: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ReportPlace]]:
    dest = tmp_path_factory.mktemp("made-up")
    with pytest.MonkeyPatch.context() as patch:
        for row in ROWS:
            patch.setitem(METHODS, row.name, row)
        config = RunConfig.model_validate(
            merge(smoke.model_dump(), {"rows": ("clean", *(row.name for row in reversed(ROWS)))})
        )
        yield dest, pipeline(str(drawn_source), str(dest), config=config)  # which verifies every row


def test_they_are_seen_by_readers(finished: tuple[Path, ReportPlace]) -> None:
    _, place = finished
    found = {row.name: (row.kind, row.label) for row in place.summary.findings.rows}
    assert found == {"clean": ("clean", "Clean")} | {row.name: (row.kind, row.label) for row in ROWS}
    assert place.summary.findings.subject == METHOD.name
    page = Path(place.page).read_text()
    for row in ROWS:
        assert row.label in page
        assert f"background:{row.colour}" in page
    assert CONTROL.isolates in page


def test_they_publish_what_their_rows_say(finished: tuple[Path, ReportPlace]) -> None:
    dest, _ = finished
    for row in ROWS:
        protected = LocalFolder(dest / "rows" / row.name / "protected")
        receipts = [read_receipt(protected, shard) for shard in list_shards(protected)]
        assert receipts
        for receipt in receipts:
            assert receipt is not None
            assert receipt.method == row.name
            assert receipt.trigger_length > 0
        assert (dest / "rows" / row.name / "victim-0" / "evaluation.json").is_file()


def test_only_the_fitted_one_has_a_protector(finished: tuple[Path, ReportPlace]) -> None:
    dest, _ = finished
    protectors = [read_protector(LocalFolder(dest / "rows" / row.name / "protected" / "protector")) for row in ROWS]
    assert [protector is not None for protector in protectors] == [False, True, False]
