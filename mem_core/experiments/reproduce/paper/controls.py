"""Controls that the paper lacks: how the surrogate sees captions, who fits on what, noise for images or for pairs."""

from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper.table1 import show_rows

CONTROLS = Experiment(
    name="controls",
    title="Controls: what each choice is worth",
    about="MEM-3 with one choice changed at a time. Replay: fitted on the first shard only, then replayed on all. "
    "Independent: a surrogate for each shard, at the compute of one for all. Image and pair: one noise and one trigger "
    "for each image, or for each of its captions.",
    rows=(
        "clean",
        "mem-3",
        "mem-3-matched",
        "mem-3-shuffled",
        "mem-3-replay",
        "mem-3-independent",
        "mem-3-image",
        "mem-3-pair",
        "random-trigger-image",
        "random-trigger-pair",
        "em-image",
        "em-pair",
        "mem-3-4-rounds",
        "mem-3-20-rounds",
    ),
    show=show_rows,
)
