"""Table 1: what a victim retrieves after training on each method's corpus.

Controls that the paper lacks: how the surrogate sees captions, who fits on what, noise for images or for pairs.
"""

from collections.abc import Iterator

from mem_core.experiments.reproduce.experiment import (
    Experiment,
    Shown,
    StudyPicture,
    Table,
    report_inputs,
    rows_table,
)
from mem_core.experiments.reproduce.scale import PHOTOGRAPHS
from mem_core.report.alt_texts import shares_in_words
from mem_core.report.figures import Styles, png
from mem_core.report.findings import compute_findings
from mem_core.report.share_chart import draw_shares


def show_rows(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table | StudyPicture]:
    """A table and a chart of the shares of chance."""
    inputs = report_inputs(shown, experiment.rows, dataset)
    if inputs is None:
        return
    yield rows_table(experiment.name, shown, inputs, dataset)
    findings = compute_findings(inputs)
    figure = draw_shares(findings, Styles(inputs.rows))
    if figure is not None:
        caption = f"{dataset}: median rank in % of chance at the epoch that counts, for every direction and query."
        yield StudyPicture(f"{experiment.name}-{dataset}-shares", png(figure), caption, shares_in_words(findings))


TABLE1 = Experiment(
    name="table1",
    title="Table 1: methods and controls",
    about="Victims trained from scratch on each corpus, queried on clean test pairs. The paper's rows, EM also at "
    "MEM's compute, and the controls that show whether noise or trigger words did the work. The other EM is as its "
    "authors ran it: 1/16 of the surrogate's steps, in a quarter of the rounds.",
    rows=(
        "clean",
        "mem-3",
        "trigger-only",
        "random-trigger",
        "em",
        "noise-only",
        "constant-trigger",
        "uap",
        "mem-5",
        "random-noise",
        "em-16x-less",
        "untrained",
    ),
    show=show_rows,
    datasets=PHOTOGRAPHS,
)

CONTROLS = Experiment(
    name="controls",
    title="Controls: what each choice is worth",
    about="MEM-3 with one choice changed at a time. True or shuffled: captions that the surrogate reads. Own captions, "
    "one gradient: HotFlip as in the code of the paper's authors. At the end, inside: where trigger words stand. "
    "Replay: fitted on the first shard only, then replayed on all. Independent: a surrogate for each shard, at the "
    "compute of one for all. Image and pair: one noise and one trigger for each image, or for each of its captions: "
    "more samples, so victims of the same clean pairs, and of the same words without the noise, are beside.",
    rows=(
        "clean",
        "mem-3",
        "mem-3-matched",
        "mem-3-shuffled",
        "mem-3-own-captions",
        "mem-3-one-gradient",
        "mem-3-end",
        "mem-3-inside",
        "mem-3-replay",
        "mem-3-independent",
        "mem-3-image",
        "mem-3-pair",
        "trigger-only-image",
        "trigger-only-pair",
        "clean-image",
        "clean-pair",
        "random-trigger-image",
        "random-trigger-pair",
        "em-image",
        "em-pair",
        "mem-3-4-rounds",
        "mem-3-20-rounds",
    ),
    show=show_rows,
)
