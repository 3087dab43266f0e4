"""The paper as a set of experiments, at the scale of the machine: `make_plan`, `run_study`, then the page."""

from mem_core.study.experiment import Experiment, Picture, Section, Shown, Table
from mem_core.study.page import StudyReport, write_study
from mem_core.study.plan import StudyPlan, make_plan
from mem_core.study.run import run_study
from mem_core.study.scale import Scale, load_scale, scale_names
from mem_core.study.study import Study

__all__ = [
    "Experiment",
    "Picture",
    "Scale",
    "Section",
    "Shown",
    "Study",
    "StudyPlan",
    "StudyReport",
    "Table",
    "load_scale",
    "make_plan",
    "run_study",
    "scale_names",
    "write_study",
]
