"""Voxtral: a Whisper encoder of 30-second chunks and a Llama decoder with SwiGLU gates.

Its processor class prepares conversations through mistral-common, from audio files only. The same inputs are made
here from its tokenizer and feature extractor: `<s>[INST][BEGIN_AUDIO][AUDIO]...[AUDIO]instruction[/INST]`.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import FamilyInfo
from esn_interp.models.families.inputs import Processor

_FRAMES_PER_TOKEN = 8
"""Mel frames of an audio token: a convolution of stride 2, then four positions in one."""


class Voxtral(Family):
    """Voxtral. Clips are padded to whole chunks of 30 seconds, and the padding enters the prompt as audio, too."""

    info = FamilyInfo(
        name="voxtral",
        title="Voxtral",
        model_types=("voxtral",),
        checkpoints=(
            "mistralai/Voxtral-Mini-3B-2507",
            "mistralai/Voxtral-Small-24B-2507",
        ),
        needs="mistral-common, for its tokenizer; about 10 GB of memory for Mini in bfloat16, 50 GB for Small",
        notes=(
            "A short clip has 375 audio tokens, most of them silence that was padded to 30 seconds: choose the scope of"
            " neurons with care.",
            "It knows no system prompt together with audio.",
        ),
    )

    in_parts = True
    templated = False

    def load_tokenizer(self, path: str | Path) -> PreTrainedTokenizerBase:
        try:
            return super().load_tokenizer(path)
        except (OSError, ValueError, ImportError, AttributeError, TypeError) as error:
            raise ModelError(
                f"{path}: its tokenizer can't be read; Voxtral's is in the format of mistral-common: pip install"
                " mistral-common"
            ) from error

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        if system:
            raise ModelError("Voxtral knows no system prompt together with audio; put it into the question")
        tokenizer, extractor = processor.tokenizer, processor.feature_extractor
        features = extractor(
            waveform,
            sampling_rate=extractor.sampling_rate,
            padding=True,
            truncation=False,
            pad_to_multiple_of=extractor.n_samples,
            return_tensors="pt",
        )["input_features"][0]
        chunks = rearrange(features, "mel (chunk frame) -> chunk mel frame", frame=extractor.nb_max_frames)
        start, begin, end = (
            self._special(tokenizer, name) for name in ("[INST]", "[BEGIN_AUDIO]", "[/INST]")
        )
        audio = [processor.audio_token_id] * (features.shape[1] // _FRAMES_PER_TOKEN)
        text = cast(list[int], tokenizer(prompt, add_special_tokens=False)["input_ids"])
        ids = torch.tensor([[cast(int, tokenizer.bos_token_id), start, begin, *audio, *text, end]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "input_features": chunks}

    def _special(self, tokenizer: Any, name: str) -> int:
        token = tokenizer.convert_tokens_to_ids(name)
        if not isinstance(token, int) or token == tokenizer.unk_token_id:
            raise ModelError(
                f"{self.title}: its tokenizer has no token {name}; this is the tokenizer of another model"
            )
        return token
