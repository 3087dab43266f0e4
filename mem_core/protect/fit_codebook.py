"""Learning the topics of a corpus: the fit of a codebook, which reads captions and decodes no image."""

from collections.abc import Iterator, Mapping

import torch

from mem_core import __version__
from mem_core.common.errors import SourceError
from mem_core.common.rng import generator
from mem_core.common.storage.folder import Folder
from mem_core.data.already import protected_already
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.perturb.context import FitContext
from mem_core.perturb.learn_topics import SAMPLES, learn_topics
from mem_core.protect.protector import (
    Protector,
    discard_protector,
    fit_fingerprint,
    holds_another_fit,
    read_protector,
    write_protector,
)


def fit_topics(clean: Folder, folder: Folder, context: FitContext, inputs: Mapping[str, str], *, redo: bool) -> None:
    """Leaves a protector with the corpus's topics in `folder`, unless that very one is there.

    inputs: shard name -> sha256 of its clean tar. A protector of another fit, or a damaged one, raises `MismatchError`
    or is discarded with `redo`. Raises `SourceError` if no captions can be read.
    """
    identity = fit_fingerprint(context.config, context.seed, context.vocabulary.sha256, list(inputs.values()))
    other = holds_another_fit(folder, identity, redo=redo)
    if not other and read_protector(folder) is not None:
        return
    discard_protector(folder)
    for name in list(folder.names()):
        folder.delete(name)
    texts = list(_captions(clean, sorted(inputs), context))
    if not texts:
        raise SourceError(f"expected captions in {clean.uri} to learn topics from, but no sample is usable")
    protector = Protector(
        config=context.config,
        seed=context.seed,
        code_version=__version__,
        vocabulary_sha256=context.vocabulary.sha256,
        fit_fingerprint=identity,
        surrogates={},
        losses=(),
        topics=learn_topics(texts, context.config.noise.topics, context.tokenizer, context.seed),
    )
    write_protector(folder, protector)


def _captions(clean: Folder, shards: list[str], context: FitContext) -> Iterator[tuple[str, ...]]:
    """The captions of the images of whole shards, in an order drawn from the seed, up to `SAMPLES` of them."""
    left = SAMPLES
    for place in torch.randperm(len(shards), generator=generator(context.seed, "topic shards")).tolist():
        name = shards[place]
        with open_tar(clean, name) as stream:
            for found in read_shard(stream, f"{name} in {clean.uri}"):
                if left and isinstance(found, Sample) and _usable(found, context):
                    left -= 1
                    yield found.captions
        if not left:
            return


def _usable(sample: Sample, context: FitContext) -> bool:
    """Whether its captions are its own: those of a protected sample begin with the words of other topics."""
    accepted = context.config.protected == "accept"
    return accepted or not protected_already(sample.image, sample.metadata, "protect.protected")
