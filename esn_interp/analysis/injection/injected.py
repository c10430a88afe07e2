"""The conditions of an injection: every clip with its own weights, and in a control with its own random draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.trials import deal
from esn_interp.interventions.injection import clip_gains, edits_of, two_pass_weights
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.tasks.recognition import Informed

ORACLE = "oracle"
"""Steering with the neurons of the clip's true emotion: what injection could reach if it knew the label."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Random sets, and which of them each clip meets (one in each turn); ``missing`` says why there is none."""

    sets: tuple[NeuronSet, ...]
    turns: Int64[np.ndarray, "turn clip"]
    missing: str = ""

    @classmethod
    def draw(
        cls,
        esns: NeuronSet,
        truth: Int64[np.ndarray, " clip"],
        speaker: Int[np.ndarray, " clip"],
        *,
        draws: int,
        per_clip: int,
        seed: int,
    ) -> "Controls":
        """Layer-matched random sets, dealt over the clips; none where a set leaves too few neurons for it."""
        sets, why = random_sets(esns, draws, seed=seed)
        if why:
            return cls((), np.zeros((0, len(truth)), dtype=np.int64), why)
        met = deal(truth, speaker, draws=draws, per_clip=per_clip, seed=seed)
        return cls(tuple(sets), np.argsort(~met, axis=0, kind="stable")[:per_clip].astype(np.int64))


def weights_of(
    method: str, probabilities: Float64[np.ndarray, "clip emotion"], truth: Int64[np.ndarray, " clip"]
) -> Float64[np.ndarray, "clip emotion"]:
    """How far a method steers each clip towards each emotion."""
    if method == ORACLE:
        return np.eye(probabilities.shape[1])[truth]
    if method == "two_pass":
        return two_pass_weights(probabilities)
    return probabilities if method == "mix" else np.ones_like(probabilities)


def injecting(
    esns: NeuronSet,
    truth: Int64[np.ndarray, " clip"],
    controls: Controls,
    *,
    methods: Sequence[str],
    alphas: Sequence[float],
    emotions: Sequence[str],
    positions: frozenset[str],
) -> dict[str, Informed]:
    """Conditions by name: the found neurons, then each turn of random ones, by method and alpha."""

    def condition(method: str, alpha: float, turn: int | None) -> Informed:
        def edits(
            rows: Int64[np.ndarray, " clip"], log_probs: Float[np.ndarray, "clip emotion"]
        ) -> list[Edit]:
            weights = weights_of(method, np.exp(log_probs.astype(np.float64)), truth[rows])
            gains = np.ones((len(rows), esns.n_gates), dtype=np.float32)
            drawn = np.full(len(rows), -1) if turn is None else controls.turns[turn, rows]
            for draw in np.unique(drawn).tolist():
                mine, neurons = drawn == draw, esns if turn is None else controls.sets[draw]
                gains[mine] = clip_gains(neurons, weights[mine], alpha, emotions=emotions)
            return edits_of(gains, esns.origin, positions)

        return edits

    return {
        f"turn {turn}/{method}/alpha {alpha:g}": condition(method, alpha, turn)
        for turn in (None, *range(len(controls.turns)))
        for method in methods
        for alpha in alphas
    }
