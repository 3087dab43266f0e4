"""The report on what a pipeline has left below one folder, and the row of a report out of measured victims."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import NamedTuple

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config.methods import METHODS
from mem_core.experiments.config import RowConfig, RunConfig, read_run
from mem_core.experiments.row_runner import RowPlan, plan_run
from mem_core.report import (
    EpochPoint,
    ProtectedSummary,
    ReportInputs,
    ReportRow,
    ReportSummary,
    build_report,
    pick_samples,
    summarise_protection,
)
from mem_core.report.claims import how_trained
from mem_core.victim.config import VictimConfig
from mem_core.victim.record import Epoch, read_victim
from mem_core.victim.result import EVALUATION_NAME, Evaluation, read_evaluation

_LIBRARIES = ("memshield", "torch", "open_clip_torch", "prefect", "numpy", "pillow")
_VICTIM = re.compile(r"rows/[a-z0-9-]+/victim-(\d+)/" + re.escape(EVALUATION_NAME))


class MeasuredVictim(NamedTuple):
    """What a victim retrieves, and how it was trained."""

    seed: int
    found: Evaluation
    history: tuple[Epoch, ...]
    config: VictimConfig
    samples: int
    steps: int


def report_run(folder: Folder, config: RunConfig | None = None) -> ReportSummary:
    """Writes report/ from rows/: the rows and seeds of the config, or of the pipeline's last run.

    Raises `SourceError` if no victim of them is evaluated.
    """
    config = config or read_run(folder)
    table = config or _every_method(folder)
    plans = {plan.row.name: plan for plan in plan_run(table)}
    measured = {row.name: victims for row in table.table if (victims := _measured(folder, plans[row.name]))}
    if not measured:
        raise SourceError(
            f"expected evaluated victims in {folder.uri}/rows/<row>/victim-<seed>, but there is none",
            hint="run the pipeline",
        )
    rows = []
    for name, victims in measured.items():
        plan = plans[name]
        summary = None if plan.row.is_clean else summarise_protection(folder.below(plan.corpus))
        pairs = plan.row.corpus or table.corpus.one_sample_per
        rows.append(report_row(plan.row, victims, pairs, summary))
    noisy = (method.name for method in METHODS.values() if method.adds_noise)  # methods before controls
    pictured = next((row.name for method in noisy for row in rows if row.method == method), "")
    places = [folder.below(name) for name in (plans[pictured].clean, plans[pictured].corpus)] if pictured else []
    montage, worst = pick_samples(*places) if places else ((), ())
    inputs = ReportInputs(
        subtitle=f"preset {config.name}" if config else "",
        rows=tuple(rows),
        chance=next(iter(measured.values()))[0].found.chance,
        pictures_of=pictured,
        montage=montage,
        worst=worst,
        config=config.model_dump(mode="json") if config else {},
        versions={name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        environment={
            "machine": f"{platform.system()} {platform.machine()}",
            "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        },
        links={"all files of this run": folder.uri},
    )
    return build_report(folder.below("report"), inputs)


def report_row(
    row: RowConfig, victims: Sequence[MeasuredVictim], pairs: str, protected: ProtectedSummary | None = None
) -> ReportRow:
    """The victims of a row over its seeds, as the report takes them. pairs: what its corpus has a sample for."""
    best = [victim.found.best for victim in victims if victim.found.best is not None]
    return ReportRow(
        name=row.name,
        method=row.method,
        label=row.label,
        seeds=tuple(victim.seed for victim in victims),
        bare=tuple(victim.found.bare for victim in victims),
        prefixed=tuple(victim.found.prefixed for victim in victims),
        best=tuple(best) if len(best) == len(victims) else (),
        trained=tuple(how_trained(victim.config, victim.samples, victim.steps, pairs) for victim in victims),
        chance=victims[0].found.chance,
        history=tuple(
            tuple(EpochPoint.model_validate(epoch.model_dump()) for epoch in victim.history) for victim in victims
        ),
        protected=protected,
    )


def _every_method(folder: Folder) -> RunConfig:
    """Where a run left no settings: every method by its name, and the seeds that are there."""
    seeds = sorted({int(match[1]) for name in folder.names() if (match := _VICTIM.fullmatch(name))})
    return RunConfig(rows=tuple(METHODS), victim_seeds=tuple(seeds) or (0,))


def _measured(folder: Folder, plan: RowPlan) -> list[MeasuredVictim]:
    """The evaluated victims of a row, by seed."""
    found = []
    for victim in sorted(plan.victims, key=lambda victim: victim.seed):
        place = folder.below(victim.out)
        record, evaluation = read_victim(place), read_evaluation(place)
        if record is not None and evaluation is not None:
            trained = (record.config, record.samples, record.steps)
            found.append(MeasuredVictim(victim.seed, evaluation, record.history, *trained))
    return found
