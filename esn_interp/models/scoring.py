"""How likely each of a few labels is as the answer to an encoded prompt, under edits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from esn_interp.models.continuation import append_token, can_continue, continued
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families.base import Family
from esn_interp.models.families.inputs import Inputs
from esn_interp.models.gate_view import Tap
from esn_interp.models.labels import label_tokens, sequence_log_probs, token_log_probs

_PROMPT = frozenset({"audio", "text", "last"})
_GENERATED = frozenset({"generated"})


@runtime_checkable
class Run(Protocol):
    """One traced run of the decoder on its inputs; edits act in it where they name one of the scopes ``present``."""

    def __call__(
        self,
        inputs: dict[str, Any],
        scopes: Int[Tensor, "clip token"],
        *,
        tap: Tap | None = None,
        present: frozenset[str] | None = None,
    ) -> Any: ...


Reader = Callable[[Tensor], Tensor]
"""From the last hidden state ``[clip, hidden]`` to label scores ``[clip, label]``."""


def label_reader(
    family: Family, model: nn.Module, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]
) -> Reader | None:
    """Makes scores of the last hidden state; None where some labels have several tokens."""
    tokens = label_tokens(tokenizer, labels)
    if any(len(label) > 1 for label in tokens):
        return None
    head, ids = family.head(model), [label[0] for label in tokens]
    return lambda hidden: token_log_probs(hidden, head, ids, lambda logits: family.finish(model, logits))


@dataclass(frozen=True, eq=False)
class Scorer:
    """Label scores of one model: ``run`` runs its decoder, ``capture`` makes the decoder's inputs."""

    family: Family
    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    run: Run
    capture: Callable[[Inputs], dict[str, Any]]

    def scores(
        self,
        decoder_inputs: dict[str, Any],
        inputs: Inputs,
        scopes: Int[Tensor, "clip token"],
        labels: Sequence[str],
        *,
        tap: Tap | None = None,
        gradients: bool = False,
    ) -> Float[Tensor, "clip label"]:
        """Log-probabilities normalised over the labels.

        Labels of one token are read off their rows of the head in one run. Longer ones are followed token by token,
        from the decoder's cache where it can go on from there, and each shared beginning once.

        Parameters
        ----------
        tap
            Sees the prompt's gates; with ``gradients`` those of every run, since all of them make the scores.
        """
        read = label_reader(self.family, self.model, self.tokenizer, labels)
        if read is not None:
            return read(self.run(decoder_inputs, scopes, tap=tap).last_hidden_state[:, -1])
        tokens = label_tokens(self.tokenizer, labels)
        # A cache is copied wherever labels part, which tensors in a graph do not allow.
        if gradients or not can_continue(decoder_inputs):
            first, _ = self._next(decoder_inputs, scopes, _PROMPT, tap)
            step = self._rerun(scopes, tap if gradients else None)
            return sequence_log_probs((first, inputs), step, tokens)
        cached = decoder_inputs | {"use_cache": True}
        first, cache = self._next(cached, scopes, _PROMPT, tap)
        return sequence_log_probs((first, cached | {"past_key_values": cache}), self._go_on, tokens)

    def _finish(self, logits: Tensor) -> Tensor:
        return self.family.finish(self.model, logits)

    def _next(
        self, inputs: dict[str, Any], scopes: Tensor, present: frozenset[str], tap: Tap | None = None
    ) -> tuple[Float[Tensor, "clip word"], Any]:
        """Log-probability of every word as the next one, and the decoder's cache."""
        output = self.run(inputs, scopes, tap=tap, present=present)
        logits = self._finish(self.family.head(self.model)(output.last_hidden_state[:, -1]))
        return logits.float().log_softmax(-1), getattr(output, "past_key_values", None)

    def _go_on(self, state: dict[str, Any], token: int) -> tuple[Float[Tensor, "clip word"], dict[str, Any]]:
        """One token further, from the cache."""
        clips, device = len(state["inputs_embeds"]), state["inputs_embeds"].device
        ids = torch.full((clips, 1), token, device=device)
        inputs = continued(state, self.family.embedding(self.model)(ids))
        scopes = torch.full((clips, 1), SCOPE_CODES["generated"])
        log_probs, cache = self._next(inputs, scopes, _GENERATED)
        return log_probs, inputs | {"past_key_values": cache}

    def _rerun(self, scopes: Tensor, tap: Tap | None) -> Callable[[Any, int], tuple[Tensor, Inputs]]:
        """One token further, with the tokens so far behind the prompt and everything run again."""

        def step(state: Inputs, token: int) -> tuple[Tensor, Inputs]:
            longer = append_token(state, token)
            new = longer.audio.shape[1] - scopes.shape[1]
            generated = scopes.new_full((len(scopes), new), SCOPE_CODES["generated"])
            everywhere = torch.cat([scopes, generated], dim=1)
            return self._next(self.capture(longer), everywhere, _PROMPT | _GENERATED, tap)[0], longer

        return step
