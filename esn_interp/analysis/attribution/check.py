"""How well attribution ranks the true effects: single neurons silenced one after the other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from einops import repeat
from jaxtyping import Float, Float64, Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inference.significance import CHANGE, Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.inference.trend import spearman
from esn_interp.analysis.result import OverClips, standing_notes
from esn_interp.errors import StatisticsError
from esn_interp.models.edits import SCOPES, Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, Recognition, recognise

SAMPLE = 100
_LEAST = 3


@dataclass(frozen=True, eq=False)
class AttributionCheck(OverClips):
    """Predicted and true change of the log-odds of the right label when one neuron is silenced, in nats.

    ``predicted`` is minus the attribution; ``effect`` the mean over all clips of the emotion of the true change,
    with 95 % bounds over speakers. ``spearman`` is their rank correlation over the neurons, by
    emotion, and ``agreement`` its mean; their bounds come from leaving out one speaker of the ablation at a
    time, the prediction and the neurons being what they are. ``silent`` gates of the model have attribution 0
    for every emotion: the sample is drawn from the others, as agreement on them would be cheap.
    """

    kind: ClassVar[str] = "attribution_check"
    drawn_by: ClassVar[str] = "figure.draw_check"

    origin: Origin
    corpus: str
    positions: tuple[str, ...]
    seed: int
    emotions: tuple[str, ...]
    layer: Int64[np.ndarray, " neuron"]
    neuron: Int64[np.ndarray, " neuron"]
    silent: int
    predicted: Float64[np.ndarray, "emotion neuron"]
    effect: Float64[np.ndarray, "emotion neuron"]
    effect_low: Float64[np.ndarray, "emotion neuron"]
    effect_high: Float64[np.ndarray, "emotion neuron"]
    spearman: Float64[np.ndarray, " emotion"]
    spearman_low: Float64[np.ndarray, " emotion"]
    spearman_high: Float64[np.ndarray, " emotion"]
    agreement: Interval

    def to_frame(self) -> pd.DataFrame:
        """One row per emotion and neuron."""
        return pd.DataFrame(
            [
                {
                    "emotion": emotion,
                    "layer": int(self.layer[n]),
                    "neuron": int(self.neuron[n]),
                    "predicted": self.predicted[e, n],
                    "effect": self.effect[e, n],
                    "low": self.effect_low[e, n],
                    "high": self.effect_high[e, n],
                }
                for e, emotion in enumerate(self.emotions)
                for n in range(len(self.neuron))
            ]
        )

    def summary(self) -> str:
        """The result in one sentence."""
        return (
            f"Attribution ranks the true effects of silencing {len(self.neuron)} single neurons with a Spearman"
            f" correlation of {self.agreement:.2f} (mean over emotions; {len(self.clips)} clips of"
            f" {self.agreement.speakers} speakers)."
        )


def check_attribution(
    lm: Listener,
    clips: Clips,
    score: Float64[np.ndarray, "emotion gate"],
    *,
    origin: Origin,
    emotions: tuple[str, ...],
    positions: frozenset[str],
    neurons: int | NeuronSet,
    seed: int,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> AttributionCheck:
    """Silence single neurons and compare; see `Attribution.check`.

    A batch is heard once, however many neurons are silenced on it.

    Raises
    ------
    StatisticsError
        When fewer than three neurons are to be ranked, or the model is another one.
    """
    alive = np.flatnonzero((np.nan_to_num(score) != 0).any(axis=0))
    if isinstance(neurons, NeuronSet):
        neurons.check(lm)
        index = neurons.indices()
    else:
        rng = np.random.default_rng(seed)
        index = np.sort(rng.choice(alive, size=min(neurons, len(alive)), replace=False))
    if len(index) < _LEAST:
        raise StatisticsError(f"{len(index)} neurons can't be ranked; check {_LEAST} or more")
    layer, neuron = origin.locate(index)
    found = recognise(
        lm,
        clips,
        conditions={
            BASELINE: (),
            **{
                f"neuron {n} of layer {at}": [Edit(at, np.array([n]), gain=0.0, positions=positions)]
                for at, n in zip(layer.tolist(), neuron.tolist(), strict=True)
            },
        },
        recognition=Recognition(emotions),
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Silencing single neurons",
    )
    odds = log_odds(found.log_probs, found.truth)
    change = repeat(odds[1:] - odds[0], "neuron clip -> emotion neuron clip", emotion=len(emotions))
    of_emotion = found.truth == np.arange(len(emotions))[:, None, None]
    means = SpeakerMeans.over_clips(change, of_emotion, found.speaker)
    predicted = -score[:, index]

    def ranks_of(effects: Float[np.ndarray, "*replicate emotion neuron"]) -> np.ndarray:
        flat = effects.reshape(-1, *predicted.shape)
        ranks = np.array([[spearman(p, e) for p, e in zip(predicted, one, strict=True)] for one in flat])
        return ranks.reshape(effects.shape[:-1])

    effect, ranks = Estimates.of(means), Estimates.reduced(means, ranks_of, within=CHANGE, of_shares=False)
    return AttributionCheck(
        origin=origin,
        corpus=clips.name,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        seed=seed,
        emotions=emotions,
        layer=layer,
        neuron=neuron,
        silent=origin.n_gates - len(alive),
        predicted=predicted,
        effect=effect.value,
        effect_low=effect.low,
        effect_high=effect.high,
        spearman=ranks.value,
        spearman_low=ranks.low,
        spearman_high=ranks.high,
        agreement=means.interval(lambda cells: nan_mean(ranks_of(cells)), within=CHANGE, of_shares=False),
        clips=found.clips,
        speakers=found.speaker,
        skipped=found.skipped,
        notes=standing_notes(
            len(set(found.speaker)),
            found.skipped,
            *(
                f"{emotion}: no rank correlation, it has no clip or all values are the same"
                for emotion, value in zip(emotions, ranks.value, strict=True)
                if np.isnan(value)
            ),
            found.unmoved_note,
        ),
    )
