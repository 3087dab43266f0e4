"""The paper as a set of experiments, at the scale of the machine: `make_plan`, `run_study`, then the page."""

from mem_core.experiments.reproduce.experiment import Experiment, Section, Shown, StudyPicture, Table
from mem_core.experiments.reproduce.page import StudyReport, write_study
from mem_core.experiments.reproduce.run import StudyPlan, make_plan, run_study
from mem_core.experiments.reproduce.scale import StudyScale, load_scale, scale_names
from mem_core.experiments.reproduce.study import Study

__all__ = [
    "Experiment",
    "Section",
    "Shown",
    "Study",
    "StudyPicture",
    "StudyPlan",
    "StudyReport",
    "StudyScale",
    "Table",
    "load_scale",
    "make_plan",
    "run_study",
    "scale_names",
    "write_study",
]
