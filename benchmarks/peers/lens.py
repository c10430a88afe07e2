"""TransformerLens: its bridge over the model of transformers.

The bridge has no hook behind the activation, but one before it: statistics apply the activation once more, and a gate
is silenced by a 0 before it, which `silu` leaves at 0. Attention is computed step by step there, for the sake of hooks
on its scores, so results differ from the others' in the last digits. Runs go up to the logits of every token, as
transformers' own do.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from benchmarks.models import Made
from benchmarks.peers.base import Batch, Peer, Unable, reduced, summed
from benchmarks.shared import Outcome

Hook = tuple[str, Callable[..., Any]]


class Lens(Peer):
    """The model is booted from memory; weights stay as they are."""

    name = "TransformerLens"

    def __init__(self, made: Made) -> None:
        if type(made.model).__name__ != "Qwen2AudioForConditionalGeneration":
            raise Unable(f"it does not know {type(made.model).__name__}")
        super().__init__(made)
        tokenizer = made.processor.tokenizer
        # It looks for the processor by the model's name, and where it finds none it has pip install torchvision, which
        # may bring another torch.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            made.processor.save_pretrained(folder)
            self._bridge: Any = TransformerBridge.boot_transformers(
                folder, hf_model=made.model, tokenizer=tokenizer, device="cpu"
            )

    @torch.no_grad()
    def statistics(self, batch: Batch) -> Outcome:
        sums: list[tuple[Tensor, ...]] = [()] * self.layers

        def reading(layer: int) -> Callable[..., None]:
            def read(value: Tensor, hook: object) -> None:
                sums[layer] = reduced(torch.nn.functional.silu(value), batch.member)

            return read

        scores = self._run(batch, [reading(layer) for layer in range(self.layers)])
        return {"scores": scores, **summed(sums, exact=False)}

    @torch.no_grad()
    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        return {"edited scores": self._run(batch, [_silencer(chosen) for chosen in self.neurons(sets)])}

    @torch.no_grad()
    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        hooks = self._hooks([_silencer(chosen) for chosen in self.neurons(sets)])
        given = dict(inputs)
        with self._bridge.hooks(fwd_hooks=hooks):
            text = self._bridge.generate(
                given.pop("input_ids"),
                max_new_tokens=tokens,
                stop_at_eos=False,
                do_sample=False,
                return_type="tokens",
                verbose=False,
                **given,
            )
        return {"edited words": self.words(text, inputs)}

    def _run(self, batch: Batch, functions: Sequence[Callable[..., Any]]) -> Tensor:
        inputs = dict(batch.inputs)
        embedded = inputs.pop("inputs_embeds")
        logits = self._bridge.run_with_hooks(embedded, fwd_hooks=self._hooks(functions), **inputs)
        return logits[:, -1, batch.labels].float().log_softmax(-1)

    @staticmethod
    def _hooks(functions: Sequence[Callable[..., Any]]) -> list[Hook]:
        return [(f"blocks.{layer}.mlp.gate.hook_out", function) for layer, function in enumerate(functions)]


def _silencer(neurons: Tensor) -> Callable[..., Tensor]:
    def silence(value: Tensor, hook: object) -> Tensor:
        value[..., neurons] = 0
        return value

    return silence


over = Lens
