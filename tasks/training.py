"""Models that are trained and queried: the victim, as an unauthorised trainer would, and the language model."""

from mem_core.common.errors import DestinationError
from mem_core.common.formatting import counted
from mem_core.config import Frozen, RuntimeConfig
from mem_core.data.corpus import corpus_fingerprint, list_shards
from mem_core.perturb.language import ENOUGH_CAPTIONS, LanguageModelConfig, LanguageModelRecord, train_language_model
from mem_core.perturb.language.training import read_language_model_record
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import evaluate_victim
from mem_core.victim.record import VictimRecord, read_victim
from mem_core.victim.result import Evaluation, read_evaluation
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.validation_set import FEW_PAIRS
from tasks.artifacts import show_retrieval
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


class TrainJob(Frozen):
    """One victim; folders by address. test: clean pairs to watch the median ranks on, if any. clean: the originals of
    the corpus, for countermeasures that take something from them. validation: clean pairs that choose the best epoch.
    """

    corpus: str
    out: str
    label: str = "victim"
    config: VictimConfig = VictimConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    seed: int = 0
    test: str | None = None
    evaluate: EvaluateConfig = EvaluateConfig()
    clean: str | None = None
    validation: str | None = None


@step("train victim", run_name="train {job.label}, seed {job.seed}", tags=("memshield-device",))
def train_model(job: TrainJob) -> VictimRecord:
    """Trains the victim, goes on after its last whole epoch, or finds it trained."""
    corpus, out = open_folder(job.corpus), open_folder(job.out)
    for named in filter(None, (job.test, job.validation)):
        list_shards(open_folder(named))  # now, not after the first epochs
    before = read_victim(out)
    data = VictimData(
        corpus,
        fingerprint=corpus_fingerprint(corpus),
        clean=open_folder(job.clean) if job.clean else None,
        validation=open_folder(job.validation) if job.validation else None,
        test=open_folder(job.test) if job.test else None,
        queries=job.evaluate,
    )
    if before is not None:
        _require_the_same(before, job, data)
    with watched(f"train {job.label}, seed {job.seed}") as progress:
        record = train_victim(data, out, job.config, job.runtime, seed=job.seed, progress=progress)
    done = f"trained {counted(record.steps, 'step')} on {counted(record.samples, 'sample')}"
    how = "was trained before" if record == before else done
    loss = f", loss {record.history[-1].loss:.2f}" if record.history else ""
    best = f", best epoch {record.best_epoch} of {len(record.history)}" if record.best_epoch else ""
    say(f"{job.label}, seed {job.seed}: {how}{loss}{best}")
    if record.validation is not None and record.validation.few:
        say(
            f"warning: expected {FEW_PAIRS} validation pairs or more to choose the best epoch by, got "
            f"{len(record.validation.images)} in {job.validation}: another epoch may be as good"
        )
    return record


def _require_the_same(before: VictimRecord, job: TrainJob, data: VictimData) -> None:
    """A victim is trained anew where its corpus has grown or was made again; another one needs a folder of its own."""
    moved = before.corpus_fingerprint == data.fingerprint
    known = {"another corpus": before.corpus, "another seed": before.seed, "other settings": before.config}
    asked = {
        "another corpus": before.corpus if moved else data.corpus.uri,
        "another seed": job.seed,
        "other settings": job.config,
    }
    other = [what for what, value in known.items() if asked[what] != value]
    if other:
        raise DestinationError(
            f"expected a folder for this victim, but {job.out} has one that was trained on {before.corpus} with seed "
            f"{before.seed}: of {' and '.join(other)}; name another folder"
        )


@step("evaluate victim", run_name="evaluate {label}", tags=("memshield-device",))
def evaluate_model(victim: str, test: str, label: str, config: EvaluateConfig, runtime: RuntimeConfig) -> Evaluation:
    """Queries the victim, bare and prefixed, and keeps the result beside it; an equal one is not made again."""
    folder = open_folder(victim)
    before = read_evaluation(folder)
    with watched(f"evaluate {label}") as progress:
        found = evaluate_victim(folder, open_folder(test), config, runtime, progress)
    if found == before:
        say(f"{label}: evaluated before")
        return found
    show_retrieval(victim, label, found)
    say(f"{label}: {found.median_ranks}, by chance {found.chance.median_ranks}")
    return found


@step("train language model", run_name="train language model, seed {seed}", tags=("memshield-device",))
def train_language(
    corpus: str, out: str, config: LanguageModelConfig, runtime: RuntimeConfig, seed: int
) -> LanguageModelRecord:
    """Trains the model on the corpus's own captions, goes on after its last whole epoch, or finds it trained.

    It proposes fluent trigger words. Warns where captions were few.
    """
    dest = open_folder(out)
    before = read_language_model_record(dest)
    with watched("train language model") as progress:
        record = train_language_model(open_folder(corpus), dest, config, runtime, seed=seed, progress=progress)
    how = "was trained before" if record == before else f"learned {counted(record.captions, 'caption')}"
    say(f"language model, seed {seed}: {how}, {record.tokens:,} tokens, loss {record.losses[-1]:.2f}")
    if record.captions < ENOUGH_CAPTIONS:
        say(
            f"warning: expected {ENOUGH_CAPTIONS:,} different captions or more for trigger words that read well, got "
            f"{record.captions:,} in {corpus}: a language model of so few knows words but hardly their order, and "
            "with more epochs repeats the captions"
        )
    return record
