"""One tiny, randomly initialised model per family, of the family's real classes, saved to disk like a checkpoint.

`BUILDERS` maps a family's name to a function that writes such a folder; whoever adds a family adds a builder here.
"""

from collections.abc import Callable
from pathlib import Path

from tiny_omni import save_tiny

from tiny_models.conformers import save_granite_speech, save_phi4_multimodal
from tiny_models.flamingo import save_audio_flamingo_3, save_music_flamingo
from tiny_models.gemma import save_gemma_3n, save_gemma_4
from tiny_models.kimi import save_kimi_audio
from tiny_models.minicpm import save_minicpm_o
from tiny_models.qwen3_omni import save_qwen3_omni
from tiny_models.speakers import save_csm, save_higgs_audio, save_moshi
from tiny_models.whispered import save_glm_asr, save_qwen2_audio, save_voxtral

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "qwen2.5-omni": save_tiny,
    "qwen3-omni": save_qwen3_omni,
    "audio-flamingo-3": save_audio_flamingo_3,
    "music-flamingo": save_music_flamingo,
    "qwen2-audio": save_qwen2_audio,
    "voxtral": save_voxtral,
    "glm-asr": save_glm_asr,
    "gemma-3n": save_gemma_3n,
    "gemma-4": save_gemma_4,
    "csm": save_csm,
    "moshi": save_moshi,
    "higgs-audio-v2": save_higgs_audio,
    "granite-speech": save_granite_speech,
    "phi-4-multimodal": save_phi4_multimodal,
    "kimi-audio": save_kimi_audio,
    "minicpm-o": save_minicpm_o,
}
