"""Label-agnostic injection: does steering help where the clip's label is not known, and how near to knowing it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int8, Int64

from esn_interp.analysis.inference.significance import (
    CHANGE,
    MIN_SPEAKERS,
    RATE,
    Interval,
    SpeakerMeans,
    few_speakers_note,
    holm,
    nan_mean,
    sign_flip_test,
)
from esn_interp.analysis.injection.injected import ORACLE, Controls, injecting
from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.trials import options
from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.injection import METHODS
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, PROMPT_SCOPES, Predictions, recognise

if TYPE_CHECKING:
    import plotly.graph_objects as go

ALPHAS = (0.5, 1.0, 2.0, 4.0)
_OWN, _RANDOM = 0, 1


@dataclass(frozen=True, eq=False)
class Gains:
    """A change by method and alpha, with 95 % cluster-t bounds over speakers; signed fractions."""

    value: Float64[np.ndarray, "method alpha"]
    low: Float64[np.ndarray, "method alpha"]
    high: Float64[np.ndarray, "method alpha"]


@dataclass(frozen=True, eq=False)
class Injection(Result):
    """What steering without the label does to recognition, method by method and alpha by alpha.

    ``methods`` are the ways of [ESN-SER], see `esn_interp.interventions.injection`, and before them
    ``oracle``, which is told the label. ``accuracy`` and ``uar`` (mean recall of the emotions) are changes
    against no injection, ``random_accuracy`` and ``random_uar`` the same when layer-matched random neurons
    stand in for the found ones, and ``above_random`` is the accuracy's difference of the two. ``p_values``
    test that difference by sign-flips over speakers; ``p_holm`` adjusts them over all methods and alphas (the
    oracle's by themselves). Both are NaN with fewer than six speakers or without random draws.

    Per clip: ``baseline_predicted`` and ``predicted`` index ``emotions``; ``random_predicted`` holds the
    answers under as many random sets as each clip met.
    """

    kind: ClassVar[str] = "injection"

    origins: Origins
    positions: tuple[str, ...]
    tokens_touched: int
    seed: int
    draws: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    neurons: tuple[int, ...]
    methods: tuple[str, ...]
    alphas: Float64[np.ndarray, " alpha"]
    baseline_accuracy: Interval
    baseline_uar: Interval
    accuracy: Gains
    uar: Gains
    random_accuracy: Gains
    random_uar: Gains
    above_random: Gains
    p_values: Float64[np.ndarray, "method alpha"]
    p_holm: Float64[np.ndarray, "method alpha"]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    baseline_predicted: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "method alpha clip"]
    random_predicted: Int8[np.ndarray, "turn method alpha clip"]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def gain(self, method: str, alpha: float | int) -> Interval:
        """Change of accuracy by one method at one alpha."""
        found = np.flatnonzero(np.isclose(self.alphas, alpha))
        if method not in self.methods or not len(found):
            run = ", ".join(f"{one:g}" for one in self.alphas)
            raise EditError(f"{method} at alpha {alpha:g} was not run; there are {self.methods} at {run}")
        return self._at(self.methods.index(method), int(found[0]))

    def _at(self, method: int, alpha: int) -> Interval:
        gains = self.accuracy
        low, high = float(gains.low[method, alpha]), float(gains.high[method, alpha])
        return Interval(float(gains.value[method, alpha]), low, high, len(set(self.speakers)))

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, kind of neurons (own, random), method and alpha."""
        tables = {
            ("accuracy", "own"): self.accuracy,
            ("uar", "own"): self.uar,
            ("accuracy", "random"): self.random_accuracy,
            ("uar", "random"): self.random_uar,
            ("accuracy above random", "own"): self.above_random,
        }
        rows = [
            {
                "quantity": quantity,
                "neurons": kind,
                "method": method,
                "alpha": alpha,
                "gain": gains.value[i, k],
                "low": gains.low[i, k],
                "high": gains.high[i, k],
                "p": self.p_values[i, k] if quantity == "accuracy above random" else np.nan,
                "p_holm": self.p_holm[i, k] if quantity == "accuracy above random" else np.nan,
            }
            for (quantity, kind), gains in tables.items()
            for i, method in enumerate(self.methods)
            for k, alpha in enumerate(self.alphas)
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence; changes in points of accuracy with 95 % intervals."""
        best = np.nan_to_num(self.accuracy.value, nan=-1.0).argmax(axis=1)
        parts = [
            f"{name} {self._at(row, int(best[row])).scaled(100):+.1f} (alpha {self.alphas[best[row]]:g})"
            for row, name in enumerate(self.methods)
        ]
        return (
            f"Steering changes the accuracy of {self.baseline_accuracy.value:.2f} by, in points at the best of"
            f" {len(self.alphas)} alphas on these clips: {', '.join(parts)};"
            f" {len(self.clips)} clips of {self.baseline_accuracy.speakers} speakers."
        )

    def plot(self) -> "go.Figure":
        """Gains over alpha by method, with the oracle and the random control."""
        from esn_interp.analysis.injection.figure import injection_gain

        return injection_gain(self)


def injection(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    methods: Sequence[str] = METHODS,
    alphas: Sequence[float | int] = ALPHAS,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Injection:
    """Steer every clip without its label, and see whether more of them are recognised.

    Each clip is heard once; its unedited answer is the first pass of the methods that need one.

    Parameters
    ----------
    methods
        Any of ``two_pass``, ``mix`` and ``union``; the oracle is always run beside them.
    alphas
        Gains, from -1 upwards.
    draws
        Layer-matched random sets for the control, used with the same weights; 0 for none.
    draws_per_clip
        How many of them each clip meets, dealt evenly over speakers and emotions; None is all.

    Raises
    ------
    EditError
        On an unknown method, or an alpha that is below -1 or not finite.
    StatisticsError
        When the neurons come from another model or are none at all.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    esns.check(lm)
    if unknown := [method for method in methods if method not in METHODS]:
        raise EditError(f"unknown way of injecting {unknown[0]!r}; choose from {', '.join(METHODS)}")
    doses = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(doses) or not np.isfinite(doses).all() or doses[0] < -1:
        given = ", ".join(f"{alpha:g}" for alpha in alphas) or "none"
        raise EditError(f"alphas are one or more finite numbers from -1 upwards, not {given}")
    if not len(esns):
        raise StatisticsError("there is nothing to inject: the set of neurons is empty")
    per_clip = draws if draws_per_clip is None else draws_per_clip
    if draws < 0 or (draws > 0 and not 1 <= per_clip <= draws):
        raise StatisticsError(f"each clip can meet 1 to {draws} random draws, not {per_clip}")
    recognition, where = options(clips, esns), frozenset(positions)
    truth = np.array(
        [
            recognition.index(emotion, clip=clip)
            for clip, emotion in zip(clips.column("id"), clips.column("emotion"), strict=True)
        ],
        dtype=np.int64,
    )
    speaker = np.unique(np.array(clips.column("speaker")), return_inverse=True)[1]
    controls = Controls.draw(esns, truth, speaker, draws=draws, per_clip=per_clip, seed=seed)
    tried = (ORACLE, *dict.fromkeys(methods))
    answers = recognise(
        lm,
        clips,
        conditions={
            BASELINE: (),
            **injecting(
                esns,
                truth,
                controls,
                methods=tried,
                alphas=doses.tolist(),
                emotions=recognition.emotions,
                positions=where,
            ),
        },
        recognition=recognition,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Injecting",
    )
    return _result(answers, Origins.of(lm, clips, esns), esns, controls, tried, doses, where, seed=seed)


def _result(
    answers: Predictions,
    origins: Origins,
    esns: NeuronSet,
    controls: Controls,
    methods: tuple[str, ...],
    doses: Float64[np.ndarray, " alpha"],
    positions: frozenset[str],
    *,
    seed: int,
) -> Injection:
    names, speaker = np.unique(np.array(answers.speaker), return_inverse=True)
    truth, before, cells = answers.truth, answers.predicted[0], (len(methods), len(doses))
    edited = answers.predicted[1:].reshape(-1, *cells, len(truth))
    change = (edited == truth).astype(np.float64) - (before == truth)
    # Own neurons and random ones; a clip's change under random ones is the mean over the draws that it met.
    outcome = np.zeros((len(truth), 2, *cells))
    outcome[:, _OWN] = np.moveaxis(change[0], -1, 0)
    met = np.ones_like(outcome, dtype=np.bool_)
    if len(change) > 1:
        outcome[:, _RANDOM] = np.moveaxis(change[1:].mean(axis=0), -1, 0)
    else:
        met[:, _RANDOM] = False

    def means(
        values: Float[np.ndarray, " clip *cell"], mask: Bool[np.ndarray, " clip *cell"]
    ) -> SpeakerMeans:
        return SpeakerMeans.of(values, mask, speaker.astype(np.int64), speakers=len(names))

    of_emotion = truth[:, None] == np.arange(len(answers.emotions))
    spread = np.broadcast_to(outcome[..., None], (*outcome.shape, len(answers.emotions)))
    accuracy, recall = means(outcome, met), means(spread, met[..., None] & of_emotion[:, None, None, None])
    right = (before == truth).astype(np.float64)
    recall_before = means(np.repeat(right[:, None], of_emotion.shape[1], axis=1), of_emotion)
    per_speaker = accuracy.per_speaker[:, _OWN] - accuracy.per_speaker[:, _RANDOM]
    p_values = np.array(
        [
            sign_flip_test(values, seed=seed) if (~np.isnan(values)).sum() >= MIN_SPEAKERS else np.nan
            for values in per_speaker.reshape(len(names), -1).T
        ]
    ).reshape(cells)
    # The oracle is a yardstick, not one of the ways that are tested, so it is a family of its own.
    adjusted = np.vstack([holm(p_values[0]), holm(p_values[1:].ravel()).reshape(-1, len(doses))])
    return Injection(
        origins=origins,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        tokens_touched=int(answers.tokens[:, [scope in positions for scope in PROMPT_SCOPES]].sum()),
        seed=seed,
        draws=len(controls.sets),
        emotions=answers.emotions,
        sets=tuple(esns.emotions),
        neurons=tuple(len(esns[emotion]) for emotion in esns.emotions),
        methods=methods,
        alphas=doses,
        baseline_accuracy=means(right, np.ones_like(right, dtype=np.bool_)).interval(within=RATE),
        baseline_uar=recall_before.interval(nan_mean, within=RATE),
        accuracy=Gains(*accuracy.reduced(lambda cells: cells[..., _OWN, :, :], within=CHANGE)),
        uar=Gains(*recall.reduced(lambda cells: nan_mean(cells[..., _OWN, :, :, :]), within=CHANGE)),
        random_accuracy=Gains(*accuracy.reduced(lambda cells: cells[..., _RANDOM, :, :], within=CHANGE)),
        random_uar=Gains(
            *recall.reduced(lambda cells: nan_mean(cells[..., _RANDOM, :, :, :]), within=CHANGE)
        ),
        above_random=Gains(
            *accuracy.reduced(lambda cells: cells[..., _OWN, :, :] - cells[..., _RANDOM, :, :])
        ),
        p_values=p_values,
        p_holm=adjusted,
        clips=answers.clips,
        speakers=answers.speaker,
        truth=truth,
        baseline_predicted=before,
        predicted=edited[0],
        random_predicted=edited[1:].astype(np.int8),
        skipped=answers.skipped,
        notes=_notes(answers, esns, of_emotion, controls.missing),
    )


def _notes(
    answers: Predictions, esns: NeuronSet, of_emotion: Bool[np.ndarray, "clip emotion"], no_control: str
) -> tuple[str, ...]:
    """What a reader must know before trusting the figures."""
    notes = [note] if (note := few_speakers_note(len(set(answers.speaker)))) else []
    if without := [name for name in answers.emotions if name not in esns.emotions or not len(esns[name])]:
        notes.append(f"no neurons for {', '.join(without)}: these clips are not steered towards it")
    if unheard := [name for at, name in enumerate(answers.emotions) if not of_emotion[:, at].any()]:
        notes.append(f"no clip is {', '.join(unheard)}: left out of the mean recall")
    if no_control:
        notes.append(no_control)
    if answers.skipped:
        notes.append(f"{len(answers.skipped)} clips were skipped, the first: {answers.skipped[0].reason}")
    return tuple(notes)
