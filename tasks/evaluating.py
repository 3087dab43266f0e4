"""What a victim can still retrieve on clean test pairs."""

from pydantic import ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import Frozen, RuntimeConfig, fingerprint, first_mistake
from mem_core.data.corpus import corpus_fingerprint
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.evaluation import Evaluation, query_model
from mem_core.victim.record import load_victim, read_victim
from tasks.artifacts import show_retrieval
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import open_folder

EVALUATION_NAME = "evaluation.json"


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
    folder, test = open_folder(job.victim), open_folder(job.test)
    record = read_victim(folder)
    identity = fingerprint(job.config, record.fingerprint if record else "", corpus_fingerprint(test))
    known = read_evaluation(folder)
    if known is not None and known.fingerprint == identity:
        say(f"{job.label}: evaluated before")
        return known
    model, _ = load_victim(folder)
    with watched(f"evaluate {job.label}") as progress:
        found = query_model(model, test, job.config, job.runtime, progress)
    found = found.model_copy(update={"fingerprint": identity})
    write_bytes(folder, EVALUATION_NAME, (found.model_dump_json(indent=2) + "\n").encode())
    show_retrieval(job.victim, job.label, found)
    ranks = found.bare.image_to_text.median_rank, found.bare.text_to_image.median_rank
    by_chance = found.chance.image_to_text.median_rank, found.chance.text_to_image.median_rank
    say(f"{job.label}: median rank {ranks[0]:g} / {ranks[1]:g}, by chance {by_chance[0]:g} / {by_chance[1]:g}")
    return found


def read_evaluation(folder: Folder) -> Evaluation | None:
    """The stored result of a victim, None if there is none. Raises `MismatchError` if it cannot be read."""
    try:
        return Evaluation.model_validate_json(read_bytes(folder, EVALUATION_NAME))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise MismatchError(
            f"expected an evaluation in {folder.uri}/{EVALUATION_NAME}, got: {first_mistake(error)}"
        ) from error
