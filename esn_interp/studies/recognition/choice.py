"""The one choice of a study of recognition: selector, size and token scope, by what they do to validation speakers.

Neurons are found on identification speakers and judged here on validation speakers, so that nothing is tuned on the
speakers that effects are measured on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from esn_interp.analysis.selectors.result import Effects
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.recognition.config import RecognitionConfig


@dataclass(frozen=True)
class Setting:
    """How to select neurons: `top` is a fraction of all gates per emotion, `scope` the tokens that count."""

    selector: str
    top: float
    scope: str

    @property
    def title(self) -> str:
        """The setting in words."""
        return f"{self.selector}, top {self.top:g}, scope {self.scope}"


@dataclass(frozen=True)
class Trial:
    """What a setting does to the validation speakers.

    Mean changes of recall when its neurons are silenced, of their own emotion, of the others, and the former minus the
    latter: the more negative, the more the neurons matter for their own emotion alone. For causal, clean settings the
    mean flip rate when the neurons are turned up by the largest gain.
    """

    setting: Setting
    self_ablation: float
    cross_ablation: float
    specificity: float
    flip_rate: float | None = None

    def row(self) -> dict[str, Any]:
        """The trial as one flat row of the results file."""
        return {**vars(self.setting), **{name: value for name, value in vars(self).items() if name != "setting"}}


@dataclass(frozen=True)
class Choice:
    """What was tried, the chosen one (None where none can be used), and what can't be used, with the reason."""

    trials: tuple[Trial, ...]
    chosen: Trial | None
    unusable: tuple[str, ...]


def trials(effects: Mapping[str, Effects], config: RecognitionConfig) -> list[Trial]:
    """The trials of every selector, size and scope, from what they do under each scope."""
    return [
        Trial(
            Setting(selector, top, scope),
            *(float(one.value[s, t]) for one in (own.self_change, own.cross_change, own.specificity)),
        )
        for s, selector in enumerate(dict.fromkeys(config.selectors))
        for t, top in enumerate(sorted(set(config.tops)))
        for scope, own in effects.items()
    ]


def choose(
    tried: Sequence[Trial],
    config: RecognitionConfig,
    *,
    obstacle: Callable[[Setting], str],
    flip_rate: Callable[[Setting], float],
) -> Choice:
    """The setting that is chosen, by the rule of the config; among equals, fewer neurons.

    Parameters
    ----------
    obstacle
        Why a setting can't be used; empty where it can. By the specific rule it is asked of the most specific first,
        and of no more than it takes.
    flip_rate
        The mean flip rate of a setting's neurons at the largest gain; asked of causal, clean settings only.
    """
    unusable: list[str] = []

    def usable(trial: Trial) -> bool:
        if reason := obstacle(trial.setting):
            unusable.append(f"{trial.setting.title}: {reason}")
        return not reason

    if config.rule == "specific":
        chosen = next((trial for trial in sorted(tried, key=_specific) if usable(trial)), None)
        return Choice(tuple(tried), chosen, tuple(unusable))
    rest = [trial for trial in tried if usable(trial)]
    clean = [trial for trial in rest if trial.cross_ablation >= -config.most_collateral]
    steered = {
        trial.setting: replace(trial, flip_rate=flip_rate(trial.setting))
        for trial in clean
        if trial.self_ablation <= -config.least_loss
    }
    if steered:
        chosen = min(steered.values(), key=lambda trial: (-(trial.flip_rate or 0.0), trial.setting.top))
    else:
        chosen = min(clean or rest, key=_specific, default=None)
    return Choice(tuple(steered.get(trial.setting, trial) for trial in rest), chosen, tuple(unusable))


def _specific(trial: Trial) -> tuple[float, float]:
    return float(np.nan_to_num(trial.specificity, nan=np.inf)), trial.setting.top


def obstacle(neurons: NeuronSet, *, seed: int) -> str:
    """An emotion without neurons can't be tested, nor one whose layers hold too few others for a control."""
    if neurons.empty:
        return f"no neurons for {', '.join(neurons.empty)}"
    try:
        neurons.random_like(seed)
    except StatisticsError as error:
        return str(error)
    return ""
