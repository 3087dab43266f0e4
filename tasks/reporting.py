"""Gathers what a pipeline has left below one address, and writes the report about it."""

import platform
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen
from mem_core.config.methods import METHODS
from mem_core.experiments.config import RowConfig, RunConfig
from mem_core.experiments.rows import clean_folder
from mem_core.experiments.status import RUN, read_run
from mem_core.report import (
    EpochPoint,
    ReportInputs,
    ReportRow,
    ReportSummary,
    build_report,
    pick_samples,
    summarise_protection,
)
from mem_core.report.inputs import MontageItem
from mem_core.victim.evaluation import EVALUATION_NAME, Evaluation, read_evaluation
from mem_core.victim.record import VictimRecord, read_victim
from tasks.artifacts import show_report
from tasks.options import step
from tasks.progress import say
from tasks.storage import address_below, open_folder

_LIBRARIES = ("memshield", "torch", "open_clip_torch", "prefect", "numpy", "pillow")
_VICTIM = re.compile(r"rows/([a-z0-9-]+)/victim-(\d+)/" + re.escape(EVALUATION_NAME))

Victim = tuple[int, VictimRecord, Evaluation]


class ReportPlace(Frozen):
    """A finished report: its page by address, and what it says."""

    page: str
    summary: ReportSummary


@step("keep settings", run_name="keep settings of {dest}")
def keep_run(dest: str, config: RunConfig) -> bool:
    """Leaves the settings in DEST/run.json, for the report and for `status`. Returns whether there were none before."""
    folder = open_folder(dest)
    first = not folder.exists(RUN)
    write_bytes(folder, RUN, (config.model_dump_json(indent=2) + "\n").encode())
    return first


@step("write report", run_name="report on {dest}")
def write_report(dest: str, config: RunConfig | None = None) -> ReportPlace:
    """Writes DEST/report from DEST/rows: the rows and seeds of the config, or of the pipeline's last run."""
    folder = open_folder(dest)
    config = config or read_run(folder)
    victims = _victims(folder, config)
    rows = tuple(_row(folder, row, victims[row.name]) for row in _table(config) if row.name in victims)
    noisy = (method.name for method in METHODS.values() if method.adds_noise)  # methods before controls
    pictured = next((row.name for method in noisy for row in rows if row.method == method), None)
    montage, worst = _pictures(folder, pictured, config) if pictured else ((), ())
    evaluation = next(iter(victims.values()))[0][2]
    inputs = ReportInputs(
        subtitle=f"preset {config.name}" if config else "",
        rows=rows,
        chance=evaluation.chance,
        pictures_of=pictured or "",
        montage=montage,
        worst=worst,
        config=config.model_dump(mode="json") if config else {},
        versions={name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        environment={
            "machine": f"{platform.system()} {platform.machine()}",
            "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        },
        links={"all files of this run": dest},
    )
    out = folder.below("report")
    summary = build_report(out, inputs)
    page = address_below(out.uri, summary.page)
    picture = "pictures/montage.png"
    show_report(
        summary.findings,
        summary.verdict,
        page,
        read_bytes(out, picture) if picture in summary.pictures else None,
    )
    say(f"report: {page}")
    return ReportPlace(page=page, summary=summary)


def _table(config: RunConfig | None) -> tuple[RowConfig, ...]:
    """The rows of the run; where it left no settings, every method by its name."""
    return config.table if config else tuple(RowConfig(name=method, method=method) for method in METHODS)


def _victims(folder: Folder, config: RunConfig | None) -> dict[str, list[Victim]]:
    """The evaluated victims by row. Raises `SourceError` if there is none."""
    found: dict[str, list[Victim]] = {}
    known = {row.name for row in _table(config)}
    for name, seed, place in _evaluated(folder):
        wanted = name in known and (config is None or seed in config.victim_seeds)
        record, evaluation = read_victim(folder.below(place)), read_evaluation(folder.below(place))
        if wanted and record is not None and evaluation is not None:
            found.setdefault(name, []).append((seed, record, evaluation))
    if not found:
        raise SourceError(
            f"expected evaluated victims in {folder.uri}/rows/<row>/victim-<seed>, but there is none: "
            "`memshield pipeline` makes them"
        )
    return {name: sorted(found[name], key=lambda victim: victim[0]) for name in found}


def _evaluated(folder: Folder) -> Iterator[tuple[str, int, str]]:
    for name in folder.names():
        if match := _VICTIM.fullmatch(name):
            yield match[1], int(match[2]), name.rpartition("/")[0]


def _row(folder: Folder, row: RowConfig, victims: list[Victim]) -> ReportRow:
    return ReportRow(
        name=row.name,
        method=row.method,
        label=row.label,
        seeds=tuple(seed for seed, _, _ in victims),
        bare=tuple(evaluation.bare for _, _, evaluation in victims),
        prefixed=tuple(evaluation.prefixed for _, _, evaluation in victims),
        history=tuple(_history(record) for _, record, _ in victims),
        protected=None if row.is_clean else summarise_protection(folder.below(f"rows/{row.name}/protected")),
    )


def _history(record: VictimRecord) -> tuple[EpochPoint, ...]:
    return tuple(EpochPoint.model_validate(epoch.model_dump()) for epoch in record.history)


def _pictures(
    folder: Folder, name: str, config: RunConfig | None
) -> tuple[tuple[MontageItem, ...], tuple[MontageItem, ...]]:
    kind = next((row.corpus for row in _table(config) if row.name == name), None)
    clean = clean_folder(kind, config) if config else "clean"
    return pick_samples(folder.below(f"{clean}/train"), folder.below(f"rows/{name}/protected"))
