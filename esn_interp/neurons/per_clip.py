"""Rates and means of single clips: optional, and large, so their size is told before they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from esn_interp.neurons.layout import LayeredArrays, by_layer
from esn_interp.neurons.origin import Origin

VALUES = ("rate", "mean")


@dataclass(frozen=True, eq=False)
class PerClip:
    """Firing rate and mean gate of each clip, by scope; clips in the order in which they were run.

    ``emotion`` indexes the statistics' emotions; ``kept`` says whether the clip passed the success filter.
    ``values`` are named ``audio/rate``, ``audio/mean`` and so on, one column per gate (flat index); the
    values over all positions follow from those of the scopes and their ``tokens``.
    """

    ids: tuple[str, ...]
    emotion: Int32[np.ndarray, " clip"]
    kept: Bool[np.ndarray, " clip"]
    tokens: Mapping[str, Int32[np.ndarray, " clip"]]
    values: Mapping[str, Float32[np.ndarray, "clip gate"]]

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def size(clips: int, gates: int, scopes: int) -> int:
        """Bytes that the values of so many clips take."""
        return clips * gates * scopes * len(VALUES) * np.dtype(np.float32).itemsize

    @classmethod
    def concatenate(cls, parts: Sequence["PerClip"]) -> "PerClip | None":
        """The clips of all parts, in order; None when there is no part."""
        if not parts:
            return None
        return cls(
            ids=tuple(clip for part in parts for clip in part.ids),
            emotion=np.concatenate([part.emotion for part in parts]),
            kept=np.concatenate([part.kept for part in parts]),
            tokens={
                scope: np.concatenate([part.tokens[scope] for part in parts]) for scope in parts[0].tokens
            },
            values={name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        )

    def arrays(self, origin: Origin) -> dict[str, np.ndarray]:
        """Every array under its name in the file, such as ``per_clip/audio/rate/07``."""
        arrays: dict[str, np.ndarray] = {"per_clip/emotion": self.emotion, "per_clip/kept": self.kept}
        arrays |= {f"per_clip/{scope}/tokens": tokens for scope, tokens in self.tokens.items()}
        for name, values in self.values.items():
            arrays |= by_layer(f"per_clip/{name}", values, origin)
        return arrays

    @classmethod
    def read(cls, file: LayeredArrays, ids: Sequence[str], scopes: Sequence[str]) -> "PerClip":
        """What `arrays` wrote, with the clips' ids from the header."""
        clips, names = len(ids), [f"{scope}/{value}" for scope in scopes for value in VALUES]
        return cls(
            ids=tuple(ids),
            emotion=file.flat("per_clip/emotion", np.int32, clips),
            kept=file.flat("per_clip/kept", np.bool_, clips),
            tokens={scope: file.flat(f"per_clip/{scope}/tokens", np.int32, clips) for scope in scopes},
            values={name: file.gates(f"per_clip/{name}", np.float32, clips) for name in names},
        )
