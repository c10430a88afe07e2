"""Qwen2.5-Omni: audio encoder, thinker (a Qwen2 decoder with SwiGLU gates) and text head.

Only the thinker is loaded, since recognition asks for nothing else. The model's own processor class needs pillow
and torchvision even for audio; the same inputs are made here from its feature extractor, tokenizer and template.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration
from transformers.utils.hub import cached_file

from esn_interp.models.families.base import Family, Inputs, Processor, require_template

_PLACEHOLDER = "<|AUDIO|>"


class Qwen25Omni(Family):
    """Qwen2.5-Omni, asked through its thinker."""

    name = "qwen2.5-omni"
    model_types = ("qwen2_5_omni", "qwen2_5_omni_thinker")
    title = "Qwen2.5-Omni"
    capability = "recognise"
    checkpoints = ("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-3B")
    needs = "transformers only; about 18 GB of memory for the 7B thinker in bfloat16"

    def load(self, path: str | Path, **options: Any) -> tuple[nn.Module, Processor]:
        model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(str(path), **options)
        tokenizer = AutoTokenizer.from_pretrained(str(path))
        template = getattr(tokenizer, "chat_template", None) or _template_file(path)
        extractor = AutoFeatureExtractor.from_pretrained(str(path))
        return model, Processor(tokenizer, extractor, require_template(template, str(path)))

    def inputs(
        self, processor: Processor, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: str
    ) -> Inputs:
        tokenizer = processor.tokenizer
        features = [_mel(processor.feature_extractor, waveform) for waveform in waveforms]
        content: Any = [{"type": "audio", "audio": ""}, {"type": "text", "text": prompt}]
        text = cast(
            str,
            tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=processor.chat_template,
                tokenize=False,
                add_generation_prompt=True,
            ),
        )
        texts = [
            text.replace(_PLACEHOLDER, _PLACEHOLDER * _audio_tokens(mel.shape[1]), 1) for mel in features
        ]
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
        return Inputs(tensors, ids.eq(cast(int, tokenizer.convert_tokens_to_ids(_PLACEHOLDER))))

    def generator(self, model: nn.Module) -> nn.Module:
        return model.get_submodule("thinker") if hasattr(model, "thinker") else model

    def backbone(self, model: nn.Module) -> nn.Module:
        return self.generator(model).get_submodule("model")

    def decoder(self, model: nn.Module) -> nn.Module:
        backbone = self.backbone(model)
        # transformers 4 keeps the decoder in `model` itself, 5 in `model.language_model`
        return backbone.get_submodule("language_model") if hasattr(backbone, "language_model") else backbone

    def head(self, model: nn.Module) -> nn.Linear:
        return cast(nn.Linear, self.generator(model).get_submodule("lm_head"))

    def embedding(self, model: nn.Module) -> nn.Module:
        return self.decoder(model).get_submodule("embed_tokens")


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


def _audio_tokens(frames: int) -> int:
    """Audio tokens of that many mel frames: a convolution of stride 2, then pooling by 2."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


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
