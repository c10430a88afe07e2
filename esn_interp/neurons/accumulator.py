"""Statistics as a model runs: batches are added up, clip by clip, once their labels are known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.neurons.batch_tap import BatchTap, Reductions
from esn_interp.neurons.layout import ROUTED, SCOPES
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.reduction import KINDS, LayerSums
from esn_interp.neurons.side_file import SideFile
from esn_interp.neurons.statistics import LABELLED, GateStatistics
from esn_interp.neurons.totals import Groups, Totals, layer_sums

_TOGETHER = 16  # single clips that are added at a time


class Accumulator:
    """Adds batches up to `GateStatistics`, clip by clip, in int64 and float64, on the device that gave their gates.

    ``start`` continues from the statistics of earlier clips: adding the same clips after it gives the same
    numbers, to the bit, as one uninterrupted pass. ``scopes`` are those of a prompt, unless clips with other scopes
    are added one by one. With ``side``, the sums of single clips go there, not into memory.
    """

    def __init__(
        self,
        origin: Origin,
        emotions: Sequence[str],
        *,
        per_clip: bool = False,
        start: GateStatistics | None = None,
        scopes: Sequence[str] = SCOPES,
        side: SideFile | None = None,
    ) -> None:
        self.origin, self.emotions = origin, tuple(emotions)
        self.scopes = tuple(scopes)
        groups = 2 * len(self.emotions)
        self._clips = np.zeros(groups, np.int64) if start is None else start.clips.copy()
        self._tokens = {
            scope: np.zeros(groups, np.int64) if start is None else start.tokens[scope].copy()
            for scope in self.scopes
        }
        self._totals = Totals(origin, groups, self.scopes, start=None if start is None else start.sums)
        self._unchecked: list[tuple[Sequence[str], Tensor]] = []
        self._keep_clips, self._side = per_clip or side is not None, side
        self._per_clip = [start.per_clip] if start is not None and start.per_clip is not None else []
        if side is not None:  # the sums of earlier clips are in the file
            self._per_clip = [replace(single, sums={}) for single in self._per_clip]

    @property
    def notes(self) -> list[str]:
        """What somebody should know about where the sums are kept."""
        return self._totals.notes

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
        sentences: Sequence[str] | None = None,
    ) -> None:
        """Add a batch whose run is over: ``emotion`` indexes `emotions`, ``kept`` is the success filter.

        Ids, speakers and sentences are kept with the sums of single clips; the latter may be unknown (empty). On a GPU
        nothing here waits for it: whether gates are finite shows with the next batch, or in `statistics`.

        Raises
        ------
        StatisticsError
            When a clip has no token in some scope, or a gate that is not finite; names the clip.
        """
        layers, tokens = tap.layers, tap.tokens
        for row, clip in enumerate(ids):
            if not tokens[row].all():
                scope = SCOPES[int(tokens[row].argmin())]
                raise StatisticsError(
                    f"clip {clip}: its prompt has no {scope} token, so it has no rate there"
                )
        self._check_finite()
        if self._keep_clips:
            named = tuple(speakers) if speakers is not None else ("",) * len(ids)
            single = _single_clips(tap.held, emotion, kept, ids, named, tuple(sentences or ()))
            if self._side is not None:
                self._side.put(sum(map(len, self._per_clip)), single.sums)
                single = replace(single, sums={})
            self._per_clip.append(single)
        finite = self._add(layers, emotion, kept, tokens)
        self._unchecked.append((tuple(ids), finite))
        tap.release()
        if finite.device.type == "cpu":
            self._check_finite()

    def add(self, clips: PerClip, rows: Int[np.ndarray, " chosen"]) -> None:
        """Add clips that were run before, from their own sums: the same numbers as a run gives, to the bit."""
        if self._keep_clips:
            self._per_clip.append(clips.take(rows))
        for start in range(0, len(rows), _TOGETHER):
            some = rows[start : start + _TOGETHER]
            tokens = np.stack([clips.tokens[scope][some] for scope in self.scopes], axis=1).astype(np.int64)
            layers = [self._layer_of(clips, some, columns) for columns in self.origin.layers]
            self._add(layers, clips.emotion[some], clips.kept[some], tokens)

    def statistics(
        self,
        *,
        prompt: str = "",
        skipped: Sequence[tuple[str, str]] = (),
        seed: int = 0,
        success: str = LABELLED,
        asking: Mapping[str, Any] | None = None,
    ) -> GateStatistics:
        """What was added up so far, as a copy.

        Raises
        ------
        StatisticsError
            When a gate of a clip of the last batch was not finite; names the clip.
        """
        self._check_finite()
        single = PerClip.concatenate(self._per_clip)
        if self._side is not None and single is not None:
            sums = self._side.flushed(len(single))
            single = replace(single, sums=sums, side=(self._side.path, self._side.key))
        return GateStatistics(
            origin=self.origin,
            emotions=self.emotions,
            prompt=prompt,
            clips=self._clips.copy(),
            tokens={scope: values.copy() for scope, values in self._tokens.items()},
            sums=self._totals.arrays(),
            skipped=tuple(skipped),
            seed=seed,
            per_clip=single,
            scopes=self.scopes,
            success=success,
            asking=dict(asking or {}),
        )

    def _add(
        self,
        layers: Sequence[LayerSums],
        emotion: Int[np.ndarray, " clip"],
        kept: Bool[np.ndarray, " clip"],
        tokens: Int[np.ndarray, "clip scope"],
    ) -> Bool[Tensor, " clip"]:
        """Add clips' sums over their tokens, and what follows from them at clip level."""
        group = emotion.astype(np.int64) + np.where(kept, 0, len(self.emotions))
        np.add.at(self._clips, group, 1)
        for at, scope in enumerate(self.scopes):
            np.add.at(self._tokens[scope], group, tokens[:, at])
        return self._totals.fold(layers, Groups(group, tokens))

    def _layer_of(self, clips: PerClip, rows: Int[np.ndarray, " chosen"], columns: slice) -> LayerSums:
        def stacked(kind: str) -> np.ndarray:
            return np.stack([clips.sums[f"{scope}/{kind}"][rows, columns] for scope in self.scopes], axis=1)

        routed = stacked(ROUTED) if ROUTED in clips.kinds else None
        return layer_sums(stacked("firings"), np.stack([stacked(kind) for kind in KINDS]), routed)

    def _check_finite(self) -> None:
        for ids, finite in self._unchecked:
            if not bool(finite.all()):
                clip = ids[int(finite.cpu().logical_not().nonzero()[0])]
                raise StatisticsError(
                    f"clip {clip}: the model's gates are not finite; run it in float32 or bfloat16"
                )
        self._unchecked.clear()


def _single_clips(
    held: Reductions,
    emotion: Int[np.ndarray, " clip"],
    kept: Bool[np.ndarray, " clip"],
    ids: Sequence[str],
    speakers: tuple[str, ...],
    sentences: tuple[str, ...],
) -> PerClip:
    sums = {
        # A copy: the batch holds its scopes side by side, and a view would keep all of it alive.
        f"{scope}/{name}": values[:, at].copy()
        for at, scope in enumerate(SCOPES)
        for name, values in held.named().items()
    }
    tokens = {scope: held.tokens[:, at].astype(np.int32) for at, scope in enumerate(SCOPES)}
    return PerClip(tuple(ids), speakers, emotion.astype(np.int32), kept.astype(np.bool_), tokens, sums, sentences)
