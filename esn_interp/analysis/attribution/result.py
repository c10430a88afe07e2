"""What is known once the log-odds of the right label were attributed to every gate."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int64

from esn_interp.analysis.attribution.check import SAMPLE, AttributionCheck, check_attribution
from esn_interp.analysis.inference.significance import quotient
from esn_interp.analysis.result import OverClips
from esn_interp.errors import StatisticsError
from esn_interp.models.edits import EVERYWHERE
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.scores import Scores
from esn_interp.neurons.selectors import Size, take
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

FILTERS = ("correct", "none")
KEPT, ALL = 0, 1
"""The sides of the success filter: clips that the model labels correctly, and all clips."""


@dataclass(frozen=True, eq=False)
class Attribution(OverClips):
    """Gradient times gate of the log-odds of the right label, for every gate, in nats.

    ``values[side, e, n]`` is the mean over the clips of emotion e of ``sum over tokens of g * dL / dg``, with g
    gate n and L the log-odds of e as the answer; side 0 holds the clips that the model labels correctly, side
    1 all of them. A positive value says that silencing the gate would lower the log-odds of the right answer,
    by about as much. NaN where there is no clip. ``seen`` and ``kept`` count the clips.

    ``layers`` is the sum over each layer's gates, of all clips, with 95 % bounds over speakers.
    ``per_clip`` holds every clip's own values, where they were asked for.
    """

    kind: ClassVar[str] = "attribution"

    origin: Origin
    prompt: str
    positions: tuple[str, ...]
    emotions: tuple[str, ...]
    seen: Int64[np.ndarray, " emotion"]
    kept: Int64[np.ndarray, " emotion"]
    values: Float64[np.ndarray, "side emotion gate"]
    layers: Float64[np.ndarray, "emotion layer"]
    layers_low: Float64[np.ndarray, "emotion layer"]
    layers_high: Float64[np.ndarray, "emotion layer"]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, " clip"]
    per_clip: Float32[np.ndarray, "clip gate"] | None

    @property
    def where(self) -> str:
        """The token scopes in words."""
        return "all" if frozenset(self.positions) == EVERYWHERE else " and ".join(self.positions)

    def score(self, filter: str = "correct") -> Float64[np.ndarray, "emotion gate"]:
        """The values of the correctly labelled clips, or with ``"none"`` of all clips."""
        if filter not in FILTERS:
            raise StatisticsError(f"unknown filter {filter!r}; choose {' or '.join(FILTERS)}")
        return self.values[KEPT if filter == "correct" else ALL]

    def select(
        self,
        *,
        top: float | None = None,
        count: int | None = None,
        threshold: float | None = None,
        filter: str = "correct",
        per_layer: bool = False,
        min_clips: int = 1,
    ) -> NeuronSet:
        """The gates that speak most for each emotion's own label; only positive values are eligible.

        The parameters are those of `esn_interp.neurons.selectors.select`.

        Raises
        ------
        StatisticsError
            On a size out of range, an unknown filter, or an emotion without enough clips that passed it.
        """
        score, size = self.score(filter), Size(top, count, threshold)
        counted = self.kept if filter == "correct" else self.seen
        for emotion, clips in zip(self.emotions, counted.tolist(), strict=True):
            if clips < max(min_clips, 1):
                passed = "labelled correctly" if filter == "correct" else "attributed"
                raise StatisticsError(
                    f"{emotion}: {clips} clips {passed}, {max(min_clips, 1)} needed;"
                    " use more clips, or filter='none'"
                )
        return take(
            Scores(score, score > 0),
            size,
            self.origin,
            self.emotions,
            per_layer=per_layer,
            selector="attribution",
            parameters={
                "positions": list(self.positions),
                "filter": filter,
                "seen": dict(zip(self.emotions, self.seen.tolist(), strict=True)),
                "kept": dict(zip(self.emotions, self.kept.tolist(), strict=True)),
            },
        )

    def check(
        self,
        lm: Listener,
        clips: Clips,
        *,
        neurons: int | NeuronSet = SAMPLE,
        filter: str = "none",
        seed: int = 0,
        batch_size: int = 32,
        strict: bool = False,
        progress: bool = True,
    ) -> AttributionCheck:
        """Silence single neurons one after the other, and see whether these values had ranked their effects.

        Parameters
        ----------
        neurons
            How many gates to draw among those that are not at 0 for every emotion, or the neurons themselves.
        filter
            Whose values are checked, see `score`.

        Raises
        ------
        StatisticsError
            When the model is another one, or there are fewer than three neurons to rank.
        CorpusError
            When no clip can be used, or one has an emotion that was not among the options.
        """
        self.origin.check(lm, "the attributions")
        return check_attribution(
            lm,
            clips,
            self.score(filter),
            origin=self.origin,
            emotions=self.emotions,
            positions=frozenset(self.positions),
            neurons=neurons,
            seed=seed,
            batch_size=batch_size,
            strict=strict,
            progress=progress,
        )

    def concentration(self, filter: str = "correct") -> Float64[np.ndarray, "emotion gate"]:
        """Share of all positive attribution that the strongest 1, 2, 3 ... gates hold; NaN without any."""
        positive = np.maximum(self.score(filter), 0.0)
        ordered = np.cumsum(np.sort(positive, axis=1)[:, ::-1], axis=1)
        return quotient(ordered, ordered[:, -1:])

    def to_frame(self) -> pd.DataFrame:
        """One row per emotion and gate, strongest first within an emotion."""
        layer, neuron = self.origin.locate(np.arange(self.origin.n_gates))
        frames = [
            pd.DataFrame(
                {
                    "emotion": emotion,
                    "layer": layer,
                    "neuron": neuron,
                    "correct": self.values[KEPT, row],
                    "all": self.values[ALL, row],
                }
            ).sort_values("all", ascending=False, kind="stable")
            for row, emotion in enumerate(self.emotions)
        ]
        return pd.concat(frames, ignore_index=True)

    def summary(self) -> str:
        """The result in one sentence."""
        shares, gates = self.concentration("none"), self.origin.n_gates
        few = max(1, round(0.01 * gates))
        known = shares[:, few - 1][~np.isnan(shares[:, few - 1])]
        held = f"{known.mean():.0%}" if len(known) else "nothing"
        return (
            f"The strongest 1 % of {gates:,} gates hold {held} of all that speaks for the right label"
            f" (gradient times gate, {self.where} tokens; mean over"
            f" {int((self.seen > 0).sum())} emotions, {len(self.clips)} clips of"
            f" {self.n_speakers} speakers)."
        )
