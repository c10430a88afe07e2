"""Qwen2.5-Omni: audio encoder, thinker (a Qwen2 decoder with SwiGLU gates), and a talker that speaks its words.

Only the thinker is loaded to answer, since recognition asks for nothing else. The model's own processor class needs
pillow and torchvision even for audio; the same inputs are made here from its feature extractor, tokenizer and
template. Speech comes out of the whole model: the thinker writes, the talker turns embeddings and hidden states of
its words into codes, and a vocoder makes the waveform.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoConfig

from esn_interp.errors import ModelError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families import qwen2_5_speech
from esn_interp.models.families.auto import load_whole
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, Prompts, each
from esn_interp.models.families.spoken import SpeechRun, Spoken


class Qwen25Omni(Family):
    """Qwen2.5-Omni, asked through its thinker; its talker speaks what the thinker writes."""

    info = FamilyInfo(
        name="qwen2.5-omni",
        title="Qwen2.5-Omni",
        model_types=("qwen2_5_omni", "qwen2_5_omni_thinker"),
        capability="speak",
        checkpoints=("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-3B"),
        needs="transformers only",
        needs_of={
            "Qwen/Qwen2.5-Omni-7B": "transformers only; about 18 GB of memory for the thinker in bfloat16",
            "Qwen/Qwen2.5-Omni-3B": "transformers only; about 9 GB of memory for the thinker in bfloat16",
        },
        roles={
            THINKER: "reads audio and instruction, writes the answer; its edits change text and speech",
            "talker": "turns the thinker's words into speech codes; its edits change the speech only",
        },
        notes=(
            "the whole model, which speaks, is loaded with component='talker'; its thinker is then opened by"
            " load(lm.model, processor=lm.processor)",
        ),
    )
    speaks_with: ClassVar[str] = "talker"
    in_parts = True
    speaks_together: ClassVar[bool] = True
    voices = True
    decoding: ClassVar[tuple[str, ...]] = ("greedy", "temperature", "top_k", "top_p", "repetition_penalty")
    speaking_system: ClassVar[str | None] = (
        "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and"
        " visual inputs, as well as generating text and speech."
    )
    placeholder: ClassVar[str] = "<|AUDIO|>"
    whole_class: ClassVar[str] = "Qwen2_5OmniForConditionalGeneration"
    thinker_class: ClassVar[str] = "Qwen2_5OmniThinkerForConditionalGeneration"

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        """The thinker alone is loaded to answer; the whole model where the talker's gates are meant.

        Raises
        ------
        ModelError
            When the talker is meant, and the checkpoint has none: its weights would be drawn at random.
        """
        whole = component != THINKER
        if whole and AutoConfig.from_pretrained(str(path)).model_type != self.info.model_types[0]:
            raise ModelError(f"{path}: this checkpoint holds the thinker only, which writes and does not speak")
        kind: Any = getattr(transformers, self.whole_class if whole else self.thinker_class)
        return load_whole(kind, path, **options)

    def audio_token_id(self, model: nn.Module | None, processor: Any) -> int:
        return cast(int, processor.tokenizer.convert_tokens_to_ids(self.placeholder))

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None = None,
    ) -> Inputs:
        features = [_mel(processor.feature_extractor, waveform) for waveform in waveforms]
        before = [{"role": "system", "content": system}] if system else []

        def text(words: str) -> str:
            content: Any = [{"type": "audio", "audio": ""}, {"type": "text", "text": words}]
            return processor.text([*before, {"role": "user", "content": content}])

        place, prompts = self.placeholder, each(prompt, len(features))
        written = {words: text(words) for words in dict.fromkeys(prompts)}
        asked = [written[words] for words in prompts]
        repeats = [place * self.audio_tokens(len(mel)) for mel in features]
        texts = [one.replace(place, many, 1) for one, many in zip(asked, repeats, strict=True)]
        # The last position must be the one that predicts the answer, so padding stands on the left.
        tokens = processor.tokenizer(texts, padding=True, padding_side="left", return_tensors="pt")
        ids, attention = cast(Tensor, tokens["input_ids"]), cast(Tensor, tokens["attention_mask"])
        pad = partial(nn.utils.rnn.pad_sequence, batch_first=True)
        tensors = {
            "input_ids": ids,
            "attention_mask": attention,
            "input_features": rearrange(pad(features), "clip frame mel -> clip mel frame").contiguous(),
            "feature_attention_mask": pad([torch.ones(len(mel), dtype=torch.long) for mel in features]),
        }
        return Inputs(tensors, ids.eq(self.audio_token_id(None, processor)))

    @staticmethod
    def audio_tokens(frames: int) -> int:
        """Audio tokens of that many mel frames: a convolution of stride 2, then pooling by 2."""
        return ((frames - 1) // 2 + 1 - 2) // 2 + 1

    def speech_scopes(self, component: str, inputs: Inputs) -> Int[Tensor, "clip token"]:
        """The talker reads the prompt too, then the sign that speech begins, and the first word of the reply.

        That last position chooses the first code; the words behind it are added to the codes as these are generated.
        """
        scopes = super().speech_scopes(component, inputs)
        if component != "talker":
            return scopes
        text, last = SCOPE_CODES["text"], SCOPE_CODES["last"]
        prompt = inputs.scopes.masked_fill(inputs.scopes == last, text)
        behind = torch.tensor([text, last], device=prompt.device).expand(len(prompt), -1)
        return torch.cat([prompt, behind], dim=1)

    def speak(self, run: SpeechRun) -> list[Spoken]:
        voices = list(getattr(run.model, "speaker_map", ()))
        return qwen2_5_speech.speak(run, voice=self.chosen_voice(run, voices))

    def chosen_voice(self, run: SpeechRun, voices: Sequence[str]) -> str:
        """The voice that is asked for, by default the first; refused without a talker, or when there is none such."""
        if not hasattr(run.model, "talker"):
            raise ModelError(
                f"{type(run.model).__name__}: only the thinker is loaded; to speak, load the whole model with"
                " component='talker' (then load(lm.model, processor=lm.processor) opens its thinker)"
            )
        asked = run.manner.voice
        if not voices or (asked or voices[0]) not in voices:
            raise ModelError(f"no voice {asked!r}; the model has {', '.join(voices) or 'none'}")
        return asked or voices[0]

    def answering_part(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("thinker") if hasattr(model, "thinker") else model

    def generator(self, model: nn.Module) -> nn.Module:
        return self.answering_part(model)

    def backbone(self, model: nn.Module) -> nn.Module:
        return self.generator(model).get_submodule("model")


def _mel(extractor: Any, waveform: Float[np.ndarray, " sample"]) -> Float[Tensor, "frame mel"]:
    """Log-mel features of one clip: what the full processor's padding to its longest input leaves unmasked.

    The clip is extracted by itself, followed by silence: a frame at its end must not depend on its neighbours in
    the batch, nor mirror the clip's end as an unpadded transform would.
    """
    frames = -(-len(waveform) // extractor.hop_length)
    padded = np.pad(waveform, (0, 2 * extractor.n_fft))
    features = extractor(
        padded, sampling_rate=extractor.sampling_rate, padding=False, truncation=False, return_tensors="np"
    )["input_features"][0]
    return rearrange(torch.from_numpy(features).float()[:, :frames], "mel frame -> frame mel")
