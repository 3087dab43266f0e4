"""What a victim can still retrieve on clean test pairs."""

from mem_core.config import Frozen, RuntimeConfig
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.evaluation import Evaluation, evaluate_victim, read_evaluation
from tasks.artifacts import show_retrieval
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder


class EvaluateJob(Frozen):
    """One victim and the clean test corpus to query it on; folders by address."""

    victim: str
    test: str
    label: str = "victim"
    config: EvaluateConfig = EvaluateConfig()
    runtime: RuntimeConfig = RuntimeConfig()


@step("evaluate victim", run_name="evaluate {job.label}", tags=("memshield-device",))
def evaluate_model(job: EvaluateJob) -> Evaluation:
    """Queries the victim, bare and prefixed, and keeps the result beside it; an equal one is not made again."""
    folder = open_folder(job.victim)
    before = read_evaluation(folder)
    with watched(f"evaluate {job.label}") as progress:
        found = evaluate_victim(folder, open_folder(job.test), job.config, job.runtime, progress)
    if found == before:
        say(f"{job.label}: evaluated before")
        return found
    show_retrieval(job.victim, job.label, found)
    say(f"{job.label}: median rank {found.bare.median_ranks}, by chance {found.chance.median_ranks}")
    return found
