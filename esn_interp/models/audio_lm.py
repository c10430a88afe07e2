"""AudioLM: an audio language model as this package sees it — ask, score, read gates, edit gates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from esn_interp.drawing.brief import brief
from esn_interp.errors import EditError
from esn_interp.models.access import access_points
from esn_interp.models.baked import Baked
from esn_interp.models.baking import changes, write_baked
from esn_interp.models.columns import NotScalable
from esn_interp.models.decoding import greedy, static_cache, untraced, watched
from esn_interp.models.edits import EVERYWHERE, Edit, edits_by_layer
from esn_interp.models.families.inputs import Inputs, Prompts, each
from esn_interp.models.gate_view import Tap
from esn_interp.models.gradients import Attributions, differentiable, gate_attributions
from esn_interp.models.labels import TOKENIZING, likeliest
from esn_interp.models.looking import QUESTION, Looking
from esn_interp.models.opened import Neurons
from esn_interp.models.plans import gains_of
from esn_interp.models.scoring import Reader, Scorer, label_reader
from esn_interp.models.sites import GATE
from esn_interp.models.speaking import Speaking
from esn_interp.models.sweeping import Sweeping
from esn_interp.models.text import text_log_probs
from esn_interp.models.written import written_inputs
from esn_interp.speech.audio import waveform_of


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch whose audio is already encoded: the decoder's inputs, to be run under any number of edits.

    ``scopes`` holds for every token -1 padding, 0 audio, 1 text or 2 last (the position that predicts the answer);
    ``inputs`` are the whole model's, from which the decoder's were made.
    """

    decoder_inputs: dict[str, Any]
    scopes: Int[np.ndarray, "clip token"]
    inputs: Inputs
    __repr__ = brief

    def __len__(self) -> int:
        return len(self.scopes)


class AudioLM(Speaking, Sweeping, Looking):
    """A speech-capable language model with readable, editable gates.

    Use :func:`esn_interp.load` to make one. With no edit its outputs are those of the bare model, bit for bit:
    nothing of the model is reimplemented.
    """

    def __repr__(self) -> str:
        return f"AudioLM({self.name!r}, {self.family.title}, {self.n_layers} layers, {self.n_gates:,} gates)"

    def __str__(self) -> str:
        """What was found at loading: every stack, its layers, what its gates compute and how many there are."""
        lines = [repr(self)]
        for points in access_points(self.stacks, self.family.info.roles):
            of = f"{points.component}, layers {points.layers}" if points.first != points.last else points.component
            lines.append(f"  {of}: {points.gate}, {points.gates:,} gates a layer, at {points.path}")
        if self.made_of is not None:
            lines.append(f"  {self.made_of.words}")
        if self.baked is not None:
            lines.append(f"  {self.baked.summary()}")
        return "\n".join(lines)

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
        waveform = waveform_of(audio)
        if options is None:
            return self.generate([waveform], question or QUESTION)[0]
        scores = self.scores(self.encode([waveform], question or QUESTION), options)
        return options[likeliest(scores[0], self.name)]

    def prepare(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: Prompts) -> Inputs:
        """The model's inputs on the host, for `encode`: features and tokens, for which the model is not needed.

        Another thread may do this while the model runs; one at a time, since tokenizers are not shared.
        """
        self._require_answers()
        with TOKENIZING:
            inputs = self._on_host(waveforms, prompt)
        if self.device.type == "cuda":  # which fetches them while others work, from pinned memory
            return Inputs({name: tensor.pin_memory() for name, tensor in inputs.tensors.items()}, inputs.audio)
        return inputs

    def prepare_text(self, sentences: Sequence[str], prompt: str) -> Inputs:
        """The inputs, for `encode`, that ask ``prompt`` about written sentences in the place of clips.

        A sentence's tokens are of the scope ``audio``: that of what is asked about.

        Raises
        ------
        ModelError
            When the model can't be asked about text, or lacks a word.
        """
        self._require_answers()
        return written_inputs(self.processor, sentences, prompt, system=self.system)

    def encode(self, waveforms: Sequence[Float[np.ndarray, " _sample"]] | Inputs, prompt: Prompts) -> Encoded:
        """Encode the audio of a batch once, with the prompt, or each clip's own, around it (left-padded).

        In the place of waveforms it takes what `prepare` made of them, whose prompt counts then.
        """
        inputs = waveforms if isinstance(waveforms, Inputs) else self.prepare(waveforms, prompt)
        scopes = inputs.scopes.cpu().numpy().astype(np.int8)
        placed = self._on_device(inputs)
        return Encoded(self._captured(placed), scopes, placed)

    def scores(
        self,
        encoded: Encoded,
        labels: Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        tap: Tap | None = None,
        plan: str | None = None,
        site: str = GATE,
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probability of each label as the answer, normalised over the labels.

        Labels of one token each are read off the label rows of the head, so the logits over the whole vocabulary
        never exist. Otherwise each label is scored by the mean log-probability of its tokens.

        Parameters
        ----------
        tap
            Called with every layer's gates over the prompt (after the edits); it must only read.
        site
            Where in the layers the tap reads, a name of `esn_interp.models.sites.SITES`.
        plan
            How the edits are carried out: ``auto``, ``traced`` or ``scaled``; by default as `plan` says.
        """
        return self._scores(encoded, labels, edits, tap, plan=plan, site=site).float().cpu().numpy()

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

        # A caller may be within torch.inference_mode(), or have encoded there.
        with differentiable(self.model, encoded) as encoded:
            return gate_attributions(run, encoded.scopes, target, widths=self.widths, positions=frozenset(positions))

    def generate(
        self,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        edits: Sequence[Edit] = (),
        max_new_tokens: int = 32,
        plan: str | None = None,
        compiled: bool = False,
    ) -> list[str]:
        """Greedy free-text answers, one per waveform; edits act at every step.

        Parameters
        ----------
        plan
            How the edits are carried out: ``auto``, ``traced`` or ``scaled``; by default as `plan` says.
        compiled
            Whether to decode with transformers' static cache, compiled on an accelerator: much faster once it is
            compiled, which takes a minute. The text is the same in float32.

        Raises
        ------
        EditError
            When it is to be compiled with edits that only a trace can carry out, or edits drive scores out of the
            finite numbers.
        ModelError
            When it is to be compiled, and the model has a way of its own to write; or its scores are not finite.
        """
        if self.family.clip_by_clip and len(waveforms) > 1:
            options: Any = {"edits": edits, "max_new_tokens": max_new_tokens, "plan": plan, "compiled": compiled}
            asked = zip(waveforms, each(prompt, len(waveforms)), strict=True)
            return [self.generate([waveform], words, **options)[0] for waveform, words in asked]
        inputs = self._inputs(waveforms, prompt)
        generator: Any = self.family.generator(self.model)
        write = generator.generate
        watch, watching = watched(generator)
        arguments = {**inputs.tensors, **greedy(generator), **watching, "max_new_tokens": max_new_tokens}
        start, answers = inputs.tensors["input_ids"].shape[1], self.component in self.family.answering
        if compiled:
            arguments |= static_cache(generator, prompt=start, max_new_tokens=max_new_tokens)
            write, plan = untraced(self.model, write), "scaled"  # a compiler can't look into a trace
        tokens = self._run(write, arguments, inputs.scopes, edits, plan=plan, certain=answers)
        watch.require_numbers(self.name, edited=bool(edits or self.standing))
        decoded = self.processor.tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
        return [text.strip() for text in decoded]

    def text_log_probs(
        self, sentences: Sequence[str], *, edits: Sequence[Edit] = (), plan: str | None = None
    ) -> list[Float[np.ndarray, " _token"]]:
        """Log-probability (nats) of every token of a text, sentence by sentence; no audio and no question.

        The very first token has nothing before it and is left out. An edit acts on the scopes ``text`` and
        ``last`` (the text's last position).
        """
        decoder, head = self._decoder, self.family.head(self.model)

        def run(inputs: dict[str, Any], scopes: Tensor) -> Any:
            return self._run(decoder, inputs, scopes, edits, plan=plan)

        def logits(hidden: Tensor) -> Tensor:
            return self.family.finish(self.model, head(hidden))

        tokenizer = self.processor.tokenizer
        with torch.no_grad():
            values = text_log_probs(run, self._captured, logits, tokenizer, sentences, self.device)
        found = [value.cpu().numpy() for value in values]
        if not all(np.isfinite(value).all() for value in found):
            raise EditError(
                f"{self.name}: the text's log-probabilities are not finite; edit less strongly, or run the model in"
                " float32"
            )
        return found

    # ---------------------------------------------------------------- editing

    def bake(
        self,
        neurons: Neurons | Iterable[Edit],
        out: str | Path,
        *,
        alpha: float | None = None,
        by: str = "",
        patch: bool = False,
        overwrite: bool = False,
    ) -> Baked:
        """Write the steered model as an ordinary checkpoint, which any engine serves at its own speed.

        Parameters
        ----------
        neurons, alpha
            As for `steered`; only what multiplies gates at every position can be baked.
        out
            A new folder, with a card that says what was done.
        by
            Who does it, for the card.
        patch
            Write the changed tensors alone.
        overwrite
            Replace ``out``, with all that is in it.

        Raises
        ------
        EditError
            When the edits do anything but scale, or ``out`` is there already.
        ModelError
            When the weights are not found in the files that the model was loaded from.
        StatisticsError
            When the neurons are another model's.
        """
        by_layer = edits_by_layer(self._edits_of(neurons, alpha), self.widths, hidden=self.hidden)
        if not by_layer:
            raise EditError("bake: the edits change nothing")
        if self.baked is not None:
            raise EditError(f"bake: {self.name} is steered already; bake both at once into {self.baked.base}")
        with self._weights.lock:
            self._weights.settle()
            try:
                gains, columns = gains_of(by_layer), self._planner.columns(by_layer)
            except NotScalable as reason:
                raise EditError(f"bake: {reason}, which weights can't do") from reason
            baked = Baked(self.name, self.fingerprint, self.component, gains, by)
            scaled = changes(self.model, columns, gains)
            whole = self.model, self.processor, self.place
            write_baked(*whole, Path(out), baked, scaled, patch=patch, overwrite=overwrite)
        return baked

    # ---------------------------------------------------------------- plumbing

    def _reader(self, labels: Sequence[str]) -> Reader | None:
        return label_reader(self.family, self.model, self.processor.tokenizer, labels)

    def _label_scores(
        self, encoded: Encoded, labels: Sequence[str], edits: Sequence[Edit]
    ) -> Float[np.ndarray, "clip label"]:
        return self.scores(encoded, labels, edits=edits)

    def _scores(
        self,
        encoded: Encoded,
        labels: Sequence[str],
        edits: Sequence[Edit],
        tap: Tap | None,
        *,
        gradients: bool = False,
        plan: str | None = None,
        site: str = GATE,
    ) -> Float[Tensor, "clip label"]:
        decoder = self._decoder

        def run(
            inputs: dict[str, Any],
            scopes: Tensor,
            *,
            tap: Tap | None = None,
            present: frozenset[str] | None = None,
        ) -> Any:
            options: Any = {"gradients": gradients, "present": present, "plan": plan, "site": site}
            return self._run(decoder, inputs, scopes, edits, tap, **options)

        scorer = Scorer(self.family, self.model, self.processor.tokenizer, run, self._captured)
        scopes = torch.from_numpy(encoded.scopes.astype(np.int64))  # on the host, where edits look at them
        return scorer.scores(
            encoded.decoder_inputs, encoded.inputs, scopes, labels, tap=tap, gradients=gradients
        )
