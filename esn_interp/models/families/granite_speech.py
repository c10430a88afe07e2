"""Granite Speech: a conformer encoder, a query transformer, and a Granite decoder with SwiGLU gates.

Its feature extractor needs torchaudio for one mel spectrogram; the same features are computed here with torch.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import FeatureExtractionMixin
from transformers.audio_utils import mel_filter_bank

from esn_interp.errors import ModelError
from esn_interp.models.families.encoded_alone import FRAMES, EncodedAlone
from esn_interp.models.families.info import FamilyInfo
from esn_interp.models.families.inputs import Processor, require_template

_SYSTEM = (
    "Knowledge Cutoff Date: April 2024.\nToday's Date: December 19, 2024.\n"
    "You are Granite, developed by IBM. You are a helpful AI assistant"
)
"""The system prompt of the model's examples; its chat template would write the day of the run instead."""


class GraniteSpeech(EncodedAlone):
    """Granite Speech; its encoder has no masks, so clips are encoded one at a time."""

    info = FamilyInfo(
        name="granite-speech",
        title="Granite Speech",
        model_types=("granite_speech",),
        checkpoints=(
            "ibm-granite/granite-speech-3.3-2b",
            "ibm-granite/granite-speech-3.3-8b",
        ),
        needs="peft, for the adapter that lets its decoder hear; about 6 GB of memory for 2b in bfloat16, 18 GB for 8b",
        notes=(
            "Its gates are those of the decoder with the adapter for audio; without peft the adapter would be left out,"
            " so loading is refused.",
            "The class in transformers 5 leaves out the division of the logits by `logits_scaling` that the decoder was"
            " trained with: answers are the same, label probabilities are more extreme.",
            "It was trained to transcribe and translate: expect little of it when it is asked about emotion.",
        ),
    )
    features = "input_features"

    def load_processor(self, path: str | Path, *, trust_remote_code: bool = False) -> Processor:
        """Tokenizer and the settings of the features, so that torchaudio is not needed."""
        settings, _ = FeatureExtractionMixin.get_feature_extractor_dict(str(path))
        return self.parts(path, extractor=_Features(settings))

    def processor(self, model: nn.Module, given: Any) -> Processor:
        if cast(Any, model.config).has_lora_adapter and not getattr(model, "_hf_peft_config_loaded", False):
            where = getattr(model, "name_or_path", "") or type(model).__name__
            raise ModelError(
                f"{where}: its adapter for audio is not loaded, and without it the model does not hear; pip install"
                " peft and load it again"
            )
        if not isinstance(given, Processor):
            tokenizer, extractor = self.halves(given)
            template = require_template(cast(str | None, tokenizer.chat_template), type(given).__name__)
            given = Processor(tokenizer, _Features(vars(extractor)), template)
        return super().processor(model, given)

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        tokenizer, features = processor.tokenizer, processor.feature_extractor(waveform)
        placeholder = cast(str, tokenizer.convert_ids_to_tokens(processor.audio_token_id))
        conversation = [
            {"role": "system", "content": system or _SYSTEM},
            {"role": "user", "content": placeholder + prompt},
        ]
        text = processor.text(conversation)
        audio = placeholder * processor.feature_extractor.tokens(len(features))
        tokens = tokenizer(text.replace(placeholder, audio, 1), return_tensors="pt")
        return {
            "input_ids": cast(Tensor, tokens["input_ids"]),
            "attention_mask": cast(Tensor, tokens["attention_mask"]),
            "input_features": features[None],
            FRAMES: torch.tensor([len(features)]),
        }

    def merge(self, model: nn.Module, ids: Tensor, features: Tensor) -> Tensor:
        inner: Any = model.get_submodule("model")
        encoded = inner.get_audio_features(features, return_dict=True).pooler_output
        return inner.get_merged_audio_embeddings(ids, encoded)


class _Features:
    """Log-mel features of one clip, two frames in one, as GraniteSpeechFeatureExtractor makes them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        mel = settings["melspec_kwargs"]
        self.sampling_rate = int(mel["sample_rate"])
        self._transform = {
            "n_fft": mel["n_fft"],
            "hop_length": mel["hop_length"],
            "win_length": mel["win_length"],
        }
        self._window = int(settings["projector_window_size"])
        self._tokens = self._window // int(settings["projector_downsample_rate"])
        filters = mel_filter_bank(
            num_frequency_bins=mel["n_fft"] // 2 + 1,
            num_mel_filters=mel["n_mels"],
            min_frequency=0.0,
            max_frequency=self.sampling_rate / 2,
            sampling_rate=self.sampling_rate,
            mel_scale="htk",
        )
        self._filters = torch.from_numpy(filters).float()

    def __call__(self, waveform: Float[np.ndarray, " sample"]) -> Float[Tensor, "frame feature"]:
        window = torch.hann_window(self._transform["win_length"])
        spectrum = torch.stft(
            torch.from_numpy(waveform), window=window, return_complex=True, **self._transform
        )
        mel = spectrum.abs().square().T @ self._filters
        log = mel.clamp(min=1e-10).log10()
        log = torch.maximum(log, log.max() - 8.0) / 4 + 1
        return rearrange(log[: len(log) // 2 * 2], "(frame two) mel -> frame (two mel)", two=2)

    def tokens(self, frames: int) -> int:
        """Audio tokens of that many frames: the projector's queries for every window begun."""
        return math.ceil(frames / self._window) * self._tokens
