"""Phi-4-multimodal: a conformer encoder and a Phi decoder whose gate and up projections are fused.

Its processor needs image libraries even for audio; the same inputs are made here from its feature extractor and
tokenizer, with the prompt of its model card: `<|user|><|audio|>instruction<|end|><|assistant|>`.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.utils.hub import cached_file
from transformers.utils.import_utils import is_peft_available

from esn_interp.errors import ModelError
from esn_interp.models.families.encoded_alone import FRAMES, EncodedAlone
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Processor

_ADAPTER = "speech-lora"
# Any name but "speech", which transformers would look for in the names of all parameters and complain about.
_NAME = "hearing"


class Phi4Multimodal(EncodedAlone):
    """Phi-4-multimodal, the class of transformers; its encoder's masks do not hold, so clips are encoded one at a time.

    The decoder is the very module that merges the audio, so its inputs are the merged embeddings.
    """

    info = FamilyInfo(
        name="phi-4-multimodal",
        title="Phi-4-multimodal",
        model_types=("phi4_multimodal",),
        checkpoints=("microsoft/Phi-4-multimodal-instruct",),
        needs=(
            "peft, for the adapter that lets its decoder hear; the revision refs/pr/70 of the checkpoint, downloaded to"
            " a folder; about 13 GB of memory in bfloat16"
        ),
        notes=(
            "Its gates are those of the decoder with the speech adapter: the folder speech-lora beside the checkpoint.",
            "The gate is the first half of gate_up_proj in the decoder, and the second half in the audio encoder.",
            "The main revision of its checkpoint is code of its own (phi4mm), which this family does not read.",
        ),
    )
    features = "audio_input_features"
    in_parts = True
    templated = False

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        """The model, with its speech adapter put on where it is there."""
        model: Any = super().load_model(path, component=component, **options)
        if _has_adapter(path):
            if not is_peft_available():
                raise ModelError(
                    f"{path}: its speech adapter ({_ADAPTER}) can't be read without peft: pip install peft"
                )
            model.load_adapter(str(path), adapter_name=_NAME, adapter_kwargs={"subfolder": _ADAPTER})
            model.set_adapter(_NAME)
        return model

    def audio_token_id(self, model: nn.Module, processor: Any) -> int:
        return int(cast(Any, model.config).audio_config.audio_token_id)

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        extractor = processor.feature_extractor
        made = extractor(waveform, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        placeholder = cast(str, processor.tokenizer.convert_ids_to_tokens(processor.audio_token_id))
        audio = placeholder * int(made["audio_embed_sizes"][0])
        before = f"<|system|>{system}<|end|>" if system else ""
        tokens = processor.tokenizer(
            f"{before}<|user|>{audio}{prompt}<|end|><|assistant|>", return_tensors="pt"
        )
        return {
            "input_ids": cast(Tensor, tokens["input_ids"]),
            "attention_mask": cast(Tensor, tokens["attention_mask"]),
            "audio_input_features": made["audio_input_features"],
            FRAMES: torch.tensor([made["audio_input_features"].shape[1]]),
        }

    def merge(self, model: nn.Module, ids: Tensor, features: Tensor) -> Tensor:
        inner: Any = model.get_submodule("model")
        sizes = ids.eq(self.audio_token_id(model, None)).sum(1)
        return inner.embed_tokens_extend(
            ids, inner.embed_tokens(ids), audio_input_features=features, audio_embed_sizes=sizes
        )


def _has_adapter(path: str | Path) -> bool:
    try:
        return cached_file(str(path), f"{_ADAPTER}/adapter_config.json") is not None
    except OSError:
        return False
