"""AudioLM: an audio language model as this package sees it — ask, score, read gates, edit gates."""

import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.models.families import Family, Inputs, Processor
from esn_interp.models.fingerprint import weights_fingerprint
from esn_interp.models.gate_activations import GateActivations
from esn_interp.models.gate_view import GateView, Tap, decoder_inputs, gate_widths, traced_run, view_gates
from esn_interp.models.gradients import Attributions, gate_attributions
from esn_interp.models.labels import label_tokens, sequence_log_probs, token_log_probs
from esn_interp.models.text import text_log_probs
from esn_interp.speech.audio import read_audio

QUESTION = "How does the speaker feel?"
"""What :meth:`AudioLM.answer` asks when it is not told otherwise."""


@runtime_checkable
class Neurons(Protocol):
    """Anything that names neurons: a :class:`~esn_interp.neurons.neuron_set.NeuronSet`, most often."""

    @property
    def layer(self) -> Int[np.ndarray, " neuron"]: ...
    @property
    def neuron(self) -> Int[np.ndarray, " neuron"]: ...


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch whose audio is already encoded: the decoder's inputs, to be run under any number of edits.

    ``scopes`` holds for every token -1 padding, 0 audio, 1 text or 2 last (the position that predicts the answer).
    """

    decoder_inputs: dict[str, Any]
    scopes: Int[np.ndarray, "clip token"]

    def __len__(self) -> int:
        return len(self.scopes)


class AudioLM:
    """A speech-capable language model with readable, editable gates.

    Use :func:`esn_interp.load` to make one. With no edit its outputs are those of the bare model, bit for bit:
    nothing of the model is reimplemented.

    Attributes
    ----------
    name
        The name or path it was loaded by.
    widths
        Gates per decoder layer.
    component
        The decoder stack whose gates are meant.
    """

    def __init__(self, model: nn.Module, processor: Processor, family: Family, *, name: str) -> None:
        self.model = model.eval()
        self.processor = processor
        self.family = family
        self.name = name
        self.component = "thinker"
        decoder = family.decoder(model)
        self.widths: tuple[int, ...] = gate_widths(decoder)
        self._view: GateView = view_gates(decoder)
        self._standing: list[tuple[Edit, ...]] = []
        self._fingerprint: str | None = None
        # nnsight's interleaver is one per model: two threads in it at once corrupt each other's runs.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"AudioLM({self.name!r}, {self.family.title}, {self.n_layers} layers, {self.n_gates:,} gates)"

    @property
    def n_layers(self) -> int:
        return len(self.widths)

    @property
    def n_gates(self) -> int:
        return sum(self.widths)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def fingerprint(self) -> str:
        """A short digest of architecture and weights, by which files are matched to models."""
        if self._fingerprint is None:
            self._fingerprint = weights_fingerprint(self.model)
        return self._fingerprint

    # ---------------------------------------------------------------- asking

    def answer(self, audio: Any, question: str | None = None, *, options: Sequence[str] | None = None) -> str:
        """What the model answers about one clip.

        Parameters
        ----------
        audio
            A path, a waveform at 16 kHz, or a clip.
        options
            When given, the most likely of them (by label scoring); else greedy free text.
        """
        waveform = _waveform(audio)
        if options is None:
            return self.generate([waveform], question or QUESTION)[0]
        scores = self.scores(self.encode([waveform], question or QUESTION), options)
        return options[int(scores[0].argmax())]

    def encode(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: str) -> Encoded:
        """Encode the audio of a batch once, with the prompt around it (left-padded)."""
        inputs = self._inputs(waveforms, prompt)
        decoder, backbone = self.family.decoder(self.model), self.family.backbone(self.model)
        with self._lock, torch.no_grad():
            captured = decoder_inputs(decoder, backbone, inputs.tensors)
        return Encoded(captured, inputs.scopes.cpu().numpy().astype(np.int8))

    def scores(
        self,
        encoded: Encoded,
        labels: Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        tap: Tap | None = None,
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probability of each label as the answer, normalised over the labels.

        Labels of one token each are read off the label rows of the head, so the logits over the whole vocabulary
        never exist. Otherwise each label is scored by the mean log-probability of its tokens.

        Parameters
        ----------
        tap
            Called with every layer's gates over the prompt (after the edits); it must only read.
        """
        return self._scores(encoded, labels, edits, tap).float().cpu().numpy()

    def attributions(
        self,
        encoded: Encoded,
        labels: Sequence[str],
        target: Int[np.ndarray, " clip"],
        *,
        positions: Iterable[str] = EVERYWHERE,
    ) -> Attributions:
        """Gradient times gate of the log-odds of each clip's target label, for every gate in one backward pass.

        The log-odds are ``log p - log(1 - p)`` with p normalised over the labels; ``target`` indexes them. What
        it gives is a first-order estimate of what silencing the gate takes from the log-odds.

        Parameters
        ----------
        positions
            The token scopes over which the products are summed.

        Raises
        ------
        EditError
            When a scope is unknown, or the batch has no token in any of them.
        """

        def run(tap: Tap) -> Tensor:
            return self._scores(encoded, labels, (), tap, gradients=True)

        return gate_attributions(run, encoded.scopes, target, widths=self.widths, positions=frozenset(positions))

    def generate(
        self,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: str,
        *,
        edits: Sequence[Edit] = (),
        max_new_tokens: int = 32,
    ) -> list[str]:
        """Greedy free-text answers, one per waveform; edits act at every step."""
        inputs = self._inputs(waveforms, prompt)
        generator: Any = self.family.generator(self.model)
        arguments = {**inputs.tensors, "do_sample": False, "max_new_tokens": max_new_tokens}
        tokens = self._run(generator.generate, arguments, inputs.scopes, edits)
        start = inputs.tensors["input_ids"].shape[1]
        decoded = self.processor.tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
        return [text.strip() for text in decoded]

    def text_log_probs(
        self, sentences: Sequence[str], *, edits: Sequence[Edit] = ()
    ) -> list[Float[np.ndarray, " _token"]]:
        """Log-probability (nats) of every token of a text, sentence by sentence; no audio and no question.

        The very first token has nothing before it and is left out. An edit acts on the scopes ``text`` and
        ``last`` (the text's last position).
        """
        decoder, head = self.family.decoder(self.model), self.family.head(self.model)

        def run(inputs: dict[str, Any], scopes: Tensor) -> Tensor:
            return self._run(decoder, inputs, scopes, edits).last_hidden_state

        backbone, tokenizer = self.family.backbone(self.model), self.processor.tokenizer
        with self._lock, torch.no_grad():
            values = text_log_probs(run, decoder, backbone, head, tokenizer, sentences, self.device)
        return [value.cpu().numpy() for value in values]

    # ---------------------------------------------------------------- looking and editing

    def gates(self, audio: Any, question: str | None = None) -> GateActivations:
        """Every gate at every prompt token of one clip: for looking at, so for one clip only."""
        inputs = self._inputs([_waveform(audio)], question or QUESTION)
        kept: list[Float[np.ndarray, "token _neuron"]] = []

        def tap(step: int, layer: int, gate: Tensor) -> None:
            kept.append(gate[0].float().cpu().numpy().copy())

        backbone = self.family.backbone(self.model)
        self._run(backbone, {**inputs.tensors, "use_cache": False}, inputs.scopes, (), tap)
        tokens = self.processor.tokenizer.convert_ids_to_tokens(inputs.tensors["input_ids"][0].tolist())
        return GateActivations(tuple(kept), tuple(tokens), inputs.scopes[0].cpu().numpy().astype(np.int8))

    def trace(self, audio: Any, question: str | None = None) -> Any:
        """The open nnsight door: ``with lm.trace("hello.wav") as tracer:`` runs one clip up to its logits.

        In the block, ``lm.layers[i].gate.output`` is the gate ``[clip, token, neuron]`` of layer ``i``, to be read
        (``.save()``) or written; ``lm.layers[i].attention`` and ``.mlp`` are there too. Inside, modules must be
        asked for in the order in which they run.
        """
        inputs = self._inputs([_waveform(audio)], question or QUESTION)
        view: Any = self._open_view
        return view.trace(fn=self.family.generator(self.model), **inputs.tensors)

    @property
    def layers(self) -> Any:
        """The decoder layers as nnsight sees them, under standard names: ``gate``, ``attention``, ``mlp``."""
        return self._open_view.layers

    @cached_property
    def _open_view(self) -> GateView:
        return view_gates(self.family.decoder(self.model), open_door=True)

    @contextmanager
    def steered(
        self, neurons: Neurons | Iterable[Edit], *, alpha: float | None = None
    ) -> Generator["AudioLM"]:
        """Within the block, every run of this model is steered.

        Parameters
        ----------
        neurons
            Neurons to be multiplied by ``1 + alpha`` (``alpha=-1`` silences them), or ready-made edits.

        Raises
        ------
        EditError
            With neurons but no ``alpha``, with edits and an ``alpha``, or with nothing to steer.
        """
        self._standing.append(_as_edits(neurons, alpha))
        try:
            yield self
        finally:
            self._standing.pop()

    # ---------------------------------------------------------------- plumbing

    def _scores(
        self,
        encoded: Encoded,
        labels: Sequence[str],
        edits: Sequence[Edit],
        tap: Tap | None,
        *,
        gradients: bool = False,
    ) -> Float[Tensor, "clip label"]:
        decoder, head = self.family.decoder(self.model), self.family.head(self.model)
        tokens = label_tokens(self.processor.tokenizer, labels)

        def run(inputs: dict[str, Any], scopes: Tensor, tap: Tap | None = None) -> Tensor:
            return self._run(decoder, inputs, scopes, edits, tap, gradients).last_hidden_state

        scopes = torch.from_numpy(encoded.scopes.astype(np.int64)).to(self.device)
        if all(len(label) == 1 for label in tokens):
            hidden = run(encoded.decoder_inputs, scopes, tap)[:, -1]
            return token_log_probs(hidden, head, [label[0] for label in tokens])
        if tap is not None and not gradients:
            run(encoded.decoder_inputs, scopes, tap)
        embed = self.family.embedding(self.model)
        # What is differentiated are the runs that make the scores, one a label; what is looked at is the prompt.
        scored = partial(run, tap=tap) if gradients else run
        return sequence_log_probs(scored, encoded.decoder_inputs, scopes, embed, head, tokens)

    def _inputs(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: str) -> Inputs:
        inputs = self.family.inputs(self.processor, waveforms, prompt)
        tensors = {
            name: tensor.to(self.device, self.dtype if tensor.is_floating_point() else None)
            for name, tensor in inputs.tensors.items()
        }
        return Inputs(tensors, inputs.audio.to(self.device))

    def _run(
        self,
        fn: Any,
        batch: dict[str, Any],
        scopes: Tensor,
        edits: Sequence[Edit],
        tap: Tap | None = None,
        gradients: bool = False,
    ) -> Any:
        standing = [edit for edits in self._standing for edit in edits]
        with self._lock, torch.set_grad_enabled(gradients):
            return traced_run(
                self._view, fn, batch, scopes=scopes, widths=self.widths, edits=[*standing, *edits], tap=tap
            )


def _waveform(audio: Any) -> Float[np.ndarray, " sample"]:
    return audio.waveform() if hasattr(audio, "waveform") else read_audio(audio)


def _as_edits(neurons: Neurons | Iterable[Edit], alpha: float | None) -> tuple[Edit, ...]:
    if not (hasattr(neurons, "layer") and hasattr(neurons, "neuron")):
        if alpha is not None:
            raise EditError("steered: alpha goes with neurons; ready-made edits carry their own gain")
        edits = tuple(cast(Iterable[Edit], neurons))
    else:
        if alpha is None:
            raise EditError(
                "steered: say how much, for example alpha=2 (the gates are multiplied by 1 + alpha)"
            )
        chosen = cast(Neurons, neurons)
        edits = tuple(
            Edit(int(layer), np.unique(chosen.neuron[chosen.layer == layer]), gain=1 + alpha)
            for layer in np.unique(chosen.layer)
        )
    if not edits:
        raise EditError("steered: there is nothing to steer, the set of neurons is empty")
    return edits
