"""What commands share: their options and groups of options, how they are told and checked, how a result is written."""

from esn_interp.cli.shared.command import add
from esn_interp.cli.shared.console import Console, Run, table
from esn_interp.cli.shared.corpus_choice import (
    CorpusChoice,
    CorpusOptions,
    CorpusTreatment,
    OnSplit,
    Root,
    Split,
)
from esn_interp.cli.shared.door import Commands, Guard
from esn_interp.cli.shared.engine_choice import EngineChoice
from esn_interp.cli.shared.measured import Measured, Trial, write_page
from esn_interp.cli.shared.model_choice import ModelChoice, ModelOptions
from esn_interp.cli.shared.options import (
    AllowIdentification,
    BatchSize,
    Count,
    CountedScope,
    Draws,
    Filter,
    Neurons,
    PromptScope,
    Relabellings,
    Resamples,
    Statistics,
    StatisticsOut,
    TokenScope,
    Top,
)
from esn_interp.cli.shared.outputs import in_folder, out_file, out_folder, out_page, out_result, own_file
from esn_interp.cli.shared.study_choice import StudyChoice, duration, points, study_folder
from esn_interp.cli.shared.values import (
    gains,
    layer_bands,
    names_of,
    numbers,
    positions_of,
    statistics_of,
    words,
)

__all__ = [
    "AllowIdentification",
    "BatchSize",
    "Commands",
    "Console",
    "CorpusChoice",
    "CorpusOptions",
    "CorpusTreatment",
    "Count",
    "CountedScope",
    "Draws",
    "EngineChoice",
    "Filter",
    "Guard",
    "Measured",
    "ModelChoice",
    "ModelOptions",
    "Neurons",
    "OnSplit",
    "PromptScope",
    "Relabellings",
    "Resamples",
    "Root",
    "Run",
    "Split",
    "Statistics",
    "StatisticsOut",
    "StudyChoice",
    "TokenScope",
    "Top",
    "Trial",
    "add",
    "duration",
    "gains",
    "in_folder",
    "layer_bands",
    "names_of",
    "numbers",
    "out_file",
    "out_folder",
    "out_page",
    "out_result",
    "own_file",
    "points",
    "positions_of",
    "statistics_of",
    "study_folder",
    "table",
    "words",
    "write_page",
]
