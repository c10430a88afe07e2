"""Find the neurons of a speech language model that carry emotion, and prove that they are causal.

    import esn_interp as esn

    lm = esn.load("toy-omni")
    valid, ident, evaluate = esn.corpus("toy-studio").split()
    esns = esn.select(esn.collect(lm, ident), "mad", top=0.02)
    esn.ablation(lm, evaluate, esns).plot()
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esn_interp.analysis.ablation.measure import Ablation, ablation
    from esn_interp.analysis.attribution.check import AttributionCheck
    from esn_interp.analysis.attribution.measure import attribute
    from esn_interp.analysis.attribution.result import Attribution
    from esn_interp.analysis.corpus_check.measure import CorpusCheck, check_corpus
    from esn_interp.analysis.dose.measure import DoseResponse, dose_response
    from esn_interp.analysis.efficiency.measure import Efficiency, efficiency
    from esn_interp.analysis.grounding.measure import grounding
    from esn_interp.analysis.grounding.result import Grounding
    from esn_interp.analysis.injection.measure import Injection, injection
    from esn_interp.analysis.layers.measure import LayerProfile, layer_profile
    from esn_interp.analysis.listening.measure import Preference, preference
    from esn_interp.analysis.listening.page import ListeningPage, listening_page
    from esn_interp.analysis.overlap.measure import Overlap, overlap
    from esn_interp.analysis.redundancy.measure import redundancy
    from esn_interp.analysis.redundancy.result import Redundancy
    from esn_interp.analysis.selectors.measure import SelectorComparison, compare_selectors
    from esn_interp.analysis.side_effects.measure import SideEffects, side_effects
    from esn_interp.analysis.transfer.measure import Transfer, transfer
    from esn_interp.errors import AudioError, CorpusError, EditError, EsnError, ModelError, StatisticsError
    from esn_interp.interventions.edits import deactivate, floor, mean_ablate, resample_ablate, shift, steer
    from esn_interp.interventions.injection import mix, two_pass, union
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.models.edits import Edit
    from esn_interp.models.families import FAMILIES, Processor, Spoken
    from esn_interp.models.families.manner import Manner
    from esn_interp.models.gate_activations import GateActivations
    from esn_interp.models.loading import load, load_speaking
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.resampling import subset
    from esn_interp.neurons.selectors import SELECTORS, select
    from esn_interp.neurons.statistics import GateStatistics, merge
    from esn_interp.speech.audio import read_audio
    from esn_interp.speech.clips import Clip, Clips
    from esn_interp.speech.corpora import CORPORA, corpus
    from esn_interp.speech.playable import Speech
    from esn_interp.studies.conversion.study import EvcStudy, evc_study
    from esn_interp.tasks.collection import collect
    from esn_interp.tasks.conversion import ConversionPrompt, conversion_prompt, conversions, convert
    from esn_interp.tasks.conversion_record import Conversion, ConversionRun
    from esn_interp.tasks.judges import emotion_judge, prosody, speaker_judge, transcript_judge
    from esn_interp.tasks.recognition import Predictions, Recognition, recognise
    from esn_interp.tasks.side_tasks import OffTarget, off_target
    from esn_interp.tasks.success import SuccessFilter, Verdict, conversion_statistics, judge

__version__ = version("esn-interp")

# Where each public name lives. They are imported on first use: torch, transformers and nnsight take seconds to
# import, and `esn --help` or a mistyped path should not wait for them.
_HOMES = {
    "analysis.ablation.measure": ("Ablation", "ablation"),
    "analysis.attribution.measure": ("attribute",),
    "analysis.attribution.check": ("AttributionCheck",),
    "analysis.attribution.result": ("Attribution",),
    "analysis.corpus_check.measure": ("CorpusCheck", "check_corpus"),
    "analysis.dose.measure": ("DoseResponse", "dose_response"),
    "analysis.efficiency.measure": ("Efficiency", "efficiency"),
    "analysis.grounding.measure": ("grounding",),
    "analysis.grounding.result": ("Grounding",),
    "analysis.injection.measure": ("Injection", "injection"),
    "analysis.layers.measure": ("LayerProfile", "layer_profile"),
    "analysis.overlap.measure": ("Overlap", "overlap"),
    "analysis.listening.measure": ("Preference", "preference"),
    "analysis.redundancy.measure": ("redundancy",),
    "analysis.redundancy.result": ("Redundancy",),
    "analysis.selectors.measure": ("SelectorComparison", "compare_selectors"),
    "analysis.side_effects.measure": ("SideEffects", "side_effects"),
    "analysis.transfer.measure": ("Transfer", "transfer"),
    "errors": ("AudioError", "CorpusError", "EditError", "EsnError", "ModelError", "StatisticsError"),
    "interventions.edits": ("deactivate", "floor", "mean_ablate", "resample_ablate", "shift", "steer"),
    "interventions.injection": ("mix", "two_pass", "union"),
    "models.audio_lm": ("AudioLM",),
    "models.edits": ("Edit",),
    "models.families": ("FAMILIES", "Processor", "Spoken"),
    "models.families.manner": ("Manner",),
    "models.gate_activations": ("GateActivations",),
    "models.loading": ("load", "load_speaking"),
    "neurons.neuron_set": ("NeuronSet",),
    "neurons.resampling": ("subset",),
    "neurons.selectors": ("SELECTORS", "select"),
    "neurons.statistics": ("GateStatistics", "merge"),
    "analysis.listening.page": ("ListeningPage", "listening_page"),
    "speech.audio": ("read_audio",),
    "speech.clips": ("Clip", "Clips"),
    "speech.corpora": ("CORPORA", "corpus"),
    "speech.playable": ("Speech",),
    "studies.conversion.study": ("EvcStudy", "evc_study"),
    "tasks.collection": ("collect",),
    "tasks.conversion": ("ConversionPrompt", "conversion_prompt", "conversions", "convert"),
    "tasks.conversion_record": ("Conversion", "ConversionRun"),
    "tasks.judges": ("emotion_judge", "prosody", "speaker_judge", "transcript_judge"),
    "tasks.recognition": ("Predictions", "Recognition", "recognise"),
    "tasks.side_tasks": ("OffTarget", "off_target"),
    "tasks.success": ("SuccessFilter", "Verdict", "conversion_statistics", "judge"),
}
_HOME_OF = {name: f"esn_interp.{module}" for module, names in _HOMES.items() for name in names}

__all__ = [
    "CORPORA",
    "FAMILIES",
    "SELECTORS",
    "Ablation",
    "Attribution",
    "AttributionCheck",
    "AudioError",
    "AudioLM",
    "Clip",
    "Clips",
    "Conversion",
    "ConversionPrompt",
    "ConversionRun",
    "CorpusCheck",
    "CorpusError",
    "DoseResponse",
    "Edit",
    "EditError",
    "Efficiency",
    "EsnError",
    "EvcStudy",
    "GateActivations",
    "GateStatistics",
    "Grounding",
    "Injection",
    "LayerProfile",
    "ListeningPage",
    "Manner",
    "ModelError",
    "NeuronSet",
    "OffTarget",
    "Overlap",
    "Predictions",
    "Preference",
    "Processor",
    "Recognition",
    "Redundancy",
    "SelectorComparison",
    "SideEffects",
    "Speech",
    "Spoken",
    "StatisticsError",
    "SuccessFilter",
    "Transfer",
    "Verdict",
    "ablation",
    "attribute",
    "check_corpus",
    "collect",
    "compare_selectors",
    "conversion_prompt",
    "conversion_statistics",
    "conversions",
    "convert",
    "corpus",
    "deactivate",
    "dose_response",
    "efficiency",
    "emotion_judge",
    "evc_study",
    "floor",
    "grounding",
    "injection",
    "judge",
    "layer_profile",
    "listening_page",
    "load",
    "load_speaking",
    "mean_ablate",
    "merge",
    "mix",
    "off_target",
    "overlap",
    "preference",
    "prosody",
    "read_audio",
    "recognise",
    "redundancy",
    "resample_ablate",
    "select",
    "shift",
    "side_effects",
    "speaker_judge",
    "steer",
    "subset",
    "transcript_judge",
    "transfer",
    "two_pass",
    "union",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'esn_interp' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
