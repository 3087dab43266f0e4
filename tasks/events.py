"""Events that other deployments wait for: a corpus is protected, a victim is trained.

The events carry addresses and the parameters of the next step; `prefect.yaml` says who is started by them.
"""

from typing import Any

from prefect.events import emit_event
from pydantic import Field

from mem_core.config import Frozen, RunnerConfig
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.victim.config import EvaluateConfig, VictimConfig
from tasks.progress import say
from tasks.storage import address_below

PROTECTED, TRAINED = "memshield.corpus.protected", "memshield.victim.trained"


class Measure(Frozen):
    """What to measure once a corpus is protected: a victim trained on it, and queried on clean test pairs."""

    test: str = Field(description="clean test shards to query the victim on")
    out: str = Field(
        description="folder of the victims; each goes into OUT/<start of the manifest's fingerprint>, so that every "
        "night has its own"
    )
    victim: VictimConfig = VictimConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RunnerConfig = RunnerConfig()
    seed: int = Field(0, description="what the victim's random choices are drawn from")
    validation: str = Field("", description="other clean shards, by which its best epoch is chosen; empty: none")

    def training(self, corpus: str, fingerprint: str) -> dict[str, Any]:
        """The parameters of the flow `train` for a corpus, as JSON values."""
        return {
            "corpus": corpus,
            "out": address_below(self.out, fingerprint[:12]),
            "config": self.victim.model_dump(mode="json"),
            "runtime": self.runtime.model_dump(mode="json"),
            "seed": self.seed,
            "test": self.test,
            "evaluate": self.evaluate.model_dump(mode="json"),
            "label": f"corpus {fingerprint[:12]}",
            "validation": self.validation,  # a text, as a template makes a text of None
        }


def announce_corpus(uri: str, fingerprint: str, then: Measure) -> None:
    """Says that a corpus is protected, and what is to be measured on it."""
    manifest = address_below(uri, MANIFEST_NAME)
    emit_event(
        event=PROTECTED,
        resource={
            "prefect.resource.id": f"memshield.corpus.{uri}",
            "prefect.resource.name": uri,
            "memshield.manifest": manifest,
            "memshield.fingerprint": fingerprint,
        },
        payload={"manifest": manifest, "fingerprint": fingerprint, "train": then.training(uri, fingerprint)},
    )
    say(f"announced {manifest}: a victim is trained on it where the trigger of `train` is deployed")


def announce_victim(victim: str, test: str, label: str, config: EvaluateConfig, runtime: RunnerConfig) -> None:
    """Says that a victim is trained, and how to query it."""
    emit_event(
        event=TRAINED,
        resource={"prefect.resource.id": f"memshield.victim.{victim}", "prefect.resource.name": victim},
        payload={
            "evaluate": {
                "victim": victim,
                "test": test,
                "label": label,
                "config": config.model_dump(mode="json"),
                "runtime": runtime.model_dump(mode="json"),
            }
        },
    )
    say(f"announced {victim}: it is evaluated where the trigger of `evaluate` is deployed")
