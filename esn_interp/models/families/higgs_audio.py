"""Higgs Audio v2: a Llama decoder with two MLPs in every layer, one for text tokens and one for audio tokens.

It says the words that it is given. The text MLP is called once, with the prompt; the audio MLP with every frame of
speech. Their gates are two stacks of the same layers. The codec that turns codes into sound needs torchaudio.
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers.utils.import_utils import is_torchaudio_available

from esn_interp.errors import ModelError
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor
from esn_interp.models.families.spoken import SpeechRequest, SpeechRun, Spoken

_FRAMES_PER_SECOND = 25
_SYSTEM = "Generate audio following instruction."


class HiggsAudio(Family):
    """Boson AI's Higgs Audio v2."""

    info = FamilyInfo(
        name="higgs-audio-v2",
        title="Higgs Audio v2",
        model_types=("higgs_audio_v2",),
        capability="speak",
        checkpoints=("bosonai/higgs-audio-v2-generation-3B-base",),
        needs="torchaudio, for its codec; about 12 GB of memory in bfloat16",
        roles={
            THINKER: "the MLPs of text tokens: they read the words to be said",
            "thinker_audio_mlp": "the MLPs of audio tokens: they choose the codes of speech",
        },
        notes=(
            "it says the prompt aloud and writes nothing; speak(None, 'the words')",
            "the text MLPs run over the prompt only, the audio MLPs over frames of speech only",
            "the tests run on the real decoder and a codec of their own",
        ),
    )
    answering = ()
    sampling_rate = 24_000
    model_class = "HiggsAudioV2ForConditionalGeneration"

    def load_processor(self, path: str | Path, *, trust_remote_code: bool = False) -> Any:
        if not is_torchaudio_available():
            return self.parts(path)
        return super().load_processor(path, trust_remote_code=trust_remote_code)

    def speech_inputs(self, processor: Processor, request: SpeechRequest) -> Inputs:
        if request.waveform is not None:
            raise ModelError(f"{self.title} says the words that it is given: speak(None, 'the words')")
        turns = (("system", request.system or _SYSTEM), ("user", request.prompt))
        text = processor.text(
            [{"role": role, "content": [{"type": "text", "text": said}]} for role, said in turns]
        )
        made = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        tensors = {name: cast(Tensor, made[name]) for name in ("input_ids", "attention_mask")}
        return Inputs(tensors, torch.zeros_like(tensors["input_ids"], dtype=torch.bool))

    def speak(self, run: SpeechRun) -> list[Spoken]:
        if run.processor.whole is None:
            raise ModelError(f"{self.title}: its codec needs torchaudio, which is not installed")
        frames = round(run.manner.max_seconds * _FRAMES_PER_SECOND)
        codes = cast(Any, run.model).generate(**run.inputs.tensors, max_new_tokens=frames)
        return [Spoken.of("", run.processor.whole.decode(codes), self.sampling_rate)]
