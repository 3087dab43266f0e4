"""Trains the language model that proposes fluent trigger words."""

from typing import Annotated

from flows.parameters import Clean, Dest, said
from flows.recorded import recorded
from mem_core.common.formatting import counted
from mem_core.config import RuntimeConfig
from mem_core.perturb.language import LanguageModelConfig, LanguageModelRecord
from tasks.training import train_language


def _told(record: LanguageModelRecord) -> str:
    return f"learned {counted(record.captions, 'caption')}, loss {record.losses[-1]:.2f}"


@recorded("train-lm", run_name="train a language model on {corpus}, seed {seed}", told=_told)
def train_lm(
    corpus: Clean,
    out: Dest,
    config: Annotated[LanguageModelConfig, said("Size and training of the language model.")] = LanguageModelConfig(),
    runtime: Annotated[RuntimeConfig, said("Where and how fast it computes.")] = RuntimeConfig(),
    seed: Annotated[int, said("What all random choices are drawn from.")] = 0,
) -> LanguageModelRecord:
    """Writes config.json, tokenizer.json, model.safetensors and language-model.json into OUT."""
    return train_language(corpus, out, config, runtime, seed)
