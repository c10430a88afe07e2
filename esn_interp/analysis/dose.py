"""Dose-response: how the answers move towards an emotion as its neurons are amplified, with controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Int64
from scipy import stats

from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.significance import MIN_SPEAKERS, RATE, Interval, Range, SpeakerMeans, nan_mean
from esn_interp.analysis.trials import Treatment, Trials, run_trials
from esn_interp.errors import EditError
from esn_interp.interventions.edits import steer
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go

ALPHAS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True, eq=False)
class Curves:
    """One quantity over alpha: per set, and the unweighted mean over the sets, with 95 % cluster-t bounds."""

    value: Float64[np.ndarray, "set alpha"]
    low: Float64[np.ndarray, "set alpha"]
    high: Float64[np.ndarray, "set alpha"]
    mean: Float64[np.ndarray, " alpha"]
    mean_low: Float64[np.ndarray, " alpha"]
    mean_high: Float64[np.ndarray, " alpha"]

    @classmethod
    def of(cls, means: SpeakerMeans, within: Range = RATE) -> "Curves":
        """From means by speaker, set and alpha, of something that lies ``within`` these limits."""
        low, high = means.bounds(within=within)
        mean, mean_low, mean_high = means.reduced(
            lambda cells: nan_mean(np.swapaxes(cells, -1, -2)), within=within
        )
        return cls(means.value, low, high, mean, mean_low, mean_high)


@dataclass(frozen=True, eq=False)
class DoseResponse(Result):
    """What steering with each alpha does; the gates of a set are multiplied by ``1 + alpha``.

    ``flip`` is the share of clips of other emotions that are labelled as the target (the set's own emotion),
    ``recall`` the share of the target's clips that are, ``log_prob`` the mean log-probability (nats) of the
    target on clips of other emotions, and ``random_flip`` the flip rate under layer-matched random sets,
    pooled over the draws. At alpha 0 there is no edit. ``random_draws`` holds each draw's mean flip rate over
    the sets.

    ``spearman`` is the rank correlation of the mean flip rate with alpha (NaN when it never changes),
    ``page_p`` the p-value of Page's trend test over speakers (NaN with fewer than six speakers or three
    alphas). ``predicted`` indexes ``emotions``, per clip.
    """

    kind: ClassVar[str] = "dose_response"

    origins: Origins
    positions: tuple[str, ...]
    tokens_touched: int
    seed: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    neurons: tuple[int, ...]
    alphas: Float64[np.ndarray, " alpha"]
    flip: Curves
    recall: Curves
    log_prob: Curves
    random_flip: Curves
    random_draws: Float64[np.ndarray, "draw alpha"]
    spearman: float
    page_p: float
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "set alpha clip"]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(set(self.speakers))

    @property
    def draws(self) -> int:
        """The number of random sets per emotion."""
        return len(self.random_draws)

    @property
    def best_alpha(self) -> float:
        """The alpha with the highest mean flip rate on these clips; among equals, the smallest."""
        return float(self.alphas[int(np.argmax(self.flip.mean))])

    def flip_rate(self, alpha: float | int) -> Interval:
        """Mean flip rate over the sets at one of the alphas."""
        return self._at(self.flip, alpha)

    def random_flip_rate(self, alpha: float | int | None = None) -> Interval:
        """Mean flip rate of the random sets at one alpha; by default at the one where it is highest."""
        if alpha is None:
            if not self.draws:
                return Interval(float("nan"), float("nan"), float("nan"), self.n_speakers)
            alpha = float(self.alphas[int(np.argmax(self.random_flip.mean))])
        return self._at(self.random_flip, alpha)

    def _at(self, curves: Curves, alpha: float | int) -> Interval:
        found = np.flatnonzero(np.isclose(self.alphas, alpha))
        if not len(found):
            run = ", ".join(f"{one:g}" for one in self.alphas)
            raise EditError(f"alpha {alpha:g} was not run; there are {run}")
        at = int(found[0])
        low, high = float(curves.mean_low[at]), float(curves.mean_high[at])
        return Interval(float(curves.mean[at]), low, high, self.n_speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, set (or ``mean``) and alpha."""
        quantities = {
            "flip": self.flip,
            "recall": self.recall,
            "log_prob": self.log_prob,
            "random_flip": self.random_flip,
        }
        rows = [
            {"quantity": name, "set": label, "alpha": dose, "value": value[k], "low": low[k], "high": high[k]}
            for name, curves in quantities.items()
            for label, value, low, high in (
                *zip(self.sets, curves.value, curves.low, curves.high, strict=True),
                ("mean", curves.mean, curves.mean_low, curves.mean_high),
            )
            for k, dose in enumerate(self.alphas)
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence; flip rates in percent with 95 % intervals."""
        best = self.best_alpha
        control = f", random neurons of the same layers at most {self.random_flip_rate():.1%}"
        return (
            f"Amplifying an emotion's own neurons turns {self.flip_rate(best):.1%} of the other emotions'"
            f" clips into it at alpha {best:g}"
            + (control if self.draws else "")
            + f"; flip rate and alpha correlate by {self.spearman:.2f} (Spearman, {len(self.alphas)} alphas),"
            f" on {len(self.clips)} clips of {self.n_speakers} speakers."
        )

    def plot(self) -> "go.Figure":
        """The curves over alpha, with their intervals and the random control."""
        from esn_interp.plots.dose_curve import dose_curve

        return dose_curve(self)


def dose_response(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    alphas: Sequence[float | int] = ALPHAS,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> DoseResponse:
    """Steer with each emotion's neurons at each alpha, and see how many other clips become that emotion.

    Parameters
    ----------
    alphas
        From -1 (silenced) through 0 (no edit) upwards; sorted, each once.
    draws
        Layer-matched random sets per emotion, run at the same alphas; 0 for no control.
    draws_per_clip
        How many of the draws each clip meets, dealt evenly over speakers and emotions. The default of one
        keeps the control as cheap as the curve itself and estimates the same mean; None runs all draws on all
        clips.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.

    Raises
    ------
    EditError
        On no alpha, one below -1, or one that is not finite.
    StatisticsError
        When the neurons come from another model.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    esns.check(lm)
    positions = frozenset(positions)
    doses = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(doses) or not np.isfinite(doses).all() or doses[0] < -1:
        given = ", ".join(f"{alpha:g}" for alpha in alphas) or "none"
        raise EditError(f"alphas are one or more finite numbers from -1 upwards, not {given}")
    trials = run_trials(
        lm,
        clips,
        esns,
        {f"alpha {alpha:g}": _steering(float(alpha), positions) for alpha in doses if alpha},
        draws=draws,
        draws_per_clip=draws_per_clip,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Steering",
    )
    return _result(trials, Origins.of(lm, clips, esns), esns, doses=doses, positions=positions, seed=seed)


def _steering(alpha: float, positions: frozenset[str]) -> Treatment:
    return lambda neurons: steer(neurons, alpha, positions=positions)


def _result(
    trials: Trials,
    origins: Origins,
    esns: NeuronSet,
    *,
    doses: Float64[np.ndarray, " alpha"],
    positions: frozenset[str],
    seed: int,
) -> DoseResponse:
    """Compute the curves; the unedited answers stand in at alpha 0."""
    treated = np.flatnonzero(doses)
    log_probs = np.empty((len(trials.sets), len(doses), *trials.baseline.shape), dtype=np.float32)
    log_probs[:] = trials.baseline
    log_probs[:, treated] = trials.log_probs.swapaxes(0, 1)
    predicted = log_probs.argmax(axis=-1)
    target = trials.target[:, None, None]
    of_target = trials.of_emotion.T[trials.target][:, None]
    target_log_prob = np.take_along_axis(log_probs, target[..., None], axis=-1)[..., 0]

    flip = trials.means(predicted == target, ~of_target)
    control, per_draw = SpeakerMeans(np.zeros_like(flip.total), np.zeros_like(flip.count)), []
    for answers, met in zip(trials.random, trials.met, strict=True):
        at_dose = np.empty_like(predicted)
        at_dose[:] = trials.baseline.argmax(axis=-1)
        at_dose[:, treated] = answers.swapaxes(0, 1)
        one = trials.means(at_dose == target, ~of_target & met)
        per_draw.append(nan_mean(one.value.T))
        control = control + one
    curves = Curves.of(flip)
    return DoseResponse(
        origins=origins,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        tokens_touched=trials.tokens_touched(positions),
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=tuple(len(esns[emotion]) for emotion in trials.sets),
        alphas=doses,
        flip=curves,
        recall=Curves.of(trials.means(predicted == target, of_target)),
        log_prob=Curves.of(trials.means(target_log_prob, ~of_target), (-np.inf, 0.0)),
        random_flip=Curves.of(control),
        random_draws=np.array(per_draw).reshape(len(per_draw), len(doses)),
        spearman=_spearman(doses, curves.mean),
        page_p=_page(nan_mean(np.swapaxes(flip.per_speaker, 1, 2))),
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=predicted,
        skipped=trials.skipped,
        notes=trials.notes(esns),
    )


def _spearman(doses: Float64[np.ndarray, " alpha"], flips: Float[np.ndarray, " alpha"]) -> float:
    if len(doses) < 2 or np.isnan(flips).any() or np.ptp(flips) == 0:
        return float("nan")
    return float(stats.spearmanr(doses, flips).statistic)


def _page(per_speaker: Float[np.ndarray, "speaker alpha"]) -> float:
    """Page's test that the flip rate rises with alpha, speakers as judges."""
    complete = per_speaker[~np.isnan(per_speaker).any(axis=1)]
    if len(complete) < MIN_SPEAKERS or per_speaker.shape[1] < 3:
        return float("nan")
    return float(stats.page_trend_test(complete).pvalue)
