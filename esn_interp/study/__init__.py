"""The whole study: from a model and a corpus to a folder with a report."""

from esn_interp.study.choice import Setting, settings_grid
from esn_interp.study.protocol import StudyResult, run_study

__all__ = ["Setting", "StudyResult", "run_study", "settings_grid"]
