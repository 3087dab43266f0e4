"""Table 3: trigger words that a language model finds fluent, what they look like and what they are worth."""

import math
from collections.abc import Iterator

import torch

from mem_core.experiments.reproduce.experiment import Experiment, Shown, StudyPicture, Table
from mem_core.experiments.reproduce.paper.table1 import show_rows
from mem_core.experiments.reproduce.sample_pairs import ShownPair, shown_pairs
from mem_core.experiments.reproduce.scale import PHOTOGRAPHS
from mem_core.perturb.language import MaskedLanguageModel, load_language_model
from mem_core.perturb.language.masked import pseudo_perplexity
from mem_core.report.tables import NOTHING

_FLUENT = "mem-3-fluent"
_SCORED, _EXAMPLES = 100, 5


def show_fluent(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table | StudyPicture]:
    """The retrieval table, then how well captions read, and examples with their triggers marked."""
    yield from show_rows(experiment, shown, dataset)
    found = {
        row: shown_pairs(shown.study.train(results[0].cell), _SCORED)
        for row in experiment.rows
        if (results := shown.of(dataset, row))
    }
    if _FLUENT in found:
        model = load_language_model(shown.study.language_model(dataset, _FLUENT), torch.device("cpu"))
        yield _readability(shown, dataset, found, model)
        yield _examples(shown, dataset, found)


def _readability(shown: Shown, dataset: str, found: dict[str, list[ShownPair]], model: MaskedLanguageModel) -> Table:
    """The geometric mean of the perplexities: single captions with unknown words would outweigh all others."""
    rows = []
    for row, pairs in found.items():
        logs = [math.log(value) for value in pseudo_perplexity(model, [pair.caption for pair in pairs])]
        rows.append((shown.study.row(row).label, str(len(pairs)), f"{math.exp(sum(logs) / len(logs)):,.1f}"))
    return Table(
        caption=f"{dataset}: how well captions read, trigger in front",
        header=("training set", "captions", "pseudo-perplexity"),
        rows=tuple(rows),
        notes=(
            "Geometric mean over captions, by the language model that proposes the fluent words: lower reads better.",
        ),
    )


def _examples(shown: Shown, dataset: str, found: dict[str, list[ShownPair]]) -> Table:
    rows = []
    for row, pairs in found.items():
        for pair in pairs[:_EXAMPLES] if pairs[0].trigger else []:
            rest = pair.caption.removeprefix(pair.trigger).strip()
            rows.append((shown.study.row(row).label, pair.trigger or NOTHING.mean, rest))
    return Table(
        caption=f"{dataset}: examples",
        header=("training set", "trigger", "caption"),
        rows=tuple(rows),
        marked=(1,),
        words=(1, 2),
    )


TABLE3 = Experiment(
    name="table3",
    title="Table 3: triggers that read well",
    about="A masked language model proposes words for each position of the trigger, the gradient of the contrastive "
    "loss ranks them. Shown with and without such words, and with trigger words only.",
    rows=("clean", "mem-3", _FLUENT, "fluent-words", "random-trigger"),
    show=show_fluent,
    datasets=PHOTOGRAPHS,
)
