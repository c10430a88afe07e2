"""nnsight as its documentation shows it: the whole model wrapped, one trace that names what it reads."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from nnsight import NNsight
from torch import Tensor

from benchmarks.models import Made
from benchmarks.peers.base import Batch, Peer, reduced, summed
from benchmarks.shared import Outcome


class PlainNNsight(Peer):
    """Every module wrapped, as `NNsight(model)` does."""

    name = "nnsight, plainly"

    def __init__(self, made: Made) -> None:
        super().__init__(made)
        self._decoder: Any = NNsight(made.decoder)
        self._whole: Any = NNsight(made.model)

    @torch.no_grad()
    def statistics(self, batch: Batch) -> Outcome:
        decoder, member = self._decoder, batch.member
        sums: list[tuple[Tensor, ...]] = [()] * self.layers
        output: Any = None
        with decoder.trace(**batch.inputs):
            for at, layer in enumerate(decoder.layers):
                sums[at] = reduced(layer.mlp.act_fn.output, member)
            output = decoder.output.save()
        return {"scores": self.scores(output.last_hidden_state, batch.labels), **summed(sums)}

    @torch.no_grad()
    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        decoder, neurons = self._decoder, self.neurons(sets)
        output: Any = None
        with decoder.trace(**batch.inputs):
            for layer, chosen in zip(decoder.layers, neurons, strict=True):
                layer.mlp.act_fn.output[..., chosen] = 0
            output = decoder.output.save()
        return {"edited scores": self.scores(output.last_hidden_state, batch.labels)}

    @torch.no_grad()
    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        whole, neurons = self._whole, self.neurons(sets)
        layers = self._within(whole, self.made.stack).layers
        how = {"do_sample": False, "max_new_tokens": tokens, "min_new_tokens": tokens}
        text: list[Tensor] = []

        def generate(**keywords: Any) -> Tensor:
            text.append(self.made.model.generate(**keywords))
            return text[0]

        with whole.trace(fn=generate, **inputs, **how) as tracer:
            for _ in tracer.iter[:tokens]:
                for layer, chosen in zip(layers, neurons, strict=True):
                    layer.mlp.act_fn.output[..., chosen] = 0
        return {"edited words": self.words(text[0], inputs)}

    @staticmethod
    def _within(whole: Any, path: str) -> Any:
        return reduce(getattr, path.split("."), whole)
