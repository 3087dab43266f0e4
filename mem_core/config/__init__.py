"""Every setting of a run, as frozen and bounded pydantic models: unknown keys and bad values are refused.

Prefect renders the same models as forms, and `fingerprint` hashes them.
"""

from mem_core.config.base import Frozen, fingerprint, first_mistake, merge, parse_config
from mem_core.config.corpus import CorpusConfig, IdentitiesConfig
from mem_core.config.methods import Method
from mem_core.config.optimizer import OptimizerConfig
from mem_core.config.protect import NoiseConfig, ProtectConfig, SurrogateConfig
from mem_core.config.runtime import RunnerConfig, RuntimeConfig
from mem_core.config.trigger import TriggerConfig
from mem_core.config.values import CENTRE, Placement, Scale, ViewConfig, Views

__all__ = [
    "CENTRE",
    "CorpusConfig",
    "Frozen",
    "IdentitiesConfig",
    "Method",
    "NoiseConfig",
    "OptimizerConfig",
    "Placement",
    "ProtectConfig",
    "RunnerConfig",
    "RuntimeConfig",
    "Scale",
    "SurrogateConfig",
    "TriggerConfig",
    "ViewConfig",
    "Views",
    "fingerprint",
    "first_mistake",
    "merge",
    "parse_config",
]
