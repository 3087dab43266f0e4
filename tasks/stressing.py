"""A stress test in tasks: what there is to do, each victim, and the report."""

import shutil

from mem_core.audit.detectable import Detectability
from mem_core.audit.stress.cells import StressCell, StressResult
from mem_core.audit.stress.page import STRESS_PAGE, StressReport, stress_headline
from mem_core.audit.stress.stress_test import StressPlan, StressSettings, StressTest
from mem_core.common.formatting import counted, duration
from mem_core.config import Frozen
from tasks.options import step
from tasks.progress import say, watched
from tasks.result_pages import show_stress
from tasks.storage import address_below, open_folder


class StressJob(Frozen):
    """One stress test; folders by address. work: a local folder for victims, where `out` is in a store."""

    protected: str
    clean: str
    test: str
    out: str
    validation: str | None = None
    work: str | None = None
    settings: StressSettings = StressSettings()


class StressPlace(Frozen):
    """A finished stress test: its page by address, and what it says."""

    page: str
    report: StressReport


@step("plan stress test", run_name="plan stress test of {job.protected}")
def plan_stress(job: StressJob) -> StressPlan:
    """Checks what can be checked before hours of work, and says what it will cost."""
    plan = _test(job, job.settings).plan()
    say(
        f"{counted(len(plan.cells), 'victim')}, {plan.expected.victims} of them to be trained: "
        f"about {duration(plan.expected.seconds)} on this machine as it is now"
    )
    return plan


@step("detectability", run_name="detectability of {job.protected}", tags=("memshield-device",))
def measure_detectability(job: StressJob) -> Detectability:
    """Fits classifier and autoencoder, or finds them fitted."""
    with watched("detectability") as progress:
        found = _test(job, job.settings).detectability(progress)
    say(f"told from clean pictures with AUC {found.image_auc:.3f}, from clean captions with {found.text_auc:.3f}")
    return found


@step("stress cell", run_name="{cell.name}", tags=("memshield-device",))
def measure_cell(job: StressJob, plan: StressPlan, cell: StressCell) -> StressResult:
    """One victim, trained and queried, or found measured."""
    with watched(f"{cell.attack.label}, {cell.trained_on}") as progress:
        result = _test(job, plan.settings).measure(cell, progress)
    say(f"{cell.attack.label}, trained on {cell.trained_on}: {result.evaluation.median_ranks}")
    return result


@step("stress report", run_name="report on stress test {job.out}")
def report_stress(
    job: StressJob, plan: StressPlan, results: list[StressResult], detectability: Detectability
) -> StressPlace:
    """Writes stress.html, stress.json and stress.png."""
    test = _test(job, plan.settings)
    report = test.report(plan, results, detectability)
    page = address_below(test.out.uri, STRESS_PAGE)
    show_stress(job.out, page, report)
    if job.work is not None:
        shutil.rmtree(job.work, ignore_errors=True)
    say(stress_headline(report.findings))
    return StressPlace(page=page, report=report)


def _test(job: StressJob, settings: StressSettings) -> StressTest:
    protected, clean, test, out = (open_folder(place) for place in (job.protected, job.clean, job.test, job.out))
    validation = open_folder(job.validation) if job.validation else None
    work = open_folder(job.work) if job.work else None
    return StressTest(protected, clean, test, out, settings, validation, work)
