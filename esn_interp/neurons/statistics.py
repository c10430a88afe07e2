"""Additive sufficient statistics of the gates: what a pass over any number of clips is reduced to.

Groups are emotions times the two sides of the success filter, so that the filter, the token scope and the
pooling are all chosen when neurons are selected, not when clips are run. [ESN-SER] is Zhao, Schuller, Sisman,
arXiv 2601.03115.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Num

from esn_interp.entries import Entries
from esn_interp.errors import EsnWarning, StatisticsError
from esn_interp.files import load_tensors, package_version, save_tensors
from esn_interp.neurons.layout import (
    ALL,
    ANSWERING,
    ROUTED,
    ROUTED_CLIPS,
    SCOPES,
    LayeredArrays,
    by_layer,
    parse_scopes,
    sum_over,
    sum_types,
)
from esn_interp.neurons.origin import GatedModel, OfGates, Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.rates import Rates, SingleClips, Spread, ratio
from esn_interp.neurons.showing import statistics_line, statistics_table

KIND, VERSION = "statistics", 3
READ = (1, 2, VERSION)
"""Versions that can be read. Of the first, single clips are left out: only their rounded rates were kept."""

LABELLED = "labelled correctly by the unedited model"


@dataclass(frozen=True, eq=False, repr=False)
class GateStatistics(OfGates):
    """Sums over clips and tokens of every gate ``g``, per group.

    With E emotions there are 2 E groups: rows 0 to E-1 hold the kept clips of each emotion (those that the
    unedited model labels correctly, or of conversions those that succeeded), rows E to 2E-1 the dropped ones.

    Parameters
    ----------
    clips
        Number of clips.
    tokens
        Number of tokens, by scope.
    sums
        By name, one column per gate (flat index, see `Origin`). Over the tokens of a scope: ``firings``
        counts g > 0; ``sum``, ``sum_sq`` and ``sum_abs`` add g, its square and its magnitude. Over clips:
        ``rate_sum`` and ``rate_sum_sq`` add each clip's firing rate and its square, ``mean_sum`` and
        ``mean_sum_sq`` its mean gate and its square; these exist for the scope ``all`` too, every position of
        the prompt. Where a layer is a mixture of experts, ``routed`` counts the tokens that reached the gate's
        expert and ``routed_clips`` the clips that had such a token: rates are shares of these.
    skipped
        Clips that could not be used, each with the reason.
    success
        What the kept clips are.
    asking
        How the question was put, where it was not the usual one; neurons that are selected keep it.
    """

    origin: Origin
    emotions: tuple[str, ...]
    prompt: str
    clips: Int64[np.ndarray, " group"]
    tokens: Mapping[str, Int64[np.ndarray, " group"]]
    sums: Mapping[str, Num[np.ndarray, "group gate"]]
    scopes: tuple[str, ...] = SCOPES
    skipped: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    per_clip: PerClip | None = field(default=None, repr=False)
    success: str = LABELLED
    asking: Mapping[str, Any] = field(default_factory=dict[str, Any])

    _repr_html_ = statistics_table

    def __repr__(self) -> str:
        return statistics_line(self)

    @property
    def kept(self) -> dict[str, int]:
        """Clips per emotion that passed the success filter."""
        return {emotion: int(self.clips[row]) for row, emotion in enumerate(self.emotions)}

    @property
    def seen(self) -> dict[str, int]:
        """Clips per emotion that were run; skipped ones are not among them."""
        dropped = self.clips[len(self.emotions) :]
        return {emotion: n + int(dropped[row]) for row, (emotion, n) in enumerate(self.kept.items())}

    @property
    def usual_scope(self) -> str:
        """The tokens that count unless somebody says which: of a prompt all but the instruction, else all."""
        return ANSWERING if set(ANSWERING.split(",")) <= set(self.scopes) else ALL

    def check(self, lm: GatedModel) -> None:
        """Refuse a model whose gates are not those of these statistics (StatisticsError)."""
        self.origin.check(lm, "the statistics")

    def rates(
        self, *, scope: str | None = None, pooling: str = "clip", filter: str = "correct", min_clips: int = 1
    ) -> Rates:
        """Firing frequency P[e] and mean gate mu[e] of every gate, per emotion.

        Parameters
        ----------
        scope
            Token scopes, separated by commas, or ``all``; by default `usual_scope`.
        pooling
            ``clip``: every clip counts once, as the mean over clips of the clip's own rate or mean; several
            scopes are averaged with equal weight. (Both our choice.) ``token``: sums over the tokens of all
            scopes and clips, divided by their number; long clips count more. [ESN-SER]
        filter
            ``correct``: only the kept clips, those that the unedited model labels correctly [ESN-SER] or the
            conversions that succeeded [ESN-EVC]; ``none``: all.

        Raises
        ------
        StatisticsError
            On an unknown scope, pooling or filter, or when fewer than ``min_clips`` clips of an emotion are
            left.
        """
        if pooling not in ("clip", "token"):
            raise StatisticsError(f"unknown pooling {pooling!r}; choose clip or token")
        if filter not in ("correct", "none"):
            raise StatisticsError(f"unknown filter {filter!r}; choose correct or none")
        clips = _sides(self.clips, filter)
        self._require(clips, max(min_clips, 1), filter)
        scope = self.usual_scope if scope is None else scope
        names, parts = parse_scopes(scope, self.scopes), self._disjoint(scope)

        def total(kind: str, over: Sequence[str]) -> np.ndarray:
            return sum_over(_sides(self.sums[f"{name}/{kind}"], filter) for name in over)

        firings = total("firings", parts)
        tokens = sum_over(_sides(self.tokens[name], filter) for name in parts)
        reached = total(ROUTED, parts) if self.origin.mixtures else tokens[:, None]
        if pooling == "clip":
            shares = total(ROUTED_CLIPS, names) if self.origin.mixtures else clips[:, None] * len(names)
            frequency, mean = ratio(total("rate_sum", names), shares), ratio(total("mean_sum", names), shares)
        else:
            frequency, mean = ratio(firings, reached), ratio(total("sum", parts), reached)

        return Rates(
            self.emotions,
            frequency,
            mean,
            clips,
            firings,
            reached,
            pooling,
            spreads=lambda: tuple(self._spread(name, filter) for name in names),
            singles=lambda: SingleClips.of(self.per_clip, names, kept=filter == "correct", corpus=self.corpus),
        )

    def magnitude(self, *, scope: str = ALL) -> Float64[np.ndarray, " gate"]:
        """Mean of abs(g) over the tokens of a scope: unweighted mean over the emotions that have clips.

        Raises
        ------
        StatisticsError
            When no emotion has a clip.
        """
        parts = self._disjoint(scope)
        tokens = sum_over(_sides(self.tokens[name], "none") for name in parts)
        reached = tokens[:, None]
        if self.origin.mixtures:
            reached = sum_over(_sides(self.sums[f"{name}/{ROUTED}"], "none") for name in parts)
        total = sum_over(_sides(self.sums[f"{name}/sum_abs"], "none") for name in parts)
        present = tokens > 0
        if not present.any():
            raise StatisticsError("no clip was run, so the gates have no magnitude")
        return np.mean(ratio(total[present], reached[present]), axis=0)

    def __add__(self, other: "GateStatistics") -> "GateStatistics":
        return merge([self, other])

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array under its name in the file; per-gate sums by layer, such as ``audio/firings/07``."""
        arrays = {"clips": self.clips, **{f"{scope}/tokens": values for scope, values in self.tokens.items()}}
        for name, values in self.sums.items():
            arrays |= by_layer(name, values, self.origin)
        return arrays | (self.per_clip.arrays(self.origin) if self.per_clip else {})

    def header(self) -> dict[str, Any]:
        """What the file says about itself."""
        return {
            "kind": KIND,
            "version": VERSION,
            **self.origin.header(),
            "emotions": list(self.emotions),
            "scopes": list(self.scopes),
            "groups": [f"{emotion}/{side}" for side in ("kept", "dropped") for emotion in self.emotions],
            "filter": f"kept: {self.success}",
            "seen": self.seen,
            "kept": self.kept,
            "skipped": [list(pair) for pair in self.skipped],
            "prompt": self.prompt,
            "asking": dict(self.asking),
            "seed": self.seed,
            "per_clip": self.per_clip.header() if self.per_clip else None,
            "esn_interp": package_version(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file; nothing in it is rounded. A file of single clips stays beside it."""
        if self.per_clip is not None:
            self.per_clip.require_beside(path)
        save_tensors(path, self.arrays(), self.header(), packed=True)

    @classmethod
    def load(cls, path: str | Path) -> "GateStatistics":
        """Read what `save` wrote.

        Raises
        ------
        EsnError
            When there is no such file, or it is of another kind or version.
        StatisticsError
            When its arrays do not have the shapes that its header promises.

        Warns `EsnWarning` when an earlier release wrote it, which knew recordings by their labels alone.
        """
        arrays, header = load_tensors(path, kind=KIND, version=READ)
        loaded = cls.from_file(arrays, header, where=str(path))
        for note in loaded.origin.remarks:
            warnings.warn(f"{path}: {note}", EsnWarning, stacklevel=2)
        return loaded

    @classmethod
    def from_file(cls, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], *, where: str) -> "GateStatistics":
        """Statistics from the arrays and the header of a file called ``where``."""
        told, origin = Entries(header, where=where), Origin.from_header(header, where=where)
        emotions, scopes = told.names("emotions"), told.names("scopes")
        file, groups = LayeredArrays(arrays, origin, where=where), 2 * len(emotions)
        single = told.or_null("per_clip", dict[str, Any]) if header["version"] > 1 else None
        return cls(
            origin=origin,
            emotions=emotions,
            prompt=told.take("prompt", str),
            clips=file.flat("clips", np.int64, groups),
            tokens={scope: file.flat(f"{scope}/tokens", np.int64, groups) for scope in scopes},
            sums={
                name: file.gates(name, dtype, rows=groups)
                for name, dtype in sum_types(scopes, mixture=bool(origin.mixtures)).items()
            },
            scopes=scopes,
            skipped=told.pairs("skipped"),
            seed=told.take("seed", int),
            per_clip=None if single is None else PerClip.read(file, single, scopes, folder=Path(where).parent),
            success=told.take("filter", str).removeprefix("kept: "),
            asking=told.get("asking", dict[str, Any], {}),
        )

    def _disjoint(self, scope: str) -> tuple[str, ...]:
        """The scopes that hold each token once."""
        names = parse_scopes(scope, self.scopes)
        return self.scopes if names == (ALL,) else names

    def _spread(self, scope: str, filter: str) -> Spread:
        """How the means of single clips are spread in one scope."""
        clips = _sides(self.clips, filter)[:, None]
        if self.origin.mixtures:
            clips = _sides(self.sums[f"{scope}/{ROUTED_CLIPS}"], filter)
        mean, square = (
            ratio(_sides(self.sums[f"{scope}/{kind}"], filter), clips) for kind in ("mean_sum", "mean_sum_sq")
        )
        return Spread(mean, square, clips)

    def _require(self, clips: Int64[np.ndarray, " emotion"], least: int, filter: str) -> None:
        few = {emotion: int(n) for emotion, n in zip(self.emotions, clips, strict=True) if n < least}
        kept = filter != "none"
        told = (f"{emotion!r}: {n} {f'of {self.seen[emotion]} ' if kept else ''}clips" for emotion, n in few.items())
        if few:
            raise StatisticsError(
                f"emotion {', '.join(told)}{f' are {self.success}' if kept else ''}, {least} needed; collect more,"
                f" leave it out (emotions=, esn select --emotions){', or use filter none' if kept else ''}"
            )


def merge(shards: Sequence[GateStatistics]) -> GateStatistics:
    """Add statistics of different clips.

    Counts are exact in any order. Floating sums are added in a canonical order (by corpus and its
    fingerprint), so the result does not depend on the order of ``shards`` to the bit.

    Raises
    ------
    StatisticsError
        When there are none, when they differ in model, emotions, scopes or prompt, when two hold the same clips, or
        when an earlier release made one of several, so that nobody knows whether they do.
    """
    if not shards:
        raise StatisticsError("nothing to merge: give at least one statistics file")
    ordered = sorted(shards, key=lambda shard: (shard.origin.corpus, shard.origin.corpus_fingerprint))
    first, *rest = ordered
    held: set[str] = set()
    for shard in ordered:
        if rest:
            shard.origin.require_sound(f"statistics of {shard.corpus}", "merged")
        for name in ("emotions", "scopes", "prompt", "success"):
            ours, other = getattr(first, name), getattr(shard, name)
            if ours != other:
                raise StatisticsError(
                    f"statistics of different {name} can't be merged: {_say(ours)} and {_say(other)}"
                )
        pieces = set(shard.origin.corpus_fingerprint.split("+"))
        if pieces & held:
            raise StatisticsError(f"two of the statistics hold the same clips of {shard.corpus}; each counts once")
        held |= pieces
    per_clip = [shard.per_clip for shard in ordered]
    if any(part is None for part in per_clip) != all(part is None for part in per_clip):
        raise StatisticsError("some of the statistics keep per-clip values and others do not; collect all alike")
    return GateStatistics(
        origin=first.origin.join(shard.origin for shard in rest),
        emotions=first.emotions,
        prompt=first.prompt,
        clips=sum_over(shard.clips for shard in ordered),
        tokens={scope: sum_over(shard.tokens[scope] for shard in ordered) for scope in first.scopes},
        sums={name: sum_over(shard.sums[name] for shard in ordered) for name in first.sums},
        scopes=first.scopes,
        skipped=tuple(pair for shard in ordered for pair in shard.skipped),
        seed=first.seed,
        per_clip=PerClip.concatenate([part for part in per_clip if part is not None]),
        success=first.success,
        asking=first.asking,
    )


def _sides(rows: np.ndarray, filter: str) -> np.ndarray:
    """One row per emotion: the kept side, or both sides of the filter together."""
    kept, dropped = np.split(rows, 2)
    return kept if filter == "correct" else kept + dropped


def _say(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
