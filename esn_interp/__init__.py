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
    from esn_interp.analysis.comparing.efficiency import Efficiency, efficiency
    from esn_interp.analysis.comparing.layers import LayerProfile, layer_profile
    from esn_interp.analysis.comparing.overlap import Overlap, overlap
    from esn_interp.analysis.comparing.transfer import Transfer, transfer
    from esn_interp.analysis.corpus_check import CorpusCheck, check_corpus
    from esn_interp.analysis.dosing.dose import DoseResponse, dose_response
    from esn_interp.analysis.dosing.injection import Injection, injection
    from esn_interp.analysis.listening.preference import Preference, preference
    from esn_interp.analysis.mechanism.attribution import attribute
    from esn_interp.analysis.mechanism.attribution_check import AttributionCheck
    from esn_interp.analysis.mechanism.attribution_result import Attribution
    from esn_interp.analysis.mechanism.grounding import grounding
    from esn_interp.analysis.mechanism.grounding_result import Grounding
    from esn_interp.analysis.silencing.ablation import Ablation, ablation
    from esn_interp.analysis.silencing.redundancy import redundancy
    from esn_interp.analysis.silencing.redundancy_result import Redundancy
    from esn_interp.analysis.silencing.selector_comparison import SelectorComparison, compare_selectors
    from esn_interp.analysis.silencing.side_effects import SideEffects, side_effects
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
    from esn_interp.report.listening_page import ListeningPage, listening_page
    from esn_interp.speech.audio import read_audio
    from esn_interp.speech.clips import Clip, Clips
    from esn_interp.speech.corpora import CORPORA, corpus
    from esn_interp.speech.playable import Speech
    from esn_interp.study.evc import EvcStudy, evc_study
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
    "analysis.silencing.ablation": ("Ablation", "ablation"),
    "analysis.mechanism.attribution": ("attribute",),
    "analysis.mechanism.attribution_check": ("AttributionCheck",),
    "analysis.mechanism.attribution_result": ("Attribution",),
    "analysis.corpus_check": ("CorpusCheck", "check_corpus"),
    "analysis.dosing.dose": ("DoseResponse", "dose_response"),
    "analysis.comparing.efficiency": ("Efficiency", "efficiency"),
    "analysis.mechanism.grounding": ("grounding",),
    "analysis.mechanism.grounding_result": ("Grounding",),
    "analysis.dosing.injection": ("Injection", "injection"),
    "analysis.comparing.layers": ("LayerProfile", "layer_profile"),
    "analysis.comparing.overlap": ("Overlap", "overlap"),
    "analysis.listening.preference": ("Preference", "preference"),
    "analysis.silencing.redundancy": ("redundancy",),
    "analysis.silencing.redundancy_result": ("Redundancy",),
    "analysis.silencing.selector_comparison": ("SelectorComparison", "compare_selectors"),
    "analysis.silencing.side_effects": ("SideEffects", "side_effects"),
    "analysis.comparing.transfer": ("Transfer", "transfer"),
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
    "report.listening_page": ("ListeningPage", "listening_page"),
    "speech.audio": ("read_audio",),
    "speech.clips": ("Clip", "Clips"),
    "speech.corpora": ("CORPORA", "corpus"),
    "speech.playable": ("Speech",),
    "study.evc": ("EvcStudy", "evc_study"),
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
