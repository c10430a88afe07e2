"""Looking into a model: its gates on one clip, and the open door to everything else."""

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from esn_interp.models.gate_activations import GateActivations
from esn_interp.models.gate_view import GateView, view_gates
from esn_interp.models.opened import Opened
from esn_interp.speech.audio import waveform_of

QUESTION = "How does the speaker feel?"
"""What a model is asked when it is not told otherwise."""



class Looking(Opened):
    """The part of an `AudioLM` that shows what is inside; for one clip at a time."""

    def gates(self, audio: Any, question: str | None = None) -> GateActivations:
        """Every gate at every prompt token of one clip: for looking at, so for one clip only."""
        inputs = self._inputs([waveform_of(audio)], question or QUESTION)
        seen: list[Float[np.ndarray, "token _neuron"]] = []

        def tap(step: int, layer: int, gate: Tensor, experts: Tensor | None = None) -> None:
            seen.append(gate[0].float().cpu().numpy().copy())

        backbone = self.family.backbone(self.model)
        self._run(backbone, {**inputs.tensors, "use_cache": False}, inputs.scopes, (), tap)
        tokens = self.processor.tokenizer.convert_ids_to_tokens(inputs.tensors["input_ids"][0].tolist())
        return GateActivations(tuple(seen), tuple(tokens), inputs.scopes[0].cpu().numpy().astype(np.int8))

    def trace(self, audio: Any, question: str | None = None) -> Any:
        """The open nnsight door: ``with lm.trace("hello.wav") as tracer:`` runs one clip up to its logits.

        In the block, ``lm.layers[i].gate.output`` is the gate ``[clip, token, neuron]`` of layer ``i``, to be read
        (``.save()``) or written; ``lm.layers[i].attention`` and ``.mlp`` are there too. Inside, modules must be
        asked for in the order in which they run.
        """
        inputs = self._inputs([waveform_of(audio)], question or QUESTION)
        view: Any = self._open_view
        return view.trace(fn=self.family.generator(self.model), **inputs.tensors)

    @property
    def layers(self) -> Any:
        """The decoder layers as nnsight sees them, under standard names: ``gate``, ``attention``, ``mlp``."""
        return self._open_view.layers

    @cached_property
    def _open_view(self) -> GateView:
        return view_gates(self.stacks[self.component], open_door=True)
