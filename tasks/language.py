"""The language model that proposes fluent trigger words: trained on a corpus's own captions."""

from mem_core.common.formatting import counted
from mem_core.config import Frozen, RuntimeConfig
from mem_core.perturb.language import ENOUGH_CAPTIONS, LanguageModelConfig, LanguageModelRecord, train_language_model
from mem_core.perturb.language.training import read_language_model_record
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


class LanguageJob(Frozen):
    """One language model; folders by address."""

    corpus: str
    out: str
    config: LanguageModelConfig = LanguageModelConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    seed: int = 0


@step("train language model", run_name="train language model, seed {job.seed}", tags=("memshield-device",))
def train_language(job: LanguageJob) -> LanguageModelRecord:
    """Trains the model, goes on after its last whole epoch, or finds it trained. Warns where captions were few."""
    out = open_folder(job.out)
    before = read_language_model_record(out)
    with watched("train language model") as progress:
        record = train_language_model(
            open_folder(job.corpus), out, job.config, job.runtime, seed=job.seed, progress=progress
        )
    how = "was trained before" if record == before else f"learned {counted(record.captions, 'caption')}"
    say(f"language model, seed {job.seed}: {how}, {record.tokens:,} tokens, loss {record.losses[-1]:.2f}")
    if record.captions < ENOUGH_CAPTIONS:
        say(
            f"warning: expected {ENOUGH_CAPTIONS:,} different captions or more for trigger words that read well, got "
            f"{record.captions:,} in {job.corpus}: a language model of so few knows words but hardly their order, and "
            "with more epochs repeats the captions"
        )
    return record
