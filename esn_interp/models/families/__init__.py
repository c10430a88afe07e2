"""The kinds of models that can be asked about a clip, one file each."""

import copy
from typing import Any

from esn_interp.models.families.audio_flamingo_3 import AudioFlamingo3
from esn_interp.models.families.base import Family
from esn_interp.models.families.csm import Csm
from esn_interp.models.families.gemma import Gemma3n, Gemma4
from esn_interp.models.families.glm_asr import GlmAsr
from esn_interp.models.families.granite_speech import GraniteSpeech
from esn_interp.models.families.higgs_audio import HiggsAudio
from esn_interp.models.families.inputs import Inputs, Processor
from esn_interp.models.families.kimi_audio import KimiAudio
from esn_interp.models.families.minicpm_o import MiniCPMO
from esn_interp.models.families.moshi import Moshi
from esn_interp.models.families.music_flamingo import MusicFlamingo
from esn_interp.models.families.phi4_multimodal import Phi4Multimodal
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni
from esn_interp.models.families.qwen2_audio import Qwen2Audio
from esn_interp.models.families.qwen3_omni import Qwen3Omni
from esn_interp.models.families.resolver import ByStructure
from esn_interp.models.families.voxtral import Voxtral

FAMILIES: tuple[Family, ...] = (
    Qwen25Omni(),
    Qwen3Omni(),
    AudioFlamingo3(),
    MusicFlamingo(),
    Qwen2Audio(),
    Voxtral(),
    GlmAsr(),
    Gemma3n(),
    Gemma4(),
    Csm(),
    Moshi(),
    HiggsAudio(),
    GraniteSpeech(),
    Phi4Multimodal(),
    KimiAudio(),
    MiniCPMO(),
)


def family_of(config: Any, *, gates: str | None = None) -> Family:
    """The family of a model with this configuration; one that goes by structure where there is none.

    ``gates`` points at the gates by hand, such as ``"model.layers[*].mlp.act_fn"``, where a search can't find them.
    """
    family = next((copy.copy(family) for family in FAMILIES if family.knows(config)), ByStructure())
    family.gates = gates
    return family


__all__ = ["FAMILIES", "ByStructure", "Family", "Inputs", "Processor", "family_of"]
