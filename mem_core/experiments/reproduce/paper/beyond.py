"""What the paper does not ask: what a trainer's random crop takes from each method, and what the codebook is worth."""

from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper.table1 import show_rows

CROP = Experiment(
    name="crop",
    title="The random crop: what it takes from each method",
    about="The paper's trainer crops nothing; open_clip's takes 90 to 100 % of each picture. Each method with the "
    "crop in loop and victim, without it in both, and EM without it in the loop alone.",
    rows=("clean", "em", "mem-3", "clean-no-crop", "em-no-crop", "mem-3-no-crop", "em-uncropped-noise"),
    show=show_rows,
)

CODEBOOK = Experiment(
    name="codebook",
    title="Codebook: a grating and trigger words for each topic",
    about="No surrogate and no gradient: eight topics of the captions, each with a grating and three words, put in "
    "front or in the place of the caption's own words.",
    rows=("clean", "codebook", "codebook-replace", "mem-3", "random-trigger"),
    show=show_rows,
)
