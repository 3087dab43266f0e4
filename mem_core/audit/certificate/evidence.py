"""Gathers what a certificate says: from receipts and tables, victims' evaluations, the cells of a stress test."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from mem_core.audit.certificate.certificate import (
    Audit,
    Certificate,
    Committed,
    Made,
    Trial,
    manifest_fingerprint,
    require_all_files,
)
from mem_core.audit.certificate.trials import trials_of_cells, trials_of_victims
from mem_core.audit.stress.attacks import AS_PUBLISHED, suite
from mem_core.audit.stress.cells import CELL, StressResult
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config.methods import METHODS
from mem_core.config.stored import read_record
from mem_core.data.corpus import corpus_fingerprint, tars_fingerprint
from mem_core.data.finished_shard import originals_of, protected_receipts
from mem_core.data.image_quality import summarise_quality
from mem_core.data.manifest import manifest_or_none
from mem_core.data.table import read_rows
from mem_core.report.claims import unjudged

ALWAYS_OPEN = (
    "a trainer who knows the method and adapts training to it beyond the countermeasures named above",
    "models and corpora larger than those of the victims named above",
    "captions rewritten by a captioning or language model",
    "purification by a generative (diffusion) model",
    "other uses of the images than training an image-text model",
)


def make_certificate(
    protected: Folder,
    clean: Folder | None,
    verify: Callable[[], VerifyReport] | None,
    *,
    stress: Folder | None = None,
    victims: Iterable[Folder] = (),
    controls: Iterable[Folder] = (),
    committed: Committed | None = None,
) -> Certificate:
    """What is known about a corpus: what was made, how it was audited, and what was measured.

    clean, verify: the clean corpus and what compares it with the protected one, if it is at hand; else the files are
    held against the receipts. stress: the folder of a stress test; victims, controls: see
    `trials_of_victims`. Raises `SourceError`, `MismatchError`.
    """
    made, audit = read_made(protected), Audit(compared=False)
    if clean is None or verify is None:
        require_all_files(protected)
    else:
        verified = verify()
        audit = Audit(
            compared=True,
            clean=corpus_fingerprint(clean),
            problems=len(verified.problems),
            first_problem="".join(map(str, verified.problems[:1])),
        )
    own, originals = corpus_fingerprint(protected), tars_fingerprint(originals_of(protected))
    trials = trials_of_cells(read_cells(stress, own)) if stress is not None else []
    found = certify(made, audit, [*trials, *trials_of_victims(victims, controls, protected=own, clean=originals)])
    return found.model_copy(update={"committed": committed}).sealed()


def read_made(protected: Folder) -> Made:
    """Raises `SourceError` for a corpus that memshield did not protect, `MismatchError` for damaged receipts."""
    receipts = protected_receipts(protected)
    psnr: list[float | None] = []
    ssim: list[float | None] = []
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    backed_off = 0
    for receipt in receipts:  # one table in memory at a time
        for row in read_rows(protected, receipt.shard):
            counts[row.status] += 1
            backed_off += row.backed_off_to > 0
            reasons.update([row.code or row.reason] if row.reason else [])  # sentences name files
            if row.status == "protected":
                psnr.append(row.psnr)
                ssim.append(row.ssim)
    manifest = manifest_or_none(protected)
    return Made(
        manifest=manifest_fingerprint(protected),
        shards=len(receipts),
        counts=dict(sorted(counts.items())),
        methods=tuple(sorted({receipt.method for receipt in receipts})),
        epsilon_levels=max(receipt.epsilon_levels for receipt in receipts),
        trigger_length=max(receipt.trigger_length for receipt in receipts),
        placements=tuple(sorted({receipt.placement for receipt in receipts})),
        versions=tuple(sorted({receipt.code_version for receipt in receipts})),
        protectors=tuple(sorted({receipt.protector for receipt in receipts if receipt.protector})),
        config=dict(manifest.config) if manifest is not None else {},
        psnr=summarise_quality(psnr),
        ssim=summarise_quality(ssim),
        backed_off=backed_off,
        reasons=dict(reasons.most_common(20)),
    )


def read_cells(stress: Folder, protected: str = "") -> list[StressResult]:
    """The cells of a stress test. protected: the fingerprint of the corpus it has to be of, "" for any.

    Raises `SourceError` if there is none, `MismatchError` if one cannot be read or is known to be of another corpus.
    """
    names = [name for name in stress.names() if name.startswith("cells/") and name.endswith(".json")]
    if not names:
        raise SourceError(
            f"expected the cells of a stress test in {stress.uri}/cells, but there is none", hint="run a stress test"
        )
    cells = {name: cell for name in names if (cell := read_record(stress, name, StressResult, CELL)) is not None}
    for name, cell in cells.items():
        if protected and cell.protected not in ("", protected):
            raise MismatchError(
                f"expected a stress test of the certified corpus in {stress.uri}, but {name} is of a victim of another "
                "one, or of this one before it was changed: name the stress test of this corpus, or run it again"
            )
    return list(cells.values())


def certify(made: Made, audit: Audit, trials: Sequence[Trial]) -> Certificate:
    """The certificate, sealed: worst case first, and after the trials that tell something those that do not."""
    ordered = tuple(sorted(trials, key=lambda trial: (not trial.tells, trial.counting.value, trial.attack)))
    telling = [trial for trial in ordered if trial.tells]
    return Certificate(
        made=made,
        audit=audit,
        trials=ordered,
        worst=telling[0].attack if telling else "",
        not_tested=tuple(_not_tested(made, audit, ordered)),
    ).sealed()


def _not_tested(made: Made, audit: Audit, trials: Sequence[Trial]) -> Iterator[str]:
    if not audit.compared:
        yield "that every pixel and caption is the clean one within the budget"
    for labels, why in unjudged((trial.label, trial.missing) for trial in trials).items():
        yield f"{labels}: cannot be judged, as {why}"
    named = [(AS_PUBLISHED if trial.attack == "trained" else trial.attack, trial) for trial in trials]
    tried, kept = {name for name, _ in named}, {name for name, trial in named if trial.best is not None}
    for attack in suite("full", made.trigger_length, "purifier", "weights", made.placements[-1]):
        if attack.name not in tried and attack.reads not in kept:
            yield attack.label
    if any(METHODS[method].adds_noise and METHODS[method].adds_trigger for method in made.methods if method in METHODS):
        yield "what the noise adds to the trigger words: that takes controls, which a pipeline's report has"
    if not trials or min(len(trial.seeds) for trial in trials) < 2:
        yield "the spread over victim seeds"
    yield from ALWAYS_OPEN
