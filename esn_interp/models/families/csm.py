"""CSM: a Llama backbone that chooses the first code of each frame of speech, and a depth decoder for the others.

It says the words that it is given; a clip before them lends its voice. It does not answer, so its gates are read and
edited while it speaks.
"""

from typing import Any, cast

from torch import Tensor, nn

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, resampled
from esn_interp.models.families.spoken import SpeechRequest, SpeechRun, Spoken

_FRAMES_PER_SECOND = 12.5


class Csm(Family):
    """Sesame's conversational speech model."""

    info = FamilyInfo(
        name="csm",
        title="CSM",
        model_types=("csm",),
        capability="speak",
        checkpoints=("sesame/csm-1b",),
        needs="transformers only; about 7 GB of memory in float32",
        roles={
            THINKER: "the backbone: reads text and voice, chooses the first code of each frame",
            "depth_decoder": "chooses the other codes of each frame; its edits change the sound only",
        },
        notes=(
            "it says the prompt aloud and writes nothing; a clip lends its voice, and speakers are named '0', '1', ...",
            "the depth decoder runs anew for every frame; all its tokens are in scope generated",
        ),
    )
    answering = ()
    sampling_rate = 24_000
    voices = True

    def embedding(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("embed_text_tokens")

    def speech_inputs(self, processor: Processor, request: SpeechRequest) -> Inputs:
        role, turns, voice = request.manner.voice or "0", [], request.waveform
        if voice is not None:
            turns.append({"role": role, "content": [{"type": "text", "text": ""}, {"type": "audio"}]})
        turns.append({"role": role, "content": [{"type": "text", "text": request.prompt}]})
        text = processor.whole.apply_chat_template(turns, tokenize=False)
        lent = None if voice is None else [resampled(voice, self.sampling_rate)]
        made = processor.whole(text=text, audio=lent, return_tensors="pt")
        tensors = {name: value for name, value in made.items() if isinstance(value, Tensor)}
        return Inputs(tensors, tensors["input_ids"].eq(processor.audio_token_id))

    def speak(self, run: SpeechRun) -> list[Spoken]:
        frames = round(run.manner.max_seconds * _FRAMES_PER_SECOND)
        (sound,) = cast(Any, run.model).generate(**run.inputs.tensors, output_audio=True, max_new_tokens=frames)
        return [Spoken.of("", sound, self.sampling_rate)]
