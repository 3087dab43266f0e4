"""Trains the language model that proposes fluent trigger words."""

from prefect import flow

from mem_core.config import RuntimeConfig
from mem_core.perturb.language import LanguageModelConfig, LanguageModelRecord
from tasks.training import train_language


@flow(name="train-lm", flow_run_name="train a language model, seed {seed}")
def train_lm(
    corpus: str,
    out: str,
    config: LanguageModelConfig = LanguageModelConfig(),
    runtime: RuntimeConfig = RuntimeConfig(),
    seed: int = 0,
) -> LanguageModelRecord:
    """Writes config.json, tokenizer.json, model.safetensors and language-model.json into OUT."""
    return train_language(corpus, out, config, runtime, seed)
