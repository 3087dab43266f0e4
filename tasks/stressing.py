"""A stress test in tasks: what there is to do, each victim, and the report."""

from pydantic import Field, ValidationError

from mem_core import __version__
from mem_core.audit.detectability import Detectability, detect
from mem_core.audit.stress.attacks import Attack, Suite, suite
from mem_core.audit.stress.cells import Arena, Cell, CellResult, Subject, cells_of, read_cell, read_subject
from mem_core.audit.stress.estimate import Estimate, estimate
from mem_core.audit.stress.findings import find
from mem_core.audit.stress.page import PAGE, StressReport, headline, write_report
from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.formatting import counted, duration
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, require_disjoint, write_bytes
from mem_core.config import Frozen, RuntimeConfig, fingerprint, first_mistake
from mem_core.data.corpus import corpus_fingerprint, list_shards
from mem_core.data.manifest import build_manifest
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.countermeasures.purifier import save_purifier
from tasks.artifacts import show_stress
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import address_below, open_folder

_FOLDER, _PURIFIER, _FOUND = "detectability", "purifier.safetensors", "detectability.json"


class StressJob(Frozen):
    """One stress test; folders by address, `out` on this machine. samples: pairs that each victim trains on at most.

    pretrained: weights for the row of a victim that does not start from nothing.
    """

    protected: str
    clean: str
    test: str
    out: str
    suite: Suite = "default"
    victim: VictimConfig = VictimConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    samples: int = Field(2000, ge=2)
    pretrained: str = ""


class StressPlan(Frozen):
    """What a test is about, how victims are queried, which ones it takes, and what they will cost."""

    subject: Subject
    evaluate: EvaluateConfig
    attacks: tuple[Attack, ...]
    cells: tuple[Cell, ...]
    expected: Estimate


class StressPlace(Frozen):
    """A finished stress test: its page by address, and what it says."""

    page: str
    report: StressReport


@step("plan stress test", run_name="plan stress test of {job.protected}")
def plan_stress(job: StressJob) -> StressPlan:
    """Checks what can be checked before hours of work, and says what it will cost."""
    out, test = _local(job.out), open_folder(job.test)
    protected, clean = open_folder(job.protected), open_folder(job.clean)
    for source in (protected, clean, test):
        require_disjoint(source.uri, out.uri)
    subject = read_subject(protected)
    for named in (clean, test):
        list_shards(named)  # now, not after the first hour
    attacks = suite(job.suite, subject.trigger_length, address_below(out.uri, f"{_FOLDER}/{_PURIFIER}"), job.pretrained)
    cells = cells_of(attacks, job.seeds)
    expected = estimate(
        [cell for cell in cells if read_cell(out, cell) is None],
        job.victim,
        job.evaluate,
        job.runtime,
        samples=min(job.samples, subject.samples),
        test_samples=sum(entry.samples for entry in build_manifest(test, kind="clean").shards) or job.samples,
    )
    say(
        f"{counted(len(cells), 'victim')}, {expected.victims} of them to be trained: "
        f"about {duration(expected.seconds)} on this machine as it is now"
    )
    evaluate = job.evaluate.model_copy(update={"prefix_length": max(1, subject.trigger_length)})
    return StressPlan(subject=subject, evaluate=evaluate, attacks=tuple(attacks), cells=tuple(cells), expected=expected)


@step("detectability", run_name="detectability of {job.protected}", tags=("memshield-device",))
def measure_detectability(job: StressJob) -> Detectability:
    """Fits classifier and autoencoder, or finds them fitted; the autoencoder's weights are kept for its attack."""
    folder = _local(job.out).below(_FOLDER)
    protected, clean = open_folder(job.protected), open_folder(job.clean)
    seed = job.seeds[0]
    identity = fingerprint(corpus_fingerprint(protected), corpus_fingerprint(clean), seed, __version__)
    known = _read_found(folder)
    if known is not None and known[0] == identity and folder.exists(_PURIFIER):
        return known[1]
    with watched("detectability") as progress:
        found, purifier = detect(protected, clean, seed, progress=progress)
    write_bytes(folder, _PURIFIER, save_purifier(purifier))
    kept = _Kept(fingerprint=identity, found=found)
    write_bytes(folder, _FOUND, (kept.model_dump_json(indent=2) + "\n").encode())
    say(f"told from clean pictures with AUC {found.image_auc:.3f}, from clean captions with {found.text_auc:.3f}")
    return found


@step("stress cell", run_name="{cell.name}", tags=("memshield-device",))
def measure_cell(job: StressJob, plan: StressPlan, cell: Cell) -> CellResult:
    """One victim, trained and queried, or found measured."""
    protected, clean, test = (open_folder(address) for address in (job.protected, job.clean, job.test))
    arena = Arena(
        protected=protected,
        clean=clean,
        test=test,
        out=_local(job.out),
        victim=job.victim,
        evaluate=plan.evaluate,
        runtime=job.runtime,
        samples=job.samples,
        fingerprints=(corpus_fingerprint(protected), corpus_fingerprint(clean), corpus_fingerprint(test)),
    )
    with watched(f"{cell.attack.label}, {cell.trained_on}") as progress:
        result = arena.measure(cell, progress)
    found = result.evaluation.bare
    ranks = f"{found.image_to_text.median_rank:g} / {found.text_to_image.median_rank:g}"
    say(f"{cell.attack.label}, trained on {cell.trained_on}: median rank {ranks}")
    return result


@step("stress report", run_name="report on stress test {job.out}")
def report_stress(
    job: StressJob, plan: StressPlan, results: list[CellResult], detectability: Detectability
) -> StressPlace:
    """Writes stress.html, stress.json and stress.png."""
    out = _local(job.out)
    evaluation = results[0].evaluation
    report = StressReport(
        findings=find(plan.attacks, results),
        detectability=detectability,
        about=_about(job, plan, results)
        | {"queried on": f"{evaluation.images:,} clean images with {evaluation.captions:,} captions"},
    )
    write_report(out, report)
    page = address_below(out.uri, PAGE)
    show_stress(report, page)
    say(headline(report.findings))
    return StressPlace(page=page, report=report)


def _about(job: StressJob, plan: StressPlan, results: list[CellResult]) -> dict[str, str]:
    subject, victim = plan.subject, job.victim
    places = {"front": "", "replace": " in place of the captions' own words"}
    seconds = sum(result.seconds for result in results)
    return {
        "protected with": f"{subject.method}, epsilon {subject.epsilon_levels}/255, "
        f"triggers of {subject.trigger_length} tokens{places[subject.placement]}",
        "trained on": f"{results[0].samples:,} pairs of {subject.samples:,}",
        "victims": f"{victim.architecture}, {counted(victim.epochs, 'epoch')}, batch {victim.batch_size}, "
        f"rate {victim.learning_rate:g}, seeds {', '.join(map(str, job.seeds))}",
        "suite": f"{job.suite}: {counted(len(plan.cells), 'victim')}, {duration(seconds)} of training",
        "version": __version__,
    }


class _Kept(Frozen):
    """detectability.json: the result, and what it is of."""

    fingerprint: str
    found: Detectability


def _read_found(folder: Folder) -> tuple[str, Detectability] | None:
    try:
        kept = _Kept.model_validate_json(read_bytes(folder, _FOUND))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise MismatchError(f"expected detectability in {folder.uri}/{_FOUND}, got: {first_mistake(error)}") from error
    return kept.fingerprint, kept.found


def _local(address: str) -> LocalFolder:
    """Victims are scratch, and the autoencoder's weights a file. Raises `ConfigError` for an address in a store."""
    folder = open_folder(address)
    if not isinstance(folder, LocalFolder):
        raise ConfigError(f"expected a local folder to keep a stress test in, got {address}")
    return folder
