"""What commands print with `--json`: one object for programs, whose fields docs/operations.md lists.

Fields are added, never renamed or removed. Bootstrap draws, hundreds of numbers a median rank, stay in the files.
"""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mem_core import __version__
from mem_core.audit.stress.page import stress_headline
from mem_core.audit.verify.problems import VerifyReport
from mem_core.experiments.estimate.stage import fullest
from mem_core.experiments.status import DestinationStatus
from mem_core.report.claims import victims_of
from mem_core.victim.result import Evaluation

if TYPE_CHECKING:  # what they bring along, torch too, is not needed to print them
    from tasks.estimating import RunEstimate
    from tasks.evidence import DetectionPlace
    from tasks.stressing import StressPlace

Values = dict[str, Any]


def status_values(found: DestinationStatus) -> Values:
    """All that was read, and whether nothing is left to do."""
    return _about("status", {**_plain(found), "finished": found.finished})


def verify_values(found: VerifyReport) -> Values:
    """Every problem and warning, and whether there is no problem."""
    return _about("verify", {"ok": found.ok, **_plain(found)})


def estimate_values(found: "RunEstimate") -> Values:
    """Each step, and all of them together: their fields are those of a step."""
    totals = {of: sum(getattr(stage, of) for stage in found.stages) for of in ("seconds", "kept", "put", "get")}
    memory = max((stage.memory for stage in found.stages if stage.memory is not None), default=None)
    total = {**totals, "fullest": max(fullest(found.stages), default=0), "memory": memory}
    return _about("estimate", {**_plain(found), "total": total})


def evaluate_values(victim: str, found: Evaluation) -> Values:
    """The measurements, and the share of chance at the last and the best epoch. victim: by address."""
    victims = victims_of([found])
    shares = {"last": victims.last.share(found.chance)}
    shares["best"] = victims.best.share(found.chance) if victims.best else None
    estimated = {epoch: share and _plain(share.estimate()) for epoch, share in shares.items()}
    return _about("evaluate", {"victim": victim, **_plain(found), "share_of_chance": estimated})


def detect_values(place: "DetectionPlace") -> Values:
    """The verdict in words and numbers."""
    return _about("detect", _plain(place))


def queries_values(file: str, count: int) -> Values:
    """Where the queries for an endpoint lie."""
    return _about("detect", {"file": file, "queries": count})


def stress_values(place: "StressPlace") -> Values:
    """The rows of the table, worst case first, and the headline."""
    report = _plain(place.report)
    found = {**report.pop("findings"), "headline": stress_headline(place.report.findings), **report}
    return _about("stress", {"page": place.page, **found})


def _about(command: str, values: Values) -> Values:
    return {"memshield": __version__, "command": command, **values}


def _plain(model: BaseModel) -> Values:
    values: Values = _without_draws(model.model_dump(mode="json"))
    return values


def _without_draws(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_draws(inner) for name, inner in value.items() if name != "median_rank_draws"}
    return [_without_draws(inner) for inner in value] if isinstance(value, list) else value
