"""Every setting of a run, as frozen and bounded pydantic models: unknown keys and bad values are refused.

Prefect renders the same models as forms, presets are YAML of `RunConfig`, and `fingerprint` hashes them.
"""

from mem_core.config.corpus import CorpusConfig, IdentitiesConfig
from mem_core.config.parsing import fingerprint, first_mistake, merge, parse_config
from mem_core.config.protect import NoiseConfig, ProtectConfig, SurrogateConfig, TriggerConfig
from mem_core.config.run import RowConfig, RunConfig
from mem_core.config.runtime import RuntimeConfig
from mem_core.config.values import WORDS_TO_CHOOSE, Method, Placement, Scale, Views, levels
from mem_core.config.victim import EvaluateConfig, FinetuneConfig, VictimConfig
from mem_core.frozen import Frozen

__all__ = [
    "WORDS_TO_CHOOSE",
    "CorpusConfig",
    "EvaluateConfig",
    "FinetuneConfig",
    "Frozen",
    "IdentitiesConfig",
    "Method",
    "NoiseConfig",
    "Placement",
    "ProtectConfig",
    "RowConfig",
    "RunConfig",
    "RuntimeConfig",
    "Scale",
    "SurrogateConfig",
    "TriggerConfig",
    "VictimConfig",
    "Views",
    "fingerprint",
    "first_mistake",
    "levels",
    "merge",
    "parse_config",
]
