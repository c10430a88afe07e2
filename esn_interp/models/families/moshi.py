"""Moshi: a decoder that hears and speaks at once, one position for every 80 ms, and a depth decoder for the codes.

A position holds the user's codes, Moshi's own codes and its own text token, summed. It is spoken to and answers aloud:
there is no instruction to read. The gates are the first half of ``fc1``; in the depth decoder each code has weights of
its own behind the same activation.
"""

from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import MoshiConfig

from esn_interp.errors import ModelError
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, resampled
from esn_interp.models.families.spoken import SpeechRequest, SpeechRun, Spoken

_FRAME = 1920  # samples


class Moshi(Family):
    """Kyutai's Moshi, which talks while it listens."""

    info = FamilyInfo(
        name="moshi",
        title="Moshi",
        model_types=("moshi",),
        capability="speak",
        checkpoints=("kmhf/hf-moshika", "kmhf/hf-moshiko"),
        needs="transformers only; about 17 GB of memory in bfloat16",
        roles={
            THINKER: "hears, and chooses a text token for every frame of speech; its edits change text and speech",
            "depth_decoder": "chooses the codes of each frame; its edits change the speech only",
        },
        notes=(
            "it is spoken to and reads no instruction; when the clip ends it goes on, hearing silence",
            "a position is 80 ms of both voices and its own text together; those of the clip count as audio",
            "the depth decoder runs anew for every frame; all its tokens are in scope generated",
        ),
    )
    answering = ()
    sampling_rate = 24_000
    # The Auto classes know the decoder by itself, which neither hears nor speaks.
    model_class = "MoshiForConditionalGeneration"
    in_parts = True
    templated = False

    def default_config(self) -> Any:
        return MoshiConfig(audio_vocab_size=2048)

    def audio_token_id(self, model: nn.Module, processor: Any) -> int:
        return processor.tokenizer.pad_token_id  # what Moshi writes while it listens

    def speech_inputs(self, processor: Processor, request: SpeechRequest) -> Inputs:
        if request.prompt or request.waveform is None:
            raise ModelError(
                f"{self.title} is spoken to, it reads no instruction: give it a clip and no prompt"
            )
        wave = resampled(request.waveform, self.sampling_rate)
        frames = -(-len(wave) // _FRAME)
        user = torch.zeros(1, 1, frames * _FRAME)
        user[0, 0, : len(wave)] = torch.from_numpy(wave)
        silent = torch.full((1, frames), cast(int, processor.tokenizer.pad_token_id))
        tensors = {
            "input_ids": silent,
            "attention_mask": torch.ones_like(silent),
            "user_input_values": user,
            "moshi_input_values": torch.zeros_like(user),
        }
        return Inputs(tensors, torch.ones_like(silent, dtype=torch.bool))

    def speech_scopes(self, component: str, inputs: Inputs) -> Int[Tensor, "clip token"]:
        scopes = super().speech_scopes(component, inputs)
        # The model puts a position of its own before the clip.
        return nn.functional.pad(scopes, (1, 0), value=1) if component == THINKER else scopes

    def speak(self, run: SpeechRun) -> list[Spoken]:
        listened = run.inputs.tensors["input_ids"].shape[1]
        frames = min(run.manner.max_new_tokens, round(run.manner.max_seconds * self.sampling_rate / _FRAME))
        said = cast(Any, run.model).generate(**run.inputs.tensors, max_new_tokens=frames)
        text = run.processor.written(said.sequences[0, listened + 1 :])
        return [Spoken.of(text, said.audio_sequences[0, 0, listened * _FRAME :], self.sampling_rate)]
