"""pyvene: an intervenable model with one intervention, a function, at every gate."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyvene
import torch
from torch import Tensor, nn

from benchmarks.models import Made
from benchmarks.peers.base import Batch, Peer, reduced, summed
from benchmarks.shared import Outcome

_GATE = "layers[{}].mlp.act_fn.output"


class Pyvene(Peer):
    """Made once for every set of neurons, as an ablation study would; what is timed is the run."""

    name = "pyvene"

    def __init__(self, made: Made) -> None:
        super().__init__(made)
        self._batch: Batch | None = None
        self._sums: list[tuple[Tensor, ...]] = [()] * self.layers
        self._reading = self._with(made.decoder, "", [self._reader(layer) for layer in range(self.layers)])
        self._silencing: dict[tuple[Any, ...], Any] = {}

    @torch.no_grad()
    def statistics(self, batch: Batch) -> Outcome:
        self._batch = batch
        _, output = self._reading(batch.inputs)
        return {"scores": self.scores(output.last_hidden_state, batch.labels), **summed(self._sums.copy())}

    @torch.no_grad()
    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        _, output = self._silenced(sets, self.made.decoder, "")(batch.inputs)
        return {"edited scores": self.scores(output.last_hidden_state, batch.labels)}

    @torch.no_grad()
    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        model = self._silenced(sets, self.made.model, f"{self.made.stack}.")
        how = {"do_sample": False, "max_new_tokens": tokens, "min_new_tokens": tokens}
        _, text = model.generate(dict(inputs), intervene_on_prompt=True, **how)
        return {"edited words": self.words(text, inputs)}

    def _reader(self, layer: int) -> Callable[..., None]:
        def read(gate: Tensor, source: object) -> None:
            assert self._batch is not None
            self._sums[layer] = reduced(gate, self._batch.member)

        return read

    def _silenced(self, sets: Sequence[np.ndarray], model: nn.Module, prefix: str) -> Any:
        key = prefix, *(chosen.tobytes() for chosen in sets)
        if key not in self._silencing:
            functions = [_silencer(chosen) for chosen in self.neurons(sets)]
            self._silencing[key] = self._with(model, prefix, functions)
        return self._silencing[key]

    @staticmethod
    def _with(model: nn.Module, prefix: str, functions: Sequence[Callable[..., Any]]) -> Any:
        places = [
            {"component": prefix + _GATE.format(layer), "intervention": function}
            for layer, function in enumerate(functions)
        ]
        return pyvene.IntervenableModel(places, model)


def _silencer(neurons: Tensor) -> Callable[..., Tensor]:
    def silence(gate: Tensor, source: object) -> Tensor:
        gate[..., neurons] = 0
        return gate

    return silence


over = Pyvene
