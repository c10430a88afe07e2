"""The streaming side of statistics: gates are reduced as the model runs, and added once labels are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int32, Int64, Num
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.models.routing import by_expert
from esn_interp.neurons.layout import ALL, ROUTED, ROUTED_CLIPS, SCOPES, TOKEN_SUMS, sum_types
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.statistics import LABELLED, GateStatistics


@dataclass(frozen=True, eq=False)
class Reductions:
    """One batch, reduced over tokens: per clip, scope and gate (flat index).

    Whether a clip counts as kept is known only after the run that gives its gates, so these wait for it; they
    are as large as the batch has clips, whatever the number of tokens. ``routed`` counts the tokens that
    reached each gate's expert, in models with mixtures.
    """

    firings: Int32[np.ndarray, "clip scope gate"]
    sum: Float64[np.ndarray, "clip scope gate"]
    sum_sq: Float64[np.ndarray, "clip scope gate"]
    sum_abs: Float64[np.ndarray, "clip scope gate"]
    tokens: Int64[np.ndarray, "clip scope"]
    routed: Int32[np.ndarray, "clip scope gate"] | None = None

    @classmethod
    def empty(cls, clips: int, gates: int, *, mixture: bool = False) -> "Reductions":
        """Room for a batch."""
        shape = (clips, len(SCOPES), gates)
        return cls(
            firings=np.zeros(shape, np.int32),
            sum=np.zeros(shape),
            sum_sq=np.zeros(shape),
            sum_abs=np.zeros(shape),
            tokens=np.zeros(shape[:2], np.int64),
            routed=np.zeros(shape, np.int32) if mixture else None,
        )

    def of(self, row: int) -> dict[str, Num[np.ndarray, "scope gate"]]:
        """The sums of one clip by name."""
        kinds = TOKEN_SUMS if self.routed is None else (*TOKEN_SUMS, ROUTED)
        return {name: getattr(self, name)[row] for name in kinds}


class BatchTap:
    """Reads the gates of one batch as the model runs; call `Accumulator.fold` with it afterwards.

    ``scopes`` says for every token of the left-padded prompts where it stands: an index of
    `~esn_interp.neurons.layout.SCOPES`, or -1 for padding.
    """

    def __init__(self, origin: Origin, scopes: Int[np.ndarray, "clip token"]) -> None:
        self.held = Reductions.empty(len(scopes), origin.n_gates, mixture=bool(origin.mixtures))
        self._layers, self._mixtures = origin.layers, origin.mixtures
        self._shape = scopes.shape
        self._members = np.stack([scopes == code for code in range(len(SCOPES))], axis=1)
        self.held.tokens[:] = self._members.sum(axis=2)
        self._read: set[int] = set()

    def __call__(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None = None,
    ) -> None:
        """Reduce one layer. Steps after the prompt's are generated tokens, which are not collected here.

        In a mixture of experts a gate is there only at the tokens that were routed to its expert.
        """
        if step > 0:
            return
        if gate.shape[:2] != self._shape:
            raise StatisticsError(
                f"layer {layer} gave gates for {list(gate.shape[:2])} clips and tokens, the prompts are"
                f" {list(self._shape)}"
            )
        columns = self._layers[layer]
        # Apple's accelerator has no float64; a clip is short enough for float32 there.
        precise = torch.float32 if gate.device.type == "mps" else torch.float64
        for row, members in enumerate(self._members):
            # One clip at a time: the float64 copy stays small, and what stands in padding is never touched.
            here = torch.from_numpy(np.flatnonzero(members.any(axis=0))).to(gate.device)
            values = gate[row].detach().index_select(0, here).to(precise)
            choose = torch.from_numpy(members[:, members.any(axis=0)]).to(gate.device, precise)
            summed = {
                "firings": (values > 0).to(precise),
                "sum": values,
                "sum_sq": values.square(),
                "sum_abs": values.abs(),
            }
            if experts is not None:
                chosen, count = experts[row].index_select(0, here), self._mixtures[layer]
                reached = summed | {ROUTED: torch.ones_like(values)}
                for name, value in reached.items():
                    for scope, weight in enumerate(choose):
                        sums = by_expert(value * weight[:, None, None], chosen, count=count)
                        getattr(self.held, name)[row, scope, columns] = sums.cpu().numpy()
                continue
            for name, value in summed.items():
                getattr(self.held, name)[row, :, columns] = (choose @ value).cpu().numpy()
            if self.held.routed is not None:
                self.held.routed[row, :, columns] = self.held.tokens[row][:, None]
        self._read.add(layer)

    @property
    def complete(self) -> bool:
        """Whether every layer was read."""
        return len(self._read) == len(self._layers)


class Accumulator:
    """Adds batches up to `GateStatistics`, clip by clip, in int64 and float64.

    ``start`` continues from the statistics of earlier clips: adding the same clips after it gives the same
    numbers, to the bit, as one uninterrupted pass. ``scopes`` are those of a prompt, unless clips with other scopes
    are added one by one.
    """

    def __init__(
        self,
        origin: Origin,
        emotions: Sequence[str],
        *,
        per_clip: bool = False,
        start: GateStatistics | None = None,
        scopes: Sequence[str] = SCOPES,
    ) -> None:
        self.origin, self.emotions = origin, tuple(emotions)
        self.scopes = tuple(scopes)
        groups = 2 * len(self.emotions)
        if start is None:
            self._clips = np.zeros(groups, np.int64)
            self._tokens = {scope: np.zeros(groups, np.int64) for scope in self.scopes}
            types = sum_types(self.scopes, mixture=bool(origin.mixtures))
            self._sums = {name: np.zeros((groups, origin.n_gates), dtype) for name, dtype in types.items()}
        else:
            self._clips = start.clips.copy()
            self._tokens = {scope: values.copy() for scope, values in start.tokens.items()}
            self._sums = {name: values.copy() for name, values in start.sums.items()}
        self._keep_clips = per_clip
        self._per_clip = [start.per_clip] if start is not None and start.per_clip is not None else []

    def tap(self, scopes: Int[np.ndarray, "clip token"]) -> BatchTap:
        """A tap for the next batch."""
        return BatchTap(self.origin, scopes)

    def fold(
        self,
        tap: BatchTap,
        *,
        emotion: Int[np.ndarray, " clip"],
        kept: Bool[np.ndarray, " clip"],
        ids: Sequence[str],
        speakers: Sequence[str] | None = None,
    ) -> None:
        """Add a batch whose run is over: ``emotion`` indexes `emotions`, ``kept`` is the success filter.

        Ids and speakers are kept with the sums of single clips; a speaker may be unknown (empty).

        Raises
        ------
        StatisticsError
            When a clip has no token in some scope, or a gate that is not finite; names the clip.
        """
        if not tap.complete:
            raise StatisticsError("the run gave no gates for some layers, so there is nothing to add up")
        held = tap.held
        for row, clip in enumerate(ids):
            if not held.tokens[row].all():
                scope = SCOPES[int(held.tokens[row].argmin())]
                raise StatisticsError(
                    f"clip {clip}: its prompt has no {scope} token, so it has no rate there"
                )
            if not np.isfinite(held.sum_sq[row]).all():
                raise StatisticsError(
                    f"clip {clip}: the model's gates are not finite; run it in float32 or bfloat16"
                )
        if self._keep_clips:
            named = tuple(speakers) if speakers is not None else ("",) * len(ids)
            self._per_clip.append(_single_clips(held, emotion, kept, ids, named))
        for row in range(len(ids)):
            self._add(int(emotion[row]), bool(kept[row]), held.tokens[row], held.of(row))

    def add(self, clips: PerClip, rows: Int[np.ndarray, " chosen"]) -> None:
        """Add clips that were run before, from their own sums: the same numbers as a run gives, to the bit."""
        if self._keep_clips:
            self._per_clip.append(clips.take(rows))
        for row in rows.tolist():
            tokens = np.array([clips.tokens[scope][row] for scope in self.scopes], dtype=np.int64)
            sums = {
                name: np.stack([clips.sums[f"{scope}/{name}"][row] for scope in self.scopes])
                for name in clips.kinds
            }
            self._add(int(clips.emotion[row]), bool(clips.kept[row]), tokens, sums)

    def _add(
        self,
        emotion: int,
        kept: bool,
        tokens: Int64[np.ndarray, " scope"],
        sums: Mapping[str, Num[np.ndarray, "scope gate"]],
    ) -> None:
        """Add one clip's sums over its tokens, and what follows from them at clip level."""
        group = emotion + (0 if kept else len(self.emotions))
        self._clips[group] += 1
        for at, scope in enumerate(self.scopes):
            self._tokens[scope][group] += tokens[at]
            for name, values in sums.items():
                self._sums[f"{scope}/{name}"][group] += values[at]
            reached = sums[ROUTED][at] if ROUTED in sums else tokens[at]
            self._add_clip(group, scope, sums["firings"][at], sums["sum"][at], reached)
        reached = sums[ROUTED].sum(axis=0) if ROUTED in sums else tokens.sum()
        self._add_clip(group, ALL, sums["firings"].sum(axis=0), sums["sum"].sum(axis=0), reached)

    def _add_clip(
        self,
        group: int,
        scope: str,
        firings: Int[np.ndarray, " gate"],
        total: Float64[np.ndarray, " gate"],
        tokens: np.int64 | Int[np.ndarray, " gate"],
    ) -> None:
        """Add a clip's rate and mean; a gate whose expert no token of it reached has neither."""
        if isinstance(tokens, np.ndarray):
            self._sums[f"{scope}/{ROUTED_CLIPS}"][group] += tokens > 0
            tokens = np.maximum(tokens, 1)
        rate, mean = firings / tokens, total / tokens
        for name, value in (("rate", rate), ("mean", mean)):
            self._sums[f"{scope}/{name}_sum"][group] += value
            self._sums[f"{scope}/{name}_sum_sq"][group] += value * value

    def statistics(
        self, *, prompt: str = "", skipped: Sequence[tuple[str, str]] = (), seed: int = 0, success: str = LABELLED
    ) -> GateStatistics:
        """What was added up so far, as a copy."""
        return GateStatistics(
            origin=self.origin,
            emotions=self.emotions,
            prompt=prompt,
            clips=self._clips.copy(),
            tokens={scope: values.copy() for scope, values in self._tokens.items()},
            sums={name: values.copy() for name, values in self._sums.items()},
            skipped=tuple(skipped),
            seed=seed,
            per_clip=PerClip.concatenate(self._per_clip),
            scopes=self.scopes,
            success=success,
        )


def _single_clips(
    held: Reductions,
    emotion: Int[np.ndarray, " clip"],
    kept: Bool[np.ndarray, " clip"],
    ids: Sequence[str],
    speakers: tuple[str, ...],
) -> PerClip:
    sums = {
        # A copy: the batch holds its scopes side by side, and a view would keep all of it alive.
        f"{scope}/{name}": getattr(held, name)[:, at].copy()
        for at, scope in enumerate(SCOPES)
        for name in (TOKEN_SUMS if held.routed is None else (*TOKEN_SUMS, ROUTED))
    }
    tokens = {scope: held.tokens[:, at].astype(np.int32) for at, scope in enumerate(SCOPES)}
    return PerClip(tuple(ids), speakers, emotion.astype(np.int32), kept.astype(np.bool_), tokens, sums)
