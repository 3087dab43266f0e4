"""The tables and figures of the study, in the order of the page. One file each."""

from mem_core.study.experiment import Experiment
from mem_core.study.experiments.controls import CONTROLS
from mem_core.study.experiments.table1 import FIGURE4, TABLE1
from mem_core.study.experiments.table2 import TABLE2

EXPERIMENTS: tuple[Experiment, ...] = (TABLE1, TABLE2, FIGURE4, CONTROLS)
