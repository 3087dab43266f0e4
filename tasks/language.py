"""The language model that proposes fluent trigger words: trained on a corpus's own captions."""

from mem_core.common.formatting import counted
from mem_core.config import RuntimeConfig
from mem_core.perturb.language import ENOUGH_CAPTIONS, LanguageModelConfig, LanguageModelRecord, train_language_model
from mem_core.perturb.language.training import read_language_model_record
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


@step("train language model", run_name="train language model, seed {seed}", tags=("memshield-device",))
def train_language(
    corpus: str, out: str, config: LanguageModelConfig, runtime: RuntimeConfig, seed: int
) -> LanguageModelRecord:
    """Trains the model, goes on after its last whole epoch, or finds it trained. Warns where captions were few."""
    folder = open_folder(out)
    before = read_language_model_record(folder)
    with watched("train language model") as progress:
        record = train_language_model(open_folder(corpus), folder, config, runtime, seed=seed, progress=progress)
    how = "was trained before" if record == before else f"learned {counted(record.captions, 'caption')}"
    say(f"language model, seed {seed}: {how}, {record.tokens:,} tokens, loss {record.losses[-1]:.2f}")
    if record.captions < ENOUGH_CAPTIONS:
        say(
            f"warning: expected {ENOUGH_CAPTIONS:,} different captions or more for trigger words that read well, got "
            f"{record.captions:,} in {corpus}: a language model of so few knows words but hardly their order, and "
            "with more epochs repeats the captions"
        )
    return record
