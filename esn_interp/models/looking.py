"""Looking into a model: its gates on one clip, and the open door to everything else."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from esn_interp.errors import ModelError
from esn_interp.models.activation_cache import ActivationCache, token_seconds
from esn_interp.models.caching import (
    Keeper,
    chosen_names,
    eager_attention,
    heads_of,
    names_and_sizes,
    needs_patterns,
    relative_difference,
    require_room,
)
from esn_interp.models.families.inputs import Inputs
from esn_interp.models.gate_activations import GateActivations
from esn_interp.models.gate_view import GateView, view_gates
from esn_interp.models.opened import Opened
from esn_interp.models.readout import Readout
from esn_interp.models.stacks import encoder_layers
from esn_interp.speech.audio import SAMPLE_RATE, waveform_of

QUESTION = "How does the speaker feel?"
"""What a model is asked when it is not told otherwise."""



class Looking(Opened):
    """The part of an `AudioLM` that shows what is inside; for one clip at a time."""

    def gates(self, audio: Any, question: str | None = None) -> GateActivations:
        """Every gate at every prompt token of one clip: for looking at, so for one clip only."""
        waveform = waveform_of(audio)
        inputs = self._inputs([waveform], question or QUESTION)
        seen: list[Float[np.ndarray, "token _neuron"]] = []

        def tap(step: int, layer: int, gate: Tensor, experts: Tensor | None = None) -> None:
            seen.append(gate[0].float().cpu().numpy().copy())

        backbone = self.family.backbone(self.model)
        self._run(backbone, {**inputs.tensors, "use_cache": False}, inputs.scopes, (), tap)
        scopes = inputs.scopes[0].cpu().numpy().astype(np.int8)
        return GateActivations(
            layers=tuple(seen),
            tokens=self._written(inputs),
            scopes=scopes,
            seconds=token_seconds(scopes, len(waveform) / SAMPLE_RATE),
            waveform=waveform,
            transcript=str(getattr(audio, "transcript", None) or ""),
        )

    def cache(
        self,
        audio: Any,
        question: str | None = None,
        *,
        names: str | Sequence[str] | None = None,
        at_most: int | None = None,
        progress: bool = True,
    ) -> ActivationCache:
        """Activations of one clip by name, from one traced run; edits of `steered` act in it.

        Parameters
        ----------
        names
            Names or patterns, such as ``"blocks.*.gate"`` or ``["blocks.7.*", "resid_final"]``: see `ActivationCache`.
            By default everything but attention patterns. Those need eager attention, which is switched on for the
            run: how far it moves the model's output is measured by a second run, told, and kept in the result.
        at_most
            Bytes that may be kept; by default half of the memory that is free.
        progress
            Whether the size is told first, on stderr.

        Raises
        ------
        ModelError
            When a name means nothing, or all of it takes more memory than there is; what would fit is said.
        """
        waveform = waveform_of(audio)
        inputs, stack = self._inputs([waveform], question or QUESTION), self.stacks[self.component]
        scopes = inputs.scopes[0].cpu().numpy().astype(np.int8)
        duration = len(waveform) / SAMPLE_RATE
        frames = int(50 * duration) + 1  # what encoders of the Whisper kind give; for the estimate of the size alone
        sizes = names_and_sizes(stack, self._encoder_layers, tokens=len(scopes), frames=frames)
        wanted = chosen_names(names, sizes)
        require_room(wanted, sizes, tokens=len(scopes), at_most=at_most, told=progress)
        keeper = Keeper(wanted, [heads_of(gate) for gate in stack.gates])
        backbone, arguments = self.family.backbone(self.model), {**inputs.tensors, "use_cache": False}
        difference = float("nan")
        options: Any = {"taps": keeper.taps, "encoder": keeper.encoder}
        if needs_patterns(wanted):
            plain = self._run(backbone, arguments, inputs.scopes, (), plan="traced").last_hidden_state
            with eager_attention(stack.decoder):
                hidden = self._run(backbone, arguments, inputs.scopes, (), **options).last_hidden_state
            difference = relative_difference(hidden, plain)
            if progress:
                sys.stderr.write(f"Attention ran eagerly, to be seen; that moves outputs by {difference:.1e}\n")
        else:
            hidden = self._run(backbone, arguments, inputs.scopes, (), **options).last_hidden_state
        return ActivationCache(
            model=self.name,
            question=question or QUESTION,
            activations=keeper.finish(hidden, wanted),
            tokens=self._written(inputs),
            scopes=scopes,
            seconds=token_seconds(scopes, duration),
            duration=duration,
            eager_difference=difference,
        )

    @cached_property
    def readout(self) -> Readout:
        """From the stream of hidden states to words: the final norm and the head."""
        self._require_answers()
        return Readout.of(self.family, self.model, self._decoder, self.processor.tokenizer)

    @cached_property
    def _encoder_layers(self) -> tuple[nn.Module, ...]:
        """Those of the audio encoder; none where it has no such layers."""
        with suppress(ModelError):
            return encoder_layers(self.model)
        return ()

    def _written(self, inputs: Inputs) -> tuple[str, ...]:
        """The tokens of a single prompt as text."""
        return tuple(self.processor.tokenizer.convert_ids_to_tokens(inputs.tensors["input_ids"][0].tolist()))

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
