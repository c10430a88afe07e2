"""Models whose own code takes one clip at a time, and how a batch of clips runs through their decoder all the same.

The model's own code encodes every clip and merges it into its prompt, alone, so that no padding reaches an encoder.
What it gives its decoder is then padded on the left, and the decoder runs on the whole batch under any edits.
Answers are written clip by clip.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast

from esn_interp.errors import ModelError
from esn_interp.models.families.auto import load_whole
from esn_interp.models.families.base import Family
from esn_interp.models.families.inputs import Inputs


class ClipByClip(Family):
    """A family whose model reads and answers one clip at a time."""

    clip_by_clip: ClassVar[bool] = True
    written_for: ClassVar[str]
    """The releases of transformers that the code which comes with the checkpoint runs with."""

    def by_its_own_code(self, auto: Any, path: str | Path, **options: Any) -> nn.Module:
        """The model by the code that comes with its checkpoint.

        Raises
        ------
        ModelError
            When that code fails, for it is pinned to a few releases of transformers and may need other packages.
        """
        if "dtype" in options and tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56):
            options["torch_dtype"] = options.pop("dtype")
        try:
            return load_whole(auto, path, **options)
        except (AttributeError, RuntimeError, TypeError) as error:
            raise ModelError(
                f"{path}: the code that comes with it failed under transformers {transformers.__version__} ({error});"
                f" it runs with {self.written_for}"
            ) from error

    def one(self, tensors: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
        """The inputs of one clip of a batch without their padding, batch axis included."""
        raise NotImplementedError

    def native(self, model: nn.Module, clip: Mapping[str, Tensor], *, use_cache: bool = False) -> Any:
        """The model's own forward on one clip; ``logits`` of its output are those of the text."""
        raise NotImplementedError

    def merged(self, model: nn.Module, clip: Mapping[str, Tensor]) -> Float[Tensor, "1 token hidden"]:
        """What the model's own code gives its decoder for one clip: the prompt, with the audio merged in."""
        raise NotImplementedError

    def answer(
        self, model: nn.Module, clip: Mapping[str, Tensor], *, max_new_tokens: int
    ) -> Int[Tensor, " token"]:
        """The tokens of the greedy answer about one clip, by the model's own forward."""
        raise NotImplementedError

    def captured(self, model: nn.Module, inputs: Inputs) -> dict[str, Any]:
        return self.batched(model, inputs.tensors)

    def batched(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        """The decoder's inputs of a batch: every clip merged alone, then padded on the left."""
        rows = range(len(tensors["input_ids"]))
        return _left_padded([self.merged(model, self.one(tensors, row)) for row in rows])

    def backbone(self, model: nn.Module) -> nn.Module:
        return _Native(self, model)

    def generator(self, model: nn.Module) -> nn.Module:
        return _Native(self, model)


class _Native(nn.Module):
    """The model under the names that the rest of the package calls it by; ``model`` does the work."""

    def __init__(self, family: ClipByClip, model: Any) -> None:
        super().__init__()
        self.family = family
        self.model = model

    def forward(self, *, use_cache: bool = False, **tensors: Tensor) -> Any:
        """One clip by the model's own forward; several by its decoder, from their merged prompts."""
        family = self.family
        if len(tensors["input_ids"]) == 1:
            return family.native(self.model, family.one(tensors, 0), use_cache=use_cache)
        hidden = family.decoder(self.model)(**family.batched(self.model, tensors)).last_hidden_state
        return CausalLMOutputWithPast(logits=family.head(self.model)(hidden))

    def generate(self, *, max_new_tokens: int, do_sample: bool = False, **tensors: Tensor) -> Tensor:
        """Prompt and greedy answer of one clip."""
        assert not do_sample, "answers are greedy"
        answer = self.family.answer(self.model, self.family.one(tensors, 0), max_new_tokens=max_new_tokens)
        return torch.cat([tensors["input_ids"], answer[None].to(tensors["input_ids"])], dim=1)

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.model.get_output_embeddings()


def _left_padded(merged: Sequence[Float[Tensor, "1 _token hidden"]]) -> dict[str, Any]:
    longest = max(clip.shape[1] for clip in merged)
    lengths = torch.tensor([[clip.shape[1]] for clip in merged], device=merged[0].device)
    positions = torch.arange(longest, device=lengths.device) - (longest - lengths)
    padded = bool((lengths < longest).any())
    return {
        "inputs_embeds": torch.cat(
            [nn.functional.pad(clip, (0, 0, longest - clip.shape[1], 0)) for clip in merged]
        ),
        # Where nothing is padded there is no mask, as in the model's own run of one clip.
        "attention_mask": (positions >= 0).long() if padded else None,
        "position_ids": positions.clamp_min(0),
    }
