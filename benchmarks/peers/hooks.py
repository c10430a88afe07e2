"""The plain model, and forward hooks of PyTorch: what one writes without any tool."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers.base import Batch, Peer, reduced, summed
from benchmarks.shared import Outcome


class Plain(Peer):
    """The model itself: what everything is compared with."""

    name = "plain model"

    @torch.no_grad()
    def statistics(self, batch: Batch) -> Outcome:
        """Scores alone."""
        return {"scores": self.scores(self.made.decoder(**batch.inputs).last_hidden_state, batch.labels)}

    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        """Nothing is silenced."""
        self.statistics(batch)
        return {}

    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        """Nothing is silenced."""
        self.answers(inputs, tokens)
        return {}

    @torch.no_grad()
    def answers(self, inputs: Mapping[str, Tensor], tokens: int) -> list[str]:
        """Greedy words."""
        how = {"do_sample": False, "max_new_tokens": tokens, "min_new_tokens": tokens}
        return self.words(self.made.model.generate(**inputs, **how), inputs)


class Hooks(Plain):
    """A forward hook on every activation module."""

    name = "plain hooks"

    def statistics(self, batch: Batch) -> Outcome:
        with self.summing(batch.member) as sums:
            scores = super().statistics(batch)
        return {**scores, **summed(sums)}

    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        with self.silenced(sets):
            return {"edited scores": super().statistics(batch)["scores"]}

    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        with self.silenced(sets):
            return {"edited words": self.answers(inputs, tokens)}

    @contextmanager
    def summing(self, member: Tensor) -> Generator[list[tuple[Tensor, ...]]]:
        """Sums of every layer's gates, from whatever is run in the block."""
        sums: list[tuple[Tensor, ...]] = [()] * self.layers

        def reading(layer: int) -> Callable[..., None]:
            def hook(module: object, inputs: object, gate: Tensor) -> None:
                sums[layer] = reduced(gate, member)

            return hook

        with self._hooked([reading(layer) for layer in range(self.layers)]):
            yield sums

    @contextmanager
    def silenced(self, sets: Sequence[np.ndarray]) -> Generator[None]:
        """Gates at 0 while the block runs, whatever is run."""

        def silencing(neurons: Tensor) -> Callable[..., Tensor]:
            def hook(module: object, inputs: object, gate: Tensor) -> Tensor:
                gate[..., neurons] = 0
                return gate

            return hook

        with self._hooked([silencing(neurons) for neurons in self.neurons(sets)]):
            yield

    @contextmanager
    def _hooked(self, hooks: Sequence[Callable[..., Tensor | None]]) -> Generator[None]:
        with ExitStack() as stack:
            for layer, hook in zip(self.made.decoder.layers, hooks, strict=True):
                stack.callback(layer.mlp.act_fn.register_forward_hook(hook).remove)
            yield


class Reading(Hooks):
    """The least that statistics can cost: every gate is read once, by one sum."""

    name = "one reading of the gates"

    def statistics(self, batch: Batch) -> Outcome:
        def read(module: object, inputs: object, gate: Tensor) -> None:
            gate.sum(dim=1)

        with self._hooked([read] * self.layers):
            return Plain.statistics(self, batch)
