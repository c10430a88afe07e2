"""Dose-response: how the answers move towards an emotion as its neurons are steered, with controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.dose.breaking import Losses, measure_losses
from esn_interp.analysis.dose.doses import Bands, DoseAxis, dose_axis
from esn_interp.analysis.dose.trials import DosedTrials, run_doses
from esn_interp.analysis.inference.curves import Curves, mean_over_sets
from esn_interp.analysis.inference.sigmoid import Sigmoid, fit_curves
from esn_interp.analysis.inference.significance import Interval, SpeakerMeans
from esn_interp.analysis.inference.trend import page, spearman
from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.trials import UNMET
from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class DoseResponse(Result):
    """What steering with each dose does; the gates of a set are multiplied by ``1 + alpha``.

    The doses differ along ``axis``: in ``alpha``, in the ``top`` fraction of gates selected, in the token
    ``scope`` that is edited, or in the ``band`` of layers whose neurons are used. ``doses`` holds the amounts
    (for scopes and bands just their numbers), ``labels`` what to call them.

    ``flip`` is the share of clips of other emotions that are labelled as the target (the set's own emotion),
    ``recall`` the share of the target's clips that are, ``log_prob`` the mean log-probability (nats) of the
    target on clips of other emotions, and ``random_flip`` the flip rate under layer-matched random sets,
    pooled over the draws. ``random_draws`` holds each draw's mean flip rate over the sets. ``unedited_flip``
    is the mean flip rate without an edit: how often the model makes these mistakes by itself.

    Where the doses are amounts, ``spearman`` is the rank correlation of the mean flip rate with them (NaN
    when it never changes), ``page_p`` the p-value of Page's trend test over speakers (NaN with fewer than six
    speakers or three doses), and ``sigmoid`` the fit to the mean flip rate, ``set_sigmoids`` that of each set.
    ``lost`` tells what else is lost, where that was asked for. ``predicted`` indexes ``emotions``, per clip.
    """

    kind: ClassVar[str] = "dose_response"
    version: ClassVar[int] = 2

    origins: Origins
    axis: str
    labels: tuple[str, ...]
    doses: Float64[np.ndarray, " dose"]
    alphas: Float64[np.ndarray, " dose"]
    positions: tuple[tuple[str, ...], ...]
    tokens_touched: Int64[np.ndarray, " dose"]
    seed: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    neurons: Int64[np.ndarray, "set dose"]
    flip: Curves
    recall: Curves
    log_prob: Curves
    random_flip: Curves
    random_draws: Float64[np.ndarray, "draw dose"]
    unedited_flip: Interval
    spearman: float
    page_p: float
    sigmoid: Sigmoid | None
    set_sigmoids: tuple[Sigmoid, ...]
    lost: Losses | None
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "set dose clip"]
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
    def best(self) -> int:
        """Position of the dose with the highest mean flip rate on these clips; among equals, the first."""
        return int(np.argmax(np.nan_to_num(self.flip.mean, nan=-1.0)))

    @property
    def best_alpha(self) -> float:
        """The alpha of the dose with the highest mean flip rate."""
        return float(self.alphas[self.best])

    @property
    def broken(self) -> tuple[str, ...]:
        """Labels of the doses at which the model breaks (see `Losses`); none where that was not asked."""
        if self.lost is None:
            return ()
        return tuple(label for label, lost in zip(self.labels, self.lost.broken, strict=True) if lost)

    def flip_rate(self, dose: float | int | str) -> Interval:
        """Mean flip rate over the sets at one dose, given by its amount or its label."""
        return self.flip.at(self._find(dose))

    def random_flip_rate(self, dose: float | int | str | None = None) -> Interval:
        """Mean flip rate of the random sets at one dose; by default at the one where it is highest."""
        if not self.draws:
            return Interval(float("nan"), float("nan"), float("nan"), self.n_speakers)
        if dose is None:
            return self.random_flip.at(int(np.argmax(np.nan_to_num(self.random_flip.mean, nan=-1.0))))
        return self.random_flip.at(self._find(dose))

    def _find(self, dose: float | int | str) -> int:
        if isinstance(dose, str):
            found = [at for at, label in enumerate(self.labels) if label == dose]
        else:
            found = np.flatnonzero(np.isclose(self.doses, dose)).tolist()
        if not found:
            given = dose if isinstance(dose, str) else f"{dose:g}"
            raise EditError(f"{self.axis} {given} was not run; there are {', '.join(self.labels)}")
        return found[0]

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, set (or ``mean``) and dose."""
        quantities = {
            "flip": self.flip,
            "recall": self.recall,
            "log_prob": self.log_prob,
            "random_flip": self.random_flip,
            **({f"loss of {name}": curves for name, curves in self.lost.curves.items()} if self.lost else {}),
        }
        rows = [
            {
                "quantity": name,
                "set": label,
                self.axis: self.doses[k] if self._ordered else self.labels[k],
                "value": value[k],
                "low": low[k],
                "high": high[k],
            }
            for name, curves in quantities.items()
            for label, value, low, high in (
                *zip(self.sets, curves.value, curves.low, curves.high, strict=True),
                ("mean", curves.mean, curves.mean_low, curves.mean_high),
            )
            for k in range(len(self.doses))
        ]
        return pd.DataFrame(rows)

    @property
    def _ordered(self) -> bool:
        return self.axis in ("alpha", "top")

    def summary(self) -> str:
        """The result in one sentence; flip rates in percent with 95 % intervals."""
        best = self.labels[self.best]
        where = f"alpha {best}" if self.axis == "alpha" else f"{self.axis} {best} (alpha {self.best_alpha:g})"
        control = f", random neurons of the same layers at most {self.random_flip_rate():.1%}"
        trend = ""
        if self._ordered:
            trend = (
                f"; flip rate and {self.axis} correlate by {self.spearman:.2f}"
                f" (Spearman, {len(self.doses)} doses)"
            )
        if self.sigmoid and not np.isnan(self.sigmoid.ec50.value):
            trend += f", half of the effect is there at {self.axis} {self.sigmoid.ec50:.3g}"
        if self.broken:
            trend += f"; more than 10 points are lost elsewhere at {self.axis} {', '.join(self.broken)}"
        return (
            f"Amplifying an emotion's own neurons turns {self.flip.at(self.best):.1%} of the other emotions'"
            f" clips into it at {where}"
            + (control if self.draws else "")
            + f"{trend}; on {len(self.clips)} clips of {self.n_speakers} speakers."
        )

    def plot(self) -> "go.Figure":
        """The curves over the doses, with their intervals and the random control."""
        from esn_interp.analysis.dose.figure import dose_curve
        from esn_interp.analysis.dose.points_figure import dose_points

        return dose_curve(self) if self._ordered else dose_points(self)


def dose_response(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    alphas: Sequence[float | int] | None = None,
    tops: Sequence[float] | None = None,
    scopes: Sequence[str] | None = None,
    bands: Bands | None = None,
    alpha: float | int = 4.0,
    stats: GateStatistics | None = None,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
    side_clips: int = 0,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> DoseResponse:
    """Steer with each emotion's neurons at each dose, and see how many other clips become that emotion.

    Parameters
    ----------
    alphas
        Doses are gains, from -1 (silenced) through 0 (no edit) upwards; sorted, each once. The default.
    tops
        Doses are sizes of the sets: fractions of all gates, selected from ``stats`` as ``esns`` was.
    scopes
        Doses are token scopes: some of ``audio``, ``text``, ``last`` and ``all``.
    bands
        Doses are the parts of the set that lie in bands of layers: 3 for early, middle and late thirds, or
        the first and last layer of each band.
    alpha
        The gain where it is not the dose.
    draws
        Layer-matched random sets per emotion, run at the same doses; 0 for no control.
    draws_per_clip
        How many of the draws each clip meets, dealt evenly over speakers and emotions. The default of one
        keeps the control as cheap as the curve itself and estimates the same mean; None runs all draws on all
        clips.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.
    side_clips
        Ask so many clips, evenly over the emotions, for free answers, transcripts and the speaker's sex at
        every dose, to see where the model breaks. Text is generated, which is slow: none by default.

    Raises
    ------
    EditError
        When more than one kind of dose is given, or a dose is out of its range.
    StatisticsError
        When the neurons or the statistics come from another model, or ``tops`` has no ``stats``.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    esns.check(lm)
    axis = dose_axis(
        esns,
        alphas=alphas,
        tops=tops,
        scopes=scopes,
        bands=bands,
        alpha=float(alpha),
        stats=stats,
        positions=frozenset(positions),
    )
    dosed = run_doses(
        lm,
        clips,
        axis,
        draws=draws,
        draws_per_clip=draws_per_clip,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
    )
    lost = None
    if side_clips:
        asked = clips.limit(side_clips, seed=seed)
        lost = measure_losses(lm, asked, axis, esns.emotions, batch_size=batch_size, progress=progress)
    return _result(axis, dosed, Origins.of(lm, clips, esns), lost, seed=seed)


def _result(
    axis: DoseAxis, dosed: DosedTrials, origins: Origins, lost: Losses | None, *, seed: int
) -> DoseResponse:
    """Compute the curves, and what is fitted to them."""
    trials, predicted, target = dosed.trials, dosed.predicted, dosed.trials.target[:, None, None]
    of_target = trials.of_emotion.T[trials.target][:, None]
    flip = trials.means(predicted == target, ~of_target)
    unedited = trials.means((trials.baseline.argmax(axis=-1) == trials.target[:, None])[:, None], ~of_target)
    control, per_draw = SpeakerMeans(np.zeros_like(flip.total), np.zeros_like(flip.count)), []
    for answers in dosed.random:
        one = trials.means(answers == target, ~of_target & (answers != UNMET))
        per_draw.append(mean_over_sets(one.value))
        control = control + one
    curves = Curves.of(flip)
    doses = np.array([dose.value for dose in axis.doses], dtype=np.float64)
    sigmoid, of_sets = fit_curves(doses, unedited, flip) if axis.ordered else (None, ())
    notes = (sigmoid.note,) if sigmoid and sigmoid.note else ()
    return DoseResponse(
        origins=origins,
        axis=axis.name,
        labels=tuple(dose.label for dose in axis.doses),
        doses=doses,
        alphas=np.array([dose.alpha for dose in axis.doses], dtype=np.float64),
        positions=tuple(tuple(scope for scope in SCOPES if scope in dose.positions) for dose in axis.doses),
        tokens_touched=np.array([trials.tokens_touched(dose.positions) for dose in axis.doses]),
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=np.array([[len(dose.neurons[emotion]) for dose in axis.doses] for emotion in trials.sets]),
        flip=curves,
        recall=Curves.of(trials.means(predicted == target, of_target)),
        log_prob=Curves.of(trials.means(dosed.target_log_prob, ~of_target), (-np.inf, 0.0)),
        random_flip=Curves.of(control),
        random_draws=np.array(per_draw).reshape(len(per_draw), len(doses)),
        unedited_flip=Curves.of(unedited).at(0),
        spearman=spearman(doses, curves.mean) if axis.ordered else float("nan"),
        page_p=page(mean_over_sets(flip.per_speaker)) if axis.ordered else float("nan"),
        sigmoid=sigmoid,
        set_sigmoids=of_sets,
        lost=lost,
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=predicted,
        skipped=trials.skipped,
        notes=(*dosed.notes, *notes),
    )
