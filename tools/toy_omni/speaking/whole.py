"""The whole model: thinker, talker and token2wav in the real classes, with the speaker dictionary that they ask for."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniToken2WavConfig

from esn_interp.models.conversion import ConversionPrompt
from toy_omni import architecture
from toy_omni.questions import TRANSCRIPT
from toy_omni.speaking.output_voices import VOICES
from toy_omni.speaking.talker import Words
from toy_omni.speaking.thoughts import REQUEST

STEPS, GUIDANCE = 3, 1.0  # of the diffusion; without guidance a third more words are lost, and more steps are not heard


def assemble(
    thinker: Any,
    talker: Any,
    diffusion: Any,
    vocoder: Any,
    *,
    conditions: Float[Tensor, "voice feature"],
    references: Float[Tensor, "voice frame channel"],
    words: Words,
) -> Any:
    heard = thinker.config.to_dict()
    heard.pop("_name_or_path", None)  # where the thinker happened to lie
    config = Qwen2_5OmniConfig(
        thinker_config=heard,
        talker_config=talker.config.to_dict(),
        token2wav_config=Qwen2_5OmniToken2WavConfig(
            dit_config=diffusion.config.to_dict(), bigvgan_config=vocoder.config.to_dict()
        ).to_dict(),
        enable_audio_output=True,
    )
    whole: Any = Qwen2_5OmniForConditionalGeneration(config)
    for part, trained in (
        (whole.thinker, thinker),
        (whole.talker, talker),
        (whole.token2wav.code2wav_dit_model, diffusion),
        (whole.token2wav.code2wav_bigvgan_model, vocoder),
    ):
        part.load_state_dict(trained.state_dict())
    whole.speaker_map = {
        voice.name: {
            "bos_token": words.start[voice.name],
            "cond": conditions[number : number + 1].clone(),
            "ref_mel": references[number : number + 1].clone(),
        }
        for number, voice in enumerate(VOICES)
    }
    whole.thinker.generation_config = thinker.generation_config
    settings: Any = whole.generation_config
    settings.eos_token_id = thinker.generation_config.eos_token_id
    settings.pad_token_id = thinker.generation_config.pad_token_id
    # The defaults of the class are meant for the large model; what is set here is read when it is asked to speak.
    settings._from_model_config = False  # else what is not a field of the class is lost when it is loaded
    settings.talker_repetition_penalty = 1.0
    settings.talker_temperature = 0.8
    settings.token2wav_num_steps = STEPS
    settings.token2wav_guidance_scale = GUIDANCE
    return whole.eval()


def save(whole: Any, tokenizer: Any, folder: Path) -> None:
    architecture.save(whole, tokenizer, folder)
    torch.save(whole.speaker_map, folder / "spk_dict.pt")  # the file that the class asks for; tensors only
    ConversionPrompt(TRANSCRIPT, system=REQUEST).save(folder)
