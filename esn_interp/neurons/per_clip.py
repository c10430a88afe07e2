"""The sums of single clips: optional, and large, so their size is told before they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Num

from esn_interp.drawing.brief import brief
from esn_interp.entries import Entries
from esn_interp.errors import StatisticsError
from esn_interp.neurons.layout import ALL, ROUTED, TOKEN_SUMS, LayeredArrays, by_layer, parse_scopes, sum_over
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.side_file import mapped

TYPES: dict[str, tuple[type[np.generic], ...]] = {
    kind: (np.int32,) if kind == "firings" else (np.float32, np.float64) for kind in TOKEN_SUMS
}
"""Types of each sum over the tokens of one clip; mixtures of experts have ``routed``, int32, as well."""


@dataclass(frozen=True, eq=False)
class PerClip:
    """What every clip adds to the statistics, clips in the order in which they were run.

    ``emotion`` indexes the statistics' emotions; ``kept`` says whether the clip passed the success filter; a
    speaker who is not known is empty, and so is a sentence; there are no ``sentences`` in files that were written
    before they were kept. ``sums`` are named ``audio/firings``, ``audio/sum``, ``audio/sum_sq``,
    ``audio/sum_abs`` and so on, one column per gate (flat index): float32, as a batch is reduced, or float64 where
    gates are. Nothing is rounded any further: the statistics of any part of the clips follow from these to the bit,
    see `~esn_interp.neurons.resampling.subset`.
    """

    ids: tuple[str, ...]
    speakers: tuple[str, ...]
    emotion: Int32[np.ndarray, " clip"]
    kept: Bool[np.ndarray, " clip"]
    tokens: Mapping[str, Int32[np.ndarray, " clip"]]
    sums: Mapping[str, Num[np.ndarray, "clip gate"]]
    sentences: tuple[str, ...] = ()
    side: tuple[Path, str] | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the sums, without their scopes."""
        return tuple(dict.fromkeys(name.rpartition("/")[2] for name in self.sums))

    def rate(self, scope: str = ALL, columns: slice = slice(None)) -> Float64[np.ndarray, "clip gate"]:
        """Share of the tokens of one scope, or of all, at which each gate fires (0 to 1), per clip."""
        return self._per_token("firings", scope, columns)

    def mean(self, scope: str = ALL, columns: slice = slice(None)) -> Float64[np.ndarray, "clip gate"]:
        """Mean of each gate, or of those in ``columns``, over the tokens of one scope, or of all, per clip."""
        return self._per_token("sum", scope, columns)

    def rows(self, ids: Sequence[str]) -> Int[np.ndarray, " chosen"]:
        """Where the clips of these ids are, in the order in which they were run.

        Raises
        ------
        StatisticsError
            When an id is not among the clips, or is that of several (after a merge over corpora).
        """
        wanted = set(ids)
        found = [row for row, clip in enumerate(self.ids) if clip in wanted]
        if missing := sorted(wanted.difference(self.ids)):
            raise StatisticsError(f"clip {missing[0]!r} is not among the {len(self)} clips kept one by one")
        if len(found) > len(wanted):
            raise StatisticsError("several clips have the same id; take them before the corpora are merged")
        return np.array(found, dtype=np.int64)

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "PerClip":
        """The clips at these rows, in that order."""
        return PerClip(
            ids=tuple(self.ids[row] for row in rows),
            speakers=tuple(self.speakers[row] for row in rows),
            emotion=self.emotion[rows],
            kept=self.kept[rows],
            tokens={scope: values[rows] for scope, values in self.tokens.items()},
            sums={name: values[rows] for name, values in self.sums.items()},
            sentences=tuple(self.sentences[row] for row in rows) if self.sentences else (),
        )

    def require_beside(self, path: str | Path) -> None:
        """Refuse to write statistics elsewhere than beside the file of these sums (StatisticsError)."""
        if self.side is not None and self.side[0].parent.resolve() != Path(path).parent.resolve():
            raise StatisticsError(f"{path}: write it beside {self.side[0]}, where the sums of its clips are")

    @staticmethod
    def size(clips: int, gates: int, scopes: int) -> int:
        """Bytes that the sums of so many clips take: 16 per clip, gate and scope."""
        return clips * gates * scopes * sum(np.dtype(first).itemsize for first, *_ in TYPES.values())

    @classmethod
    def concatenate(cls, parts: Sequence["PerClip"]) -> "PerClip | None":
        """The clips of all parts, in order; None when there is no part."""
        if not parts:
            return None
        return cls(
            ids=tuple(clip for part in parts for clip in part.ids),
            speakers=tuple(speaker for part in parts for speaker in part.speakers),
            emotion=np.concatenate([part.emotion for part in parts]),
            kept=np.concatenate([part.kept for part in parts]),
            tokens={
                scope: np.concatenate([part.tokens[scope] for part in parts]) for scope in parts[0].tokens
            },
            sums={name: np.concatenate([part.sums[name] for part in parts]) for name in parts[0].sums},
            sentences=tuple(sentence for part in parts for sentence in part.sentences)
            if all(len(part.sentences) == len(part) for part in parts)
            else (),
        )

    def arrays(self, origin: Origin) -> dict[str, np.ndarray]:
        """Every array under its name in the file, such as ``per_clip/audio/firings/07``."""
        arrays: dict[str, np.ndarray] = {"per_clip/emotion": self.emotion, "per_clip/kept": self.kept}
        arrays |= {f"per_clip/{scope}/tokens": tokens for scope, tokens in self.tokens.items()}
        for name, values in self.sums.items() if self.side is None else ():
            arrays |= by_layer(f"per_clip/{name}", values, origin)
        return arrays

    def header(self) -> dict[str, Any]:
        """What the file's header says of the clips."""
        sentences = {"sentences": list(self.sentences)} if self.sentences else {}
        side = {"side": {"file": self.side[0].name, "key": self.side[1]}} if self.side else {}
        return {"ids": list(self.ids), "speakers": list(self.speakers), **sentences, **side}

    @classmethod
    def read(
        cls, file: LayeredArrays, header: Mapping[str, Any], scopes: Sequence[str], *, folder: Path = Path()
    ) -> "PerClip":
        """What `arrays` and `header` wrote; a side file lies in ``folder``.

        Raises
        ------
        StatisticsError
            When something is missing or another, or the side file can't be used; names it.
        """
        told = Entries(header, where=f"{file.where}, per_clip")
        ids, speakers = told.take("ids", list[str]), told.take("speakers", list[str])
        sentences, beside = told.get("sentences", list[str], []), told.get("side", dict[str, str], {})
        for name, values in {"speakers": speakers, "sentences": sentences or ids}.items():
            if len(values) != len(ids):
                raise told.damaged(name, f"has {len(values)} values for {len(ids)} clips")
        if beside and set(beside) != {"file", "key"}:
            raise told.damaged("side", f"is {beside}, without a file and its key")
        side = (folder / Path(beside["file"]).name, beside["key"]) if beside else None
        clips, types = len(ids), TYPES | ({ROUTED: (np.int32,)} if file.mixture else {})
        return cls(
            ids=tuple(ids),
            speakers=tuple(speakers),
            emotion=file.flat("per_clip/emotion", np.int32, clips),
            kept=file.flat("per_clip/kept", np.bool_, clips),
            tokens={scope: file.flat(f"per_clip/{scope}/tokens", np.int32, clips) for scope in scopes},
            sums={
                f"{scope}/{kind}": file.gates(f"per_clip/{scope}/{kind}", *dtypes, rows=clips)
                for scope in scopes
                for kind, dtypes in types.items()
            }
            if side is None
            else _beside(*side, clips, [f"{scope}/{kind}" for scope in scopes for kind in types]),
            sentences=tuple(sentences),
            side=side,
        )

    def _per_token(
        self, kind: str, scope: str, columns: slice = slice(None)
    ) -> Float64[np.ndarray, "clip gate"]:
        (name,) = parse_scopes(scope, tuple(self.tokens))
        parts = tuple(self.tokens) if name == ALL else (name,)
        # In float64 before scopes are added: a clip's own sums may be float32.
        total = sum_over(self.sums[f"{part}/{kind}"][:, columns].astype(np.float64) for part in parts)
        if ROUTED in self.kinds:
            reached = sum_over(self.sums[f"{part}/{ROUTED}"][:, columns] for part in parts)
            return total / np.maximum(reached, 1)
        return total / sum_over(self.tokens[part] for part in parts)[:, None]


def _beside(path: Path, key: str, clips: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    found = mapped(path, key)
    if any(name not in found or len(found[name]) < clips for name in names):
        raise StatisticsError(f"{path}: these are the sums of other clips")
    return {name: found[name][:clips] for name in names}
