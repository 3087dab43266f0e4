"""Whether protection holds for the paper's trainer and for a competent one."""

from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper.table2 import show_victims

SCHEDULES = Experiment(
    name="schedules",
    title="Schedules: the paper's trainer and a competent one",
    about="The paper's: AdamW at 5e-4, a warm-up of 10,000 steps that does not end early, cosine, no augmentation. A "
    "competent trainer's: a warm-up that ends, and open_clip's random crop.",
    rows=("clean", "mem-3", "random-trigger", "em"),
    show=show_victims,
    victims=("competent", "paper-schedule"),
)
