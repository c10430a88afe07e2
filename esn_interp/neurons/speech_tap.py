"""Gates summed up while a model speaks: the prompt's scope by scope, then whatever is generated, step by step."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.routing import by_expert
from esn_interp.neurons.batch_tap import BatchTap
from esn_interp.neurons.layout import ROUTED, SCOPES, TOKEN_SUMS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.reduction import precision

GENERATED = "generated"
_COUNTS = "firings", ROUTED


class SpeechTap:
    """Reads the gates of a batch as it is spoken; neither padding nor a clip that has ended counts.

    Parameters
    ----------
    scopes
        Of the tokens that the stack computes first: scope codes, -1 for padding. A stack that sees nothing but speech
        has the scope ``generated`` alone.
    live
        Which clips are still being spoken; changes as the model runs.
    """

    def __init__(
        self, origin: Origin, scopes: Int[np.ndarray, "clip token"], live: Bool[np.ndarray, " clip"]
    ) -> None:
        self._origin, self._live = origin, live
        reads = bool((scopes != SCOPE_CODES[GENERATED]).any())
        self._prompt = BatchTap(origin, scopes) if reads else None
        self.scopes = (*SCOPES, GENERATED) if reads else (GENERATED,)
        self._tokens = np.zeros(len(scopes), np.int64)
        self._rows: tuple[int, Tensor] | None = None
        kinds = (*TOKEN_SUMS, *([ROUTED] if origin.mixtures else []))
        self._kinds: tuple[str, ...] = kinds
        self._sums: list[Tensor | None] = [None] * len(origin.widths)
        self._on_host: dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._tokens)

    def __call__(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None = None,
    ) -> None:
        """Reduce one layer of one step."""
        if step == 0 and self._prompt is not None:
            self._prompt(step, layer, gate, experts)
            return
        if layer == 0:
            self._tokens[self._live] += gate.shape[1]
        rows = self._live_rows(step, gate.device)
        dtype = precision(gate, exact=True)  # a clip may be spoken for thousands of steps
        values = gate.detach().index_select(0, rows).to(dtype)
        summed = [(values > 0).to(dtype), values, values.square(), values.abs()]
        if self._origin.mixtures:
            summed.append(torch.ones_like(values))
        if (sums := self._sums[layer]) is None:
            shape = len(self._kinds), len(self), self._origin.widths[layer]
            sums = self._sums[layer] = torch.zeros(shape, dtype=dtype, device=gate.device)
        for into, value in zip(sums, summed, strict=True):
            if experts is None:
                into.index_add_(0, rows, value.sum(dim=1))
                continue
            for at, row in enumerate(np.flatnonzero(self._live).tolist()):
                into[row] += by_expert(value[at], experts[row], count=self._origin.mixtures[layer])

    def clip(self, row: int, *, id: str, speaker: str, emotion: int, sentence: str = "") -> PerClip | None:
        """The sums of one clip, whose success is not decided yet; None when some scope of it has no token.

        Raises
        ------
        StatisticsError
            When the run gave no gates for some layers.
        """
        if self._prompt is not None and not self._prompt.complete:
            raise StatisticsError("the run gave no gates for some layers, so there is nothing to add up")
        tokens = {GENERATED: int(self._tokens[row])}
        arrays: dict[str, np.ndarray] = {}
        if self._prompt is not None:
            held = self._prompt.held
            tokens = dict(zip(SCOPES, held.tokens[row].tolist(), strict=True)) | tokens
            for name, values in held.named().items():
                arrays |= {f"{scope}/{name}": values[row, at][None] for at, scope in enumerate(SCOPES)}
        if not all(tokens.values()):
            return None
        arrays |= {f"{GENERATED}/{name}": values[row][None] for name, values in self._generated().items()}
        return PerClip(
            ids=(id,),
            speakers=(speaker,),
            emotion=np.array([emotion], np.int32),
            kept=np.zeros(1, np.bool_),
            tokens={scope: np.array([count], np.int32) for scope, count in tokens.items()},
            sums={name: values.copy() for name, values in arrays.items()},
            sentences=(sentence,),
        )

    def _live_rows(self, step: int, device: torch.device) -> Int[Tensor, " live"]:
        """Which clips are being spoken in this step; moved to the device once a step."""
        if self._rows is None or self._rows[0] != step or self._rows[1].device != device:
            rows = torch.from_numpy(np.flatnonzero(self._live)).to(device, non_blocking=True)
            self._rows = step, rows
        return self._rows[1]

    def _generated(self) -> dict[str, np.ndarray]:
        """The sums of what was generated by name, ``[clip, gate]``, once everything was said."""
        if self._on_host is None:
            parts = [sums.cpu() for sums in self._sums if sums is not None]
            whole = torch.cat(parts, dim=-1).numpy()
            self._on_host = {
                name: values.astype(np.int32) if name in _COUNTS else values
                for name, values in zip(self._kinds, whole, strict=True)
            }
        return self._on_host
