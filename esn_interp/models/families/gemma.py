"""Gemma 3n and Gemma 4: a conformer encoder for audio, and a decoder with GeGLU gates and per-layer inputs.

Each decoder layer is also given an input of its own for every token, behind an activation that is no MLP's: it is not
one of the gates. The models' own processors need image libraries; the same inputs for audio are made here from their
feature extractor, tokenizer and chat template. Logits are soft-capped after the head.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.utils.import_utils import is_timm_available

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, Prompts, messages


class _Gemma(Family):
    max_seconds = 30.0
    in_parts = True

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        tokenizer: Any = processor.tokenizer
        features = self.features(processor.feature_extractor, waveform)
        text = processor.text(messages(waveform, prompt, system=system))
        text = text.replace(tokenizer.audio_token, self.audio_text(tokenizer, self.frames(features)), 1)
        begun = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        tokens = tokenizer(text, add_special_tokens=not begun, return_tensors="pt")
        return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"], **features}

    def features(self, extractor: Any, waveform: Float[np.ndarray, " sample"]) -> dict[str, Tensor]:
        """Features of a clip and their mask, batch axis included."""
        made = extractor([waveform], return_tensors="pt")
        return {name: made[name] for name in ("input_features", "input_features_mask")}

    @staticmethod
    def frames(features: dict[str, Tensor]) -> int:
        """Frames of the encoder that hear the clip: two convolutions of stride 2."""
        return int(features["input_features_mask"][0, ::4].sum())

    def audio_text(self, tokenizer: Any, frames: int) -> str:
        """What stands for a clip in the prompt."""
        return tokenizer.boa_token + tokenizer.audio_token * frames + tokenizer.eoa_token

    def finish(self, model: nn.Module, logits: Float[Tensor, "*cell"]) -> Float[Tensor, "*cell"]:
        cap = cast(Any, model).config.get_text_config().final_logit_softcapping
        return logits if cap is None else torch.tanh(logits / cap) * cap


class Gemma4(_Gemma):
    """Gemma 4 with an audio encoder (its small sizes)."""

    info = FamilyInfo(
        name="gemma-4",
        title="Gemma 4",
        model_types=("gemma4",),
        checkpoints=("google/gemma-4-E2B-it", "google/gemma-4-E4B-it"),
        needs="transformers only; about 16 GB of memory for E4B in bfloat16",
        notes=(
            "per-layer inputs have an activation of their own, which is not among the gates",
            "layers that share keys and values compute only the last position of a prompt when the model generates;"
            " when labels are scored they compute every position",
            "the largest sizes have no audio encoder",
        ),
    )


class Gemma3n(_Gemma):
    """Gemma 3n; a clip always takes 188 places in the prompt, the rest of which is filled."""

    info = FamilyInfo(
        name="gemma-3n",
        title="Gemma 3n",
        model_types=("gemma3n",),
        checkpoints=("google/gemma-3n-E2B-it", "google/gemma-3n-E4B-it"),
        needs="transformers only; about 16 GB of memory for E4B in bfloat16; timm only for images",
        notes=(
            "the first layers keep only the largest inputs of their gates (95 % are zero before the activation)",
            "per-layer inputs have an activation of their own, which is not among the gates",
            "a clip is followed by filler up to 188 places; the filler counts as text, so that scope audio is the clip",
            "without timm the image encoder is left out: it hears all the same",
        ),
    )
    places: ClassVar[int] = 188

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        _without_images()
        return super().load_model(path, component=component, **options)

    def default_config(self) -> Any:
        _without_images()
        return transformers.Gemma3nConfig()

    def features(self, extractor: Any, waveform: Float[np.ndarray, " sample"]) -> dict[str, Tensor]:
        # The convolutions look a few frames ahead: what they see after a clip must not depend on its neighbours.
        length = len(waveform) + 16 * extractor.hop_length
        made = extractor(
            [waveform], padding="max_length", max_length=length, truncation=False, return_tensors="pt"
        )
        return {name: made[name] for name in ("input_features", "input_features_mask")}

    def audio_text(self, tokenizer: Any, frames: int) -> str:
        return f"\n\n{super().audio_text(tokenizer, self.places)}\n\n"

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None = None,
    ) -> Inputs:
        inputs = super().inputs(processor, waveforms, prompt, system=system)
        lasting = inputs.tensors["input_features_mask"][:, ::16].sum(dim=1, keepdim=True)
        return Inputs(inputs.tensors, inputs.audio & (inputs.audio.cumsum(dim=1) <= lasting))


class _NoImages(PreTrainedModel):
    """In the place of Gemma 3n's image encoder, which comes from timm."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._keys_to_ignore_on_load_unexpected = [r"vision_tower"]
        self.post_init()


def _without_images() -> None:
    if not is_timm_available():
        # Named here alone: releases that models with code of their own ask for have no Gemma 3n.
        _NoImages.config_class = transformers.Gemma3nVisionConfig
        AutoModel.register(_NoImages.config_class, _NoImages, exist_ok=True)
