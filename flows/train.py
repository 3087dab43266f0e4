"""Trains a victim on a corpus."""

from prefect import flow

from mem_core.config import RunnerConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.record import VictimRecord
from tasks.events import announce_victim
from tasks.training import TrainJob, train_model


@flow(name="train", flow_run_name="train on {label}, seed {seed}")
def train(
    corpus: str,
    out: str,
    config: VictimConfig = VictimConfig(),
    runtime: RunnerConfig = RunnerConfig(),
    seed: int = 0,
    test: str | None = None,
    evaluate: EvaluateConfig = EvaluateConfig(),
    label: str = "corpus",
    announce: bool = False,
    clean: str | None = None,
    validation: str | None = None,
) -> VictimRecord:
    """Writes victim.safetensors and victim.json into OUT. With `test`, median ranks are recorded as it learns.

    clean: the originals of the corpus, for countermeasures that take something from them. validation: clean pairs that
    are no test pairs, by which the best epoch is chosen: its weights are kept as best.safetensors.
    announce: an event says that the victim is there, so that the deployment `evaluate` starts by itself.
    """
    record = train_model(
        TrainJob(
            corpus=corpus,
            out=out,
            label=label,
            config=config,
            runtime=runtime,
            seed=seed,
            test=test,
            evaluate=evaluate,
            clean=clean,
            validation=validation or None,
        )
    )
    if announce and test:
        announce_victim(out, test, label, evaluate, runtime)
    return record
