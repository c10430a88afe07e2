"""Models whose audio encoder lets padding leak into a clip: encoded one clip at a time, decoded as a batch.

Such an encoder has no mask for its convolutions or its attention, so what the model hears in a clip would depend on
the longest clip beside it. The model's own code runs in both halves; only the batch is taken apart.
"""

from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.generation.utils import GenerationMixin

from esn_interp.models.families.base import Family

FRAMES = "audio_frames"
"""The input that tells how many of the padded feature frames are a clip's own."""


class EncodedAlone(Family):
    """A family whose model must hear each clip by itself; ``features`` names the input with the feature frames."""

    features: ClassVar[str]

    def merge(
        self, model: nn.Module, ids: Int[Tensor, "1 token"], features: Float[Tensor, "1 frame feature"]
    ) -> Float[Tensor, "1 token hidden"]:
        """Encode one clip and put its audio into the embeddings of its prompt, by the model's own code."""
        raise NotImplementedError

    def generator(self, model: nn.Module) -> nn.Module:
        return _Alone(self, model, model)

    def backbone(self, model: nn.Module) -> nn.Module:
        return _Alone(self, model, model.get_submodule("model"))

    def head(self, model: nn.Module) -> nn.Linear:
        return cast(Any, model).get_output_embeddings()

    def embedding(self, model: nn.Module) -> nn.Module:
        return cast(Any, model).get_input_embeddings()


class _Alone(nn.Module):
    """A model, or the part of it without the head, that takes clips as a batch and encodes each by itself."""

    written_by_transformers = True

    def __init__(self, family: EncodedAlone, model: nn.Module, part: nn.Module) -> None:
        super().__init__()
        self._family = family
        self.model = model
        self.part = part

    def forward(self, **inputs: Any) -> Any:
        rest, embedded = self._encode(inputs)
        return self.part(inputs_embeds=embedded, **rest)

    def generate(self, **inputs: Any) -> Tensor:
        """As ``generate`` of transformers: prompt and answer together."""
        rest, embedded = self._encode(inputs)
        # Not the model's own override: it may switch an adapter off where it sees no audio features.
        generate = cast(Any, GenerationMixin).generate
        return generate(self.model, input_ids=inputs["input_ids"], inputs_embeds=embedded, **rest)

    def _encode(self, inputs: dict[str, Any]) -> tuple[dict[str, Any], Float[Tensor, "clip token hidden"]]:
        name = self._family.features
        rest = {k: v for k, v in inputs.items() if k not in ("input_ids", name, FRAMES)}
        rows = [
            self._family.merge(self.model, inputs["input_ids"][row, None], inputs[name][row, None, :own])
            for row, own in enumerate(inputs[FRAMES].tolist())
        ]
        return rest, torch.cat(rows)
