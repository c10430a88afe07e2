"""Qwen2.5-Omni: audio encoder, thinker (a Qwen2 decoder with SwiGLU gates), and a talker that speaks its words.

Only the thinker is loaded to answer, since recognition asks for nothing else. The model's own processor class needs
pillow and torchvision even for audio; the same inputs are made here from its feature extractor, tokenizer and
template. Speech comes out of the whole model: the thinker writes, the talker turns embeddings and hidden states of
its words into codes, and a vocoder makes the waveform.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoTokenizer
from transformers.utils.hub import cached_file

from esn_interp.errors import ModelError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families import qwen2_5_speech
from esn_interp.models.families.base import THINKER, Family, unremarked_configuration
from esn_interp.models.families.inputs import Inputs, Processor, Spoken, require_template
from esn_interp.models.families.manner import Live, Manner


class Qwen25Omni(Family):
    """Qwen2.5-Omni, asked through its thinker; its talker speaks what the thinker writes."""

    name = "qwen2.5-omni"
    model_types = ("qwen2_5_omni", "qwen2_5_omni_thinker")
    title = "Qwen2.5-Omni"
    capability = "speak"
    checkpoints = ("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-3B")
    needs = "transformers only; about 18 GB of memory for the 7B thinker in bfloat16"
    roles: ClassVar[Mapping[str, str]] = {
        THINKER: "reads audio and instruction, writes the answer; its edits change text and speech",
        "talker": "turns the thinker's words into speech codes; its edits change the speech only",
    }
    notes: ClassVar[tuple[str, ...]] = (
        "the whole model, which speaks, is loaded with component='talker'; its thinker is then opened by"
        " load(lm.model, processor=lm.processor)",
    )
    speaks_with: ClassVar[str] = "talker"
    speaks_together: ClassVar[bool] = True
    decoding: ClassVar[tuple[str, ...]] = ("greedy", "temperature", "top_k", "top_p", "repetition_penalty")
    speaking_system: ClassVar[str | None] = (
        "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and"
        " visual inputs, as well as generating text and speech."
    )
    placeholder: ClassVar[str] = "<|AUDIO|>"
    whole_class: ClassVar[str] = "Qwen2_5OmniForConditionalGeneration"
    thinker_class: ClassVar[str] = "Qwen2_5OmniThinkerForConditionalGeneration"

    def load(
        self, path: str | Path, *, component: str = THINKER, **options: Any
    ) -> tuple[nn.Module, Processor]:
        """The thinker alone is loaded to answer; the whole model where the talker's gates are meant.

        Raises
        ------
        ModelError
            When the talker is meant, and the checkpoint has none: its weights would be drawn at random.
        """
        kind: Any = getattr(transformers, self.thinker_class if component == THINKER else self.whole_class)
        with unremarked_configuration():
            if component != THINKER and AutoConfig.from_pretrained(str(path)).model_type != self.model_types[0]:
                raise ModelError(f"{path}: this checkpoint holds the thinker only, which writes and does not speak")
            model = kind.from_pretrained(str(path), **options)
            tokenizer = AutoTokenizer.from_pretrained(str(path))
            extractor = AutoFeatureExtractor.from_pretrained(str(path))
        template = getattr(tokenizer, "chat_template", None) or _template_file(path)
        return model, Processor(tokenizer, extractor, require_template(template, str(path)))

    def audio_token_id(self, model: nn.Module, processor: Any) -> int:
        return cast(int, processor.tokenizer.convert_tokens_to_ids(self.placeholder))

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: str,
        *,
        system: str | None = None,
    ) -> Inputs:
        tokenizer = processor.tokenizer
        features = [_mel(processor.feature_extractor, waveform) for waveform in waveforms]
        content: Any = [{"type": "audio", "audio": ""}, {"type": "text", "text": prompt}]
        before = [{"role": "system", "content": system}] if system else []
        text = cast(
            str,
            tokenizer.apply_chat_template(
                [*before, {"role": "user", "content": content}],
                chat_template=processor.chat_template,
                tokenize=False,
                add_generation_prompt=True,
            ),
        )
        place = self.placeholder
        texts = [text.replace(place, place * self.audio_tokens(mel.shape[1]), 1) for mel in features]
        # The last position must be the one that predicts the answer, so padding stands on the left.
        tokens = tokenizer(texts, padding=True, padding_side="left", return_tensors="pt")
        ids, attention = cast(Tensor, tokens["input_ids"]), cast(Tensor, tokens["attention_mask"])
        longest = max(mel.shape[1] for mel in features)
        padded = torch.zeros(len(features), features[0].shape[0], longest)
        mask = torch.zeros(len(features), longest, dtype=torch.long)
        for row, mel in enumerate(features):
            padded[row, :, : mel.shape[1]] = torch.from_numpy(mel)
            mask[row, : mel.shape[1]] = 1
        tensors = {
            "input_ids": ids,
            "attention_mask": attention,
            "input_features": padded,
            "feature_attention_mask": mask,
        }
        return Inputs(tensors, ids.eq(cast(int, tokenizer.convert_tokens_to_ids(self.placeholder))))

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

    def speak(
        self,
        model: nn.Module,
        processor: Processor,
        inputs: Mapping[str, Tensor],
        manner: Manner,
    ) -> Spoken:
        seed = torch.initial_seed()
        return self.speak_together(model, processor, inputs, manner, seeds=[seed], live=Live(1))[0]

    def speak_together(
        self,
        model: nn.Module,
        processor: Processor,
        inputs: Mapping[str, Tensor],
        manner: Manner,
        *,
        seeds: Sequence[int],
        live: Live,
    ) -> list[Spoken]:
        self.require_voice(model, manner.voice, speakers := list(getattr(model, "speaker_map", ())))
        speaker = manner.voice or speakers[0]
        return qwen2_5_speech.speak(model, processor, inputs, manner, speaker=speaker, seeds=seeds, live=live)

    def require_voice(self, model: nn.Module, speaker: str | None, speakers: Sequence[str]) -> None:
        """Refuse to speak without a talker, or in a voice that the model does not have."""
        if not hasattr(model, "talker"):
            raise ModelError(
                f"{type(model).__name__}: only the thinker is loaded; to speak, load the whole model with"
                " component='talker' (then load(lm.model, processor=lm.processor) opens its thinker)"
            )
        if not speakers or (speaker or speakers[0]) not in speakers:
            raise ModelError(f"no speaker {speaker!r}; the model has {', '.join(speakers) or 'none'}")

    def answering_part(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("thinker") if hasattr(model, "thinker") else model

    def generator(self, model: nn.Module) -> nn.Module:
        return self.answering_part(model)

    def backbone(self, model: nn.Module) -> nn.Module:
        return self.generator(model).get_submodule("model")


def _mel(extractor: Any, waveform: Float[np.ndarray, " sample"]) -> Float[np.ndarray, "mel frame"]:
    """Log-mel features of one clip: what the full processor's padding to its longest input leaves unmasked.

    The clip is extracted by itself, followed by silence: a frame at its end must not depend on its neighbours in
    the batch, nor mirror the clip's end as an unpadded transform would.
    """
    frames = -(-len(waveform) // extractor.hop_length)
    padded = np.pad(waveform, (0, 2 * extractor.n_fft))
    features = extractor(
        padded, sampling_rate=extractor.sampling_rate, padding=False, truncation=False, return_tensors="np"
    )["input_features"][0]
    return np.asarray(features[:, :frames], dtype=np.float32)


def _template_file(path: str | Path) -> str | None:
    """The published checkpoints keep the template in a file of its own, which not every tokenizer loads."""
    for name in ("chat_template.jinja", "chat_template.json"):
        try:
            file = cached_file(str(path), name)
        except OSError:
            continue
        if file:
            text = Path(file).read_text(encoding="utf-8")
            return text if name.endswith("jinja") else json.loads(text)["chat_template"]
    return None
