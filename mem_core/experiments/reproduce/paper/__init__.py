"""The tables and figures of the study, in the order of the page."""

from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper.beyond import CODEBOOK, CROP
from mem_core.experiments.reproduce.paper.figure4 import FIGURE4
from mem_core.experiments.reproduce.paper.figures56 import FIGURE5, FIGURE6
from mem_core.experiments.reproduce.paper.table1 import CONTROLS, TABLE1
from mem_core.experiments.reproduce.paper.table2 import SCHEDULES, TABLE2
from mem_core.experiments.reproduce.paper.table3 import TABLE3
from mem_core.experiments.reproduce.paper.table4 import TABLE4

EXPERIMENTS: tuple[Experiment, ...] = (
    TABLE1,
    TABLE2,
    TABLE3,
    TABLE4,
    FIGURE4,
    FIGURE5,
    FIGURE6,
    CONTROLS,
    SCHEDULES,
    CROP,
    CODEBOOK,
)
