"""CSM: a Llama backbone that chooses the first code of each frame of speech, and a depth decoder for the others.

It says the words that it is given; a clip before them lends its voice. It does not answer, so its gates are read and
edited while it speaks.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from esn_interp.models.families.base import THINKER, Family
from esn_interp.models.families.inputs import Inputs, Processor, Spoken, resampled
from esn_interp.models.families.manner import Manner

_FRAMES_PER_SECOND = 12.5


class Csm(Family):
    """Sesame's conversational speech model."""

    name = "csm"
    model_types = ("csm",)
    title = "CSM"
    capability = "speak"
    checkpoints: ClassVar[tuple[str, ...]] = ("sesame/csm-1b",)
    needs = "transformers only; about 7 GB of memory in float32"
    roles: ClassVar[Mapping[str, str]] = {
        THINKER: "the backbone: reads text and voice, chooses the first code of each frame",
        "depth_decoder": "chooses the other codes of each frame; its edits change the sound only",
    }
    answering = ()
    notes = (
        "it says the prompt aloud and writes nothing; a clip lends its voice, and speakers are named '0', '1', ...",
        "the depth decoder runs anew for every frame; all its tokens are in scope generated",
    )
    sampling_rate = 24_000

    def embedding(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("embed_text_tokens")

    def speech_inputs(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"] | None,
        prompt: str,
        *,
        speaker: str | None = None,
        system: str | None = None,
    ) -> Inputs:
        role, turns = speaker or "0", []
        if waveform is not None:
            turns.append({"role": role, "content": [{"type": "text", "text": ""}, {"type": "audio"}]})
        turns.append({"role": role, "content": [{"type": "text", "text": prompt}]})
        text = processor.whole.apply_chat_template(turns, tokenize=False)
        voices = None if waveform is None else [resampled(waveform, self.sampling_rate)]
        made = processor.whole(text=text, audio=voices, return_tensors="pt")
        tensors = {name: value for name, value in made.items() if isinstance(value, Tensor)}
        return Inputs(tensors, tensors["input_ids"].eq(processor.audio_token_id))

    def speak(
        self,
        model: nn.Module,
        processor: Processor,
        inputs: Mapping[str, Tensor],
        manner: Manner,
    ) -> Spoken:
        frames = round(manner.max_seconds * _FRAMES_PER_SECOND)
        (waveform,) = cast(Any, model).generate(**inputs, output_audio=True, max_new_tokens=frames)
        return Spoken("", waveform.float().cpu().numpy(), self.sampling_rate)
