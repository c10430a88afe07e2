"""The choices of a study, all made on validation voices: selector, size and token scope; then the gain.

Neurons are found on identification voices and judged here on validation voices, so that nothing is tuned on
the voices that the report is about.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.analysis.dose.doses import ALPHAS
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, Predictions, recognise

SELECTORS = ("mad", "cas")
TOPS = (0.01, 0.02, 0.05)
SCOPES = ("audio", "text", "last", "all")
MOST_COLLATERAL = -0.05
"""Settings that cost the other emotions more recall than this are passed over where there is a choice."""


CAUSAL = -0.15
"""Silencing that costs an emotion this much recall counts as causal."""


@dataclass(frozen=True)
class Setting:
    """How to select neurons: `top` is a fraction of all gates per emotion, `scope` the tokens that count."""

    selector: str
    top: float
    scope: str


@dataclass(frozen=True)
class Trial:
    """What a setting does to the validation voices.

    Mean changes of recall when its neurons are silenced; and for causal, clean settings the mean flip rate when
    they are turned up by the largest gain.
    """

    setting: Setting
    self_ablation: float
    cross_ablation: float
    flip_rate: float | None = None

    @property
    def specificity(self) -> float:
        """Self minus cross: the more negative, the more the neurons matter for their own emotion alone."""
        return self.self_ablation - self.cross_ablation

    def row(self) -> dict[str, Any]:
        """The trial as one flat row of the results file."""
        changes = {"self_ablation": self.self_ablation, "cross_ablation": self.cross_ablation}
        return {
            **asdict(self.setting),
            **changes,
            "specificity": self.specificity,
            "flip_rate": self.flip_rate,
        }


@dataclass(frozen=True)
class NeuronChoice:
    """The grid of trials, the chosen one, and its neurons."""

    trials: tuple[Trial, ...]
    chosen: Trial
    neurons: NeuronSet
    unusable: tuple[str, ...]


@dataclass(frozen=True)
class GainChoice:
    """Flip rate per alpha on the validation voices (mean over target emotions), and the chosen alpha."""

    alphas: tuple[float, ...]
    flip_rates: tuple[float, ...]
    chosen: float


def settings_grid() -> list[Setting]:
    """Every combination of selector, size and scope that a study tries."""
    return [Setting(selector, top, scope) for selector, top, scope in product(SELECTORS, TOPS, SCOPES)]


def choose_neurons(
    lm: Listener,
    validation: Clips,
    statistics: GateStatistics,
    *,
    settings: Sequence[Setting],
    alphas: Sequence[float] = ALPHAS,
    seed: int = 0,
    progress: bool = True,
) -> NeuronChoice:
    """Try every setting on the validation voices and keep the one that is causal both ways.

    Clean settings have a cross change of recall no worse than `MOST_COLLATERAL`, causal ones a self change of
    `CAUSAL` or below. Of the settings that are both, the one that steers best at the largest of `alphas` is kept
    (ties go to fewer neurons). When there is none, the most specific: the lowest self minus cross change, among
    the clean ones if any.

    Raises
    ------
    StatisticsError
        When no setting gives neurons for every emotion, with room for random controls beside them.
    """
    candidates: dict[Setting, NeuronSet] = {}
    unusable: list[str] = []
    for setting in settings:
        neurons = select(statistics, setting.selector, top=setting.top, scope=setting.scope, seed=seed)
        if reason := _why_unusable(neurons, seed):
            unusable.append(f"{setting.selector}, top {setting.top:g}, scope {setting.scope}: {reason}")
        else:
            candidates[setting] = neurons
    if not candidates:
        raise StatisticsError(f"no setting of the grid can be used; the first, {unusable[0]}")
    conditions = {
        f"{number} {emotion}": deactivate(neurons[emotion])
        for number, neurons in enumerate(candidates.values())
        for emotion in neurons.emotions
    }
    answers = recognise(
        lm,
        validation,
        conditions={BASELINE: (), **conditions},
        progress=progress,
        description="Trying selectors, sizes and scopes on the validation voices",
    )
    trials: list[Trial] = []
    for number, (setting, neurons) in enumerate(candidates.items()):
        own, others = self_and_cross(answers, [f"{number} {emotion}" for emotion in neurons.emotions])
        trials.append(Trial(setting, own, others))
    clean = [trial for trial in trials if trial.cross_ablation >= MOST_COLLATERAL] or trials
    causal = [t for t in clean if t.self_ablation <= CAUSAL and t.cross_ablation >= MOST_COLLATERAL]
    if causal:
        rates = _flip_rates(
            lm, validation, [candidates[trial.setting] for trial in causal], max(alphas), progress=progress
        )
        steered = {t.setting: replace(t, flip_rate=rate) for t, rate in zip(causal, rates, strict=True)}
        trials = [steered.get(trial.setting, trial) for trial in trials]
        chosen = min(steered.values(), key=lambda t: (-(t.flip_rate or 0.0), t.setting.top))
    else:
        chosen = min(clean, key=lambda trial: (trial.specificity, trial.setting.top))
    return NeuronChoice(tuple(trials), chosen, candidates[chosen.setting], tuple(unusable))


def _flip_rates(
    lm: Listener, validation: Clips, sets: Sequence[NeuronSet], alpha: float, *, progress: bool
) -> list[float]:
    """Mean flip rate over the target emotions, for each set of neurons turned up by `alpha`."""
    steering = {
        f"{number} {emotion}": steer(neurons[emotion], alpha)
        for number, neurons in enumerate(sets)
        for emotion in neurons.emotions
    }
    answers = recognise(
        lm,
        validation,
        conditions={BASELINE: (), **steering},
        progress=progress,
        description="Turning up the neurons of the causal settings",
    )
    return [
        float(np.mean([flip_rate(answers, f"{number} {emotion}", emotion) for emotion in neurons.emotions]))
        for number, neurons in enumerate(sets)
    ]


def choose_alpha(
    lm: Listener,
    validation: Clips,
    neurons: NeuronSet,
    *,
    alphas: Sequence[float] = ALPHAS,
    progress: bool = True,
) -> GainChoice:
    """The alpha that turns most validation clips of others into the target; the gentlest of equals."""
    steering = {
        f"{alpha:g} {emotion}": steer(neurons[emotion], alpha)
        for alpha in alphas
        if alpha
        for emotion in neurons.emotions
    }
    answers = recognise(
        lm,
        validation,
        conditions={BASELINE: (), **steering},
        progress=progress,
        description="Trying gains on the validation voices",
    )
    rates = tuple(
        float(
            np.mean([flip_rate(answers, _steered(alpha, emotion), emotion) for emotion in neurons.emotions])
        )
        for alpha in alphas
    )
    best = max(range(len(alphas)), key=lambda i: (rates[i], -alphas[i]))
    return GainChoice(tuple(float(alpha) for alpha in alphas), rates, float(alphas[best]))


def _why_unusable(neurons: NeuronSet, seed: int) -> str | None:
    """An emotion without neurons can't be tested, nor one whose layers hold too few others for a control."""
    if empty := [emotion for emotion in neurons.emotions if not len(neurons[emotion])]:
        return f"no neurons for {', '.join(empty)}"
    try:
        neurons.random_like(seed)
    except StatisticsError as error:
        return str(error)
    return None


def _steered(alpha: float, emotion: str) -> str:
    return f"{alpha:g} {emotion}" if alpha else BASELINE


def self_and_cross(answers: Predictions, conditions: Sequence[str]) -> tuple[float, float]:
    """Mean change of recall of the ablated emotion itself, and of the others.

    `conditions` lists one ablation per emotion, in the order of `answers.emotions`.
    """
    before = answers.recall()
    change: Float[np.ndarray, "ablated emotion"] = np.stack(
        [answers.recall(name) - before for name in conditions]
    )
    own = np.eye(len(conditions), dtype=bool)
    return float(change[own].mean()), float(change[~own].mean())


def flip_rate(answers: Predictions, condition: str, emotion: str) -> float:
    """Share of the clips of other emotions that are predicted as `emotion`."""
    target = answers.emotions.index(emotion)
    return float((answers.predicted[answers.row(condition)] == target)[answers.truth != target].mean())
