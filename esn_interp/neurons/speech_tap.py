"""Gates summed up while a model speaks: the prompt's scope by scope, then whatever is generated, step by step."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.routing import by_expert
from esn_interp.neurons.accumulator import BatchTap
from esn_interp.neurons.layout import ROUTED, SCOPES, TOKEN_SUMS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import TYPES, PerClip

GENERATED = "generated"


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
        self._sums: list[dict[str, Tensor]] = [{} for _ in origin.widths]

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
        rows = torch.from_numpy(np.flatnonzero(self._live)).to(gate.device)
        if layer == 0:
            self._tokens[self._live] += gate.shape[1]
        # Apple's accelerator has no float64; a clip is short enough for float32 there.
        precise = torch.float32 if gate.device.type == "mps" else torch.float64
        values = gate.detach().index_select(0, rows).to(precise)
        summed = {
            "firings": (values > 0).to(precise),
            "sum": values,
            "sum_sq": values.square(),
            "sum_abs": values.abs(),
        }
        if self._origin.mixtures:
            summed[ROUTED] = torch.ones_like(values)
        sums = self._sums[layer]
        for name, value in summed.items():
            if name not in sums:
                sums[name] = torch.zeros(
                    len(self), self._origin.widths[layer], dtype=precise, device=gate.device
                )
            if experts is None:
                sums[name].index_add_(0, rows, value.sum(dim=1))
                continue
            for at, row in enumerate(rows.tolist()):
                sums[name][row] += by_expert(value[at], experts[row], count=self._origin.mixtures[layer])

    def clip(self, row: int, *, id: str, speaker: str, emotion: int) -> PerClip | None:
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
            for name, values in held.of(row).items():
                arrays |= {f"{scope}/{name}": values[at][None] for at, scope in enumerate(SCOPES)}
        if not all(tokens.values()):
            return None
        for name in (*TOKEN_SUMS, *([ROUTED] if self._origin.mixtures else [])):
            parts = [sums[name][row].cpu().numpy() for sums in self._sums]
            dtype = TYPES.get(name, np.int32)
            arrays[f"{GENERATED}/{name}"] = np.concatenate(parts)[None].astype(dtype)
        return PerClip(
            ids=(id,),
            speakers=(speaker,),
            emotion=np.array([emotion], np.int32),
            kept=np.zeros(1, np.bool_),
            tokens={scope: np.array([count], np.int32) for scope, count in tokens.items()},
            sums={name: values.copy() for name, values in arrays.items()},
        )
