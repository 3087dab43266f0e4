"""What an owner asks before and after publishing: a preview, a certificate, a commitment, whether a model learned."""

from typing import Annotated

from flows.parameters import Protected, said
from flows.recorded import recorded
from mem_core.audit.evidence.outcome import EvidencePlan
from mem_core.audit.preview import Preview
from mem_core.config import RuntimeConfig
from mem_core.protect.key_place import KeyPlace
from tasks.evidence import CommitmentPlace, DetectionPlace, commit_corpus, detect_in_model, write_detection_queries
from tasks.trust import CertificatePlace, certify_corpus, preview_corpus

Out = Annotated[str, said("Folder to write into.")]
Key = Annotated[KeyPlace, said("Where the secret key of the twins lies.")]
Twins = Annotated[str, said("DEST/twins, as `protect --twins` left it.")]
Commitment = Annotated[str, said("The commitment.json from before publishing.")]


@recorded("preview", run_name="preview {protected}", told=lambda _: "the samples whose noise shows most")
def preview(
    protected: Protected,
    clean: Annotated[str, said("The clean shards it was made from.")],
    out: Out,
    samples: Annotated[int, said("How many of the most visible samples.")] = 24,
) -> Preview:
    """The samples whose noise shows most, before anything is uploaded."""
    return preview_corpus(protected, clean, out, samples)


@recorded("certify", run_name="certify {protected}", told=lambda place: place.headline)
def certify(
    protected: Protected,
    out: Out,
    clean: Annotated[str | None, said("The clean shards: then everything is audited again.")] = None,
    stress: Annotated[str | None, said("What `stress` wrote.")] = None,
    victims: Annotated[tuple[str, ...], said("Folders of evaluated victims.")] = (),
    controls: Annotated[tuple[str, ...], said("The same, trained on clean pairs with their settings.")] = (),
    commitment: Annotated[str | None, said("What `commit` wrote.")] = None,
) -> CertificatePlace:
    """What was protected, how it was audited, against whom it was tested, and what was not tested."""
    return certify_corpus(protected, out, clean, stress, victims, controls, commitment)


@recorded("commit", run_name="commit {protected}", told=lambda place: f"{place.pairs:,} twin pairs, {place.sha256}")
def commit(
    protected: Protected,
    out: Out,
    plan: Annotated[EvidencePlan, said("The one test that will count.")],
    key: Key,
    stamp: Annotated[bool, said("Also write the question to a time-stamping service.")] = False,
) -> CommitmentPlace:
    """What is settled before publishing: the corpus, its coins, the one test that counts."""
    return commit_corpus(protected, out, plan, key, stamp)


@recorded("detect", run_name="detect {model}", told=lambda place: place.headline)
def detect(
    model: Annotated[str, said("A victim's folder, a checkpoint, or a name for an endpoint's embeddings.")],
    twins: Twins,
    commitment: Commitment,
    key: Key,
    out: Out,
    architecture: Annotated[str, said("Of a checkpoint: an open_clip name, or a JSON file.")] = "",
    embeddings: Annotated[str | None, said("Vectors recorded from an endpoint in place of a model.")] = None,
    open_key: Annotated[bool, said("Put the secret key into detection.json: then anybody can check it.")] = False,
    runtime: Annotated[RuntimeConfig, said("Where and how fast it computes.")] = RuntimeConfig(),
) -> DetectionPlace:
    """Whether a model learned from what was published: the committed test of its preferences against the coins."""
    return detect_in_model(model, twins, commitment, key, out, architecture, embeddings, open_key, runtime)


@recorded("detection queries", run_name="detection queries of {twins}", told=lambda count: f"{count:,} queries")
def queries(twins: Twins, commitment: Commitment, key: Key, out: Out) -> int:
    """What to ask a model behind an endpoint."""
    return write_detection_queries(twins, commitment, key, out)
