"""Directions in the stream of hidden states that go with an emotion: means that differ, and probes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.models.edits import Edit
from esn_interp.neurons.layout import parse_scopes
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.recognition import PROMPT_SCOPES, Recognition

STREAM = "resid_post"
"""Where directions are read and written: the stream behind a layer."""

_RIDGE = 0.1


@dataclass(frozen=True, eq=False)
class Streams:
    """The mean of the stream over some tokens of every clip, behind every layer."""

    values: Float64[np.ndarray, "layer clip hidden"]
    truth: Int64[np.ndarray, " clip"]
    emotions: tuple[str, ...]

    def of_means(self) -> Float64[np.ndarray, "layer emotion hidden"]:
        """Mean of an emotion's clips minus the mean of the other emotions' means: as long as they lie apart."""
        means = np.stack([self.values[:, self.truth == at].mean(axis=1) for at in range(len(self.emotions))], axis=1)
        others = (means.sum(axis=1, keepdims=True) - means) / (len(self.emotions) - 1)
        return means - others

    def of_probes(self) -> Float64[np.ndarray, "layer emotion hidden"]:
        """Weights of a ridge regression on an emotion against the rest, as long as the means lie apart along them.

        Features are standardised, and weights brought back to the stream's own units; the ridge is a tenth of the
        features' mean variance. (Our choice.)
        """
        means = self.of_means()
        probes = np.zeros_like(means)
        for layer, values in enumerate(self.values):
            spread = values.std(axis=0)
            scale = np.where(spread > 1e-6 * spread.max(initial=1e-12), spread, np.inf)
            z = (values - values.mean(axis=0)) / scale
            gram = z.T @ z / len(z) + _RIDGE * np.eye(z.shape[1])
            for emotion in range(len(self.emotions)):
                target = (self.truth == emotion) - np.mean(self.truth == emotion)
                weights = np.linalg.solve(gram, z.T @ target / len(z)) / scale
                length = np.linalg.norm(weights)
                unit = weights / length if length else weights
                probes[layer, emotion] = unit * abs(unit @ means[layer, emotion])
        return probes


def streams(
    lm: Any,
    clips: Clips,
    recognition: Recognition,
    *,
    scope: str,
    correct: bool,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> Streams:
    """Read the stream behind every layer while the question is asked; ``correct`` leaves out what is answered wrongly.

    Every clip counts once; several scopes are averaged with equal weight, as neurons' statistics are.

    Raises
    ------
    StatisticsError
        When an emotion has no clip that counts.
    """
    codes = [PROMPT_SCOPES.index(name) for name in parse_scopes(scope, PROMPT_SCOPES)]
    found: list[Float64[np.ndarray, "layer _clip _hidden"]] = []
    truth: list[int] = []
    skipped: list[Skipped] = []
    how: dict[str, Any] = {"batch_size": batch_size, "strict": strict, "longest": longest_clip(lm)}
    with progress_bar("Reading the stream", len(clips), enabled=progress) as advance:
        for batch in batches(clips, skipped=skipped, **how):
            ids = [clip.id for clip in batch.clips]
            encoded = lm.encode(batch.waveforms, recognition.asked(ids))
            scopes = np.asarray(encoded.scopes)
            seen: dict[int, Float64[np.ndarray, "clip hidden"]] = {}

            def tap(step: int, layer: int, value: Tensor, *_: Any, where: Any = scopes, into: Any = seen) -> None:
                stream = value.detach().float().cpu().numpy().astype(np.float64)
                masks = [where == code for code in codes]
                means = [np.einsum("ct,cth->ch", mask, stream) / mask.sum(axis=1)[:, None] for mask in masks]
                into[layer] = np.mean(means, axis=0)

            scores = recognition.by_emotion(lm.scores(encoded, recognition.labels, tap=tap, site=STREAM), ids)
            meant = np.array([recognition.index(clip.emotion, clip=clip.id) for clip in batch.clips])
            kept = scores.argmax(axis=1) == meant if correct else np.ones(len(meant), dtype=np.bool_)
            found.append(np.stack([seen[layer] for layer in sorted(seen)])[:, kept])
            truth += meant[kept].tolist()
            advance(len(batch))
    labels = np.array(truth, dtype=np.int64)
    if missing := [one for at, one in enumerate(recognition.emotions) if not (labels == at).any()]:
        raise StatisticsError(f"no clip of {missing[0]} counts, so there is no direction for it; use more clips")
    return Streams(np.concatenate(found, axis=1), labels, recognition.emotions)


def pushed(direction: Float64[np.ndarray, " hidden"], layer: int, strength: float) -> list[Edit]:
    """Add a direction, so many times as long as it is, behind a layer, at every position."""
    length = float(np.linalg.norm(direction))
    if not length:
        return []
    return [Edit(layer, np.arange(len(direction)), along=direction, shift=strength * length, site=STREAM)]


def projected_out(directions: Sequence[Float64[np.ndarray, " hidden"]]) -> list[Edit]:
    """Take each layer's own direction out of the stream behind it, at every position."""
    return [
        Edit(layer, np.arange(len(one)), along=one, gain=0.0, site=STREAM)
        for layer, one in enumerate(directions)
        if np.linalg.norm(one)
    ]
