"""Many conditions on the same clips: packed into batches, and no layer run twice that no edit has changed.

Conditions that scale gates become rows of one batch, each with gains of its own, as long as a batch of the clips alone
would leave the machine idle. What comes before a condition's first edited layer is the same as without any edit, so it
is taken over from an unedited run.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from esn_interp.drawing.brief import brief
from esn_interp.models.columns import NotScalable
from esn_interp.models.edits import Edit, edits_by_layer
from esn_interp.models.gate_view import Start, layer_outputs, resumed_run
from esn_interp.models.opened import Opened
from esn_interp.models.plans import Gains, gains_of
from esn_interp.models.scoring import Reader

TOKENS = {"cuda": 2048, "cpu": 1024}
"""Tokens of a batch beyond which a machine gains nothing from more."""

_ROWS = {"inputs_embeds": 0, "attention_mask": 0, "per_layer_inputs": 0, "position_ids": -2}
"""Which axis of a decoder's inputs the clips are on."""


@dataclass(frozen=True, eq=False)
class Swept:
    """Label scores of every condition, natural logarithms, and how each was carried out.

    ``plans`` are those of `Carried`, or ``packed`` where a condition was rows of a batch.
    """

    log_probs: Float32[np.ndarray, "condition clip label"]
    plans: tuple[str, ...]

    __repr__ = brief


class Sweeping(Opened):
    """The part of an `AudioLM` that tries many conditions."""

    _resumes: bool | None = None

    def sweep(
        self,
        encoded: Any,
        labels: Sequence[str],
        conditions: Sequence[Sequence[Edit]],
        *,
        tokens: int | None = None,
    ) -> Swept:
        """What `scores` gives under each of many conditions, in less time.

        Conditions that only scale gates, at every position, run together as rows of one batch as long as that has few
        tokens; layers before the first edit run once for all of them. Every other condition runs by itself.

        Parameters
        ----------
        tokens
            The most tokens of a batch; by default what keeps this machine busy.
        """
        scores = np.full((len(conditions), len(encoded), len(labels)), np.nan, dtype=np.float32)
        plans = [""] * len(conditions)
        read = self._reader(labels)
        if read is not None and not self.standing:
            self._sweep_gains(encoded, read, conditions, tokens, scores, plans)
        for at, plan in enumerate(plans):
            if not plan:
                scores[at] = self._label_scores(encoded, labels, conditions[at])
                plans[at] = self.carried.plan
        return Swept(scores, tuple(plans))

    def _reader(self, labels: Sequence[str]) -> Reader | None:
        """Makes scores of hidden states; None where that takes more than one run."""
        raise NotImplementedError

    def _label_scores(
        self, encoded: Any, labels: Sequence[str], edits: Sequence[Edit]
    ) -> Float32[np.ndarray, "clip label"]:
        """Scores under one condition."""
        raise NotImplementedError

    def _sweep_gains(
        self,
        encoded: Any,
        read: Reader,
        conditions: Sequence[Sequence[Edit]],
        tokens: int | None,
        scores: Float32[np.ndarray, "condition clip label"],
        plans: list[str],
    ) -> None:
        """Fill in the conditions that scale gates, and those without an edit where that comes for nothing."""
        by_layer = [edits_by_layer(edits, self.widths, hidden=self.hidden) for edits in conditions]
        gains: dict[int, Gains] = {}
        for at, edits in enumerate(by_layer):
            with suppress(NotScalable):
                gains[at] = gains_of(edits)
        first = {at: min(one) for at, one in gains.items() if one}
        unedited = [at for at, edits in enumerate(by_layer) if not edits]
        inputs, codes = encoded.decoder_inputs, torch.from_numpy(encoded.scopes.astype(np.int64))
        starts: dict[int, Start] = {}
        if worth_sharing(list(first.values()), len(self.widths), unedited=bool(unedited)):
            hidden, starts = self._unedited(inputs, sorted(set(first.values()) - {0}))
            for at in unedited:
                scores[at], plans[at] = read(hidden).float().cpu().numpy(), "none"
        budget = TOKENS.get(self.device.type, max(TOKENS.values())) if tokens is None else tokens
        together = max(1, budget // codes.numel())
        if self.plan == "scaled" or not can_repeat(inputs, len(codes)):
            together = 1
        # Those that begin late are together, so that the layers before are left out for all of them.
        order = sorted(first, key=lambda at: (-first[at], at))
        for pack in (order[at : at + together] for at in range(0, len(order), together)):
            start = starts.get(min(first[at] for at in pack))
            if len(pack) == 1 and start is None:
                continue  # nothing is gained
            times = len(pack)
            if times == 1:
                output = self._run(self._decoder, dict(inputs), codes, conditions[pack[0]], start=start)
            else:
                rows = row_gains([gains[at] for at in pack], len(codes))
                start = None if start is None else start.repeated(times)
                batch = repeated(inputs, times)
                output = self._run(self._decoder, batch, codes.repeat(times, 1), rows, plan="traced", start=start)
            found = read(output.last_hidden_state[:, -1]).float().cpu().numpy()
            scores[pack] = found.reshape(times, len(codes), -1)
            for at in pack:
                plans[at] = "packed" if times > 1 else self.carried.plan

    def _unedited(
        self, inputs: Mapping[str, Any], layers: Sequence[int]
    ) -> tuple[Float[Tensor, "clip hidden"], dict[int, Start]]:
        """The last hidden state without an edit, and where runs can take it up, if this model's runs can be."""
        with self._weights.lock, torch.no_grad():
            self._weights.settle()
            result, starts = layer_outputs(self.stacks[self.component], self._decoder, inputs, layers)
            hidden = result.last_hidden_state[:, -1]
            if starts and self._resumes is None:  # tried once, with no edit: the end must be the same
                last, self._resumes = starts[max(starts)], False
                with suppress(RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError):
                    again = resumed_run(self._skippable_view, self._decoder, inputs, last).last_hidden_state[:, -1]
                    size = float(hidden.abs().max())
                    self._resumes = torch.allclose(again, hidden, rtol=1e-3, atol=1e-3 * size)
        return hidden, starts if self._resumes else {}


def worth_sharing(first: Sequence[int], layers: int, *, unedited: bool) -> bool:
    """Whether layers before first edits are worth an unedited run, which comes for nothing where it is asked for."""
    return sum(first) / layers > (0 if unedited else 1)


def row_gains(gains: Sequence[Gains], clips: int) -> list[Edit]:
    """Conditions as gains of rows: all clips of the first condition, then all of the second, and so on."""
    edits: list[Edit] = []
    for layer in sorted({layer for one in gains for layer in one}):
        neurons = np.unique(np.concatenate([one[layer][0] for one in gains if layer in one]))
        table = np.ones((len(gains), len(neurons)), dtype=np.float32)
        for row, one in enumerate(gains):
            if layer in one:
                table[row, np.searchsorted(neurons, one[layer][0])] = one[layer][1]
        edits.append(Edit(layer, neurons, gain=table.repeat(clips, axis=0)))
    return edits


def can_repeat(inputs: Mapping[str, Any], clips: int) -> bool:
    """Whether it is known on which axis of every input of a decoder the clips are."""
    for name, value in inputs.items():
        if value is None or isinstance(value, (bool, int, float, str)):
            continue
        if not isinstance(value, Tensor) or name not in _ROWS or value.shape[_ROWS[name]] != clips:
            return False
    return True


def repeated(inputs: Mapping[str, Any], times: int) -> dict[str, Any]:
    """A decoder's inputs for a batch that holds the same clips several times, one after the other."""
    longer = dict(inputs)
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            longer[name] = torch.cat([value] * times, dim=_ROWS[name])
    return longer
