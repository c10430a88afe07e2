"""Higgs Audio v2: a Llama decoder with two MLPs in every layer, one for text tokens and one for audio tokens.

It says the words that it is given. The text MLP is called once, with the prompt; the audio MLP with every frame of
speech. Their gates are two stacks of the same layers. The codec that turns codes into sound needs torchaudio.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoProcessor, AutoTokenizer
from transformers.utils.import_utils import is_torchaudio_available

from esn_interp.errors import ModelError
from esn_interp.models.families.base import THINKER, Family
from esn_interp.models.families.inputs import Inputs, Processor, Spoken, require_template
from esn_interp.models.families.manner import Manner

_FRAMES_PER_SECOND = 25
_SYSTEM = "Generate audio following instruction."


class HiggsAudio(Family):
    """Boson AI's Higgs Audio v2."""

    name = "higgs-audio-v2"
    model_types = ("higgs_audio_v2",)
    title = "Higgs Audio v2"
    capability = "speak"
    checkpoints: ClassVar[tuple[str, ...]] = ("bosonai/higgs-audio-v2-generation-3B-base",)
    needs = "torchaudio, for its codec; about 12 GB of memory in bfloat16"
    roles: ClassVar[Mapping[str, str]] = {
        THINKER: "the MLPs of text tokens: they read the words to be said",
        "thinker_audio_mlp": "the MLPs of audio tokens: they choose the codes of speech",
    }
    answering = ()
    notes = (
        "it says the prompt aloud and writes nothing; speak(None, 'the words')",
        "the text MLPs run over the prompt only, the audio MLPs over frames of speech only",
        "the tests run on the real decoder and a codec of their own",
    )
    sampling_rate = 24_000

    def load(
        self, path: str | Path, *, component: str = THINKER, **options: Any
    ) -> tuple[nn.Module, Processor]:
        model = transformers.HiggsAudioV2ForConditionalGeneration.from_pretrained(str(path), **options)
        if is_torchaudio_available():
            return model, self.processor(model, AutoProcessor.from_pretrained(str(path)))
        tokenizer = AutoTokenizer.from_pretrained(str(path))
        template = require_template(tokenizer.chat_template, str(path))
        extractor = AutoFeatureExtractor.from_pretrained(str(path))
        return model, Processor(
            tokenizer, extractor, template, audio_token_id=self.audio_token_id(model, None)
        )

    def speech_inputs(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"] | None,
        prompt: str,
        *,
        speaker: str | None = None,
        system: str | None = None,
    ) -> Inputs:
        if waveform is not None:
            raise ModelError(f"{self.title} says the words that it is given: speak(None, 'the words')")
        turns: list[Any] = [{"role": "system", "content": [{"type": "text", "text": system or _SYSTEM}]}]
        turns.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
        text = processor.tokenizer.apply_chat_template(
            turns, chat_template=processor.chat_template, tokenize=False, add_generation_prompt=True
        )
        made = processor.tokenizer(cast(str, text), add_special_tokens=False, return_tensors="pt")
        tensors = {name: cast(Tensor, made[name]) for name in ("input_ids", "attention_mask")}
        return Inputs(tensors, torch.zeros_like(tensors["input_ids"], dtype=torch.bool))

    def speak(
        self,
        model: nn.Module,
        processor: Processor,
        inputs: Mapping[str, Tensor],
        manner: Manner,
    ) -> Spoken:
        if processor.whole is None:
            raise ModelError(f"{self.title}: its codec needs torchaudio, which is not installed")
        frames = round(manner.max_seconds * _FRAMES_PER_SECOND)
        codes = cast(Any, model).generate(**inputs, max_new_tokens=frames)
        waveform = processor.whole.decode(codes)
        return Spoken("", waveform.reshape(-1).float().cpu().numpy(), self.sampling_rate)
