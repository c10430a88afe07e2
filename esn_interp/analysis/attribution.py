"""Attribution: how much each gate speaks for the right label, for all gates in one backward pass a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int, Int64

from esn_interp.analysis.attribution_check import SAMPLE, AttributionCheck, check_attribution
from esn_interp.analysis.result import Result
from esn_interp.analysis.significance import SpeakerMeans, few_speakers_note
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.models.gradients import Attributions
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.scores import Scores
from esn_interp.neurons.selectors import Size, take
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import Recognition

if TYPE_CHECKING:
    import plotly.graph_objects as go

FILTERS = ("correct", "none")
_KEPT, _ALL = 0, 1


@runtime_checkable
class Differentiable(Listener, Protocol):
    """The part of `AudioLM` that attribution needs."""

    def attributions(
        self,
        encoded: Any,
        labels: Sequence[str],
        target: Int[np.ndarray, " clip"],
        *,
        positions: Iterable[str] = EVERYWHERE,
    ) -> Attributions:
        """Gradient times gate of the log-odds of each clip's target label."""
        ...


@dataclass(frozen=True, eq=False)
class Attribution(Result):
    """Gradient times gate of the log-odds of the right label, for every gate, in nats.

    ``values[side, e, n]`` is the mean over the clips of emotion e of ``sum over tokens of g * dL / dg``, with g
    gate n and L the log-odds of e as the answer; side 0 holds the clips that the model labels correctly, side
    1 all of them. A positive value says that silencing the gate would lower the log-odds of the right answer,
    by about as much. NaN where there is no clip. ``seen`` and ``kept`` count the clips.

    ``layers`` is the sum over each layer's gates, of all clips, with 95 % cluster-t bounds over speakers.
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
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, " clip"]
    per_clip: Float32[np.ndarray, "clip gate"] | None
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def where(self) -> str:
        """The token scopes in words."""
        return "all" if frozenset(self.positions) == EVERYWHERE else " and ".join(self.positions)

    def score(self, filter: str = "correct") -> Float64[np.ndarray, "emotion gate"]:
        """The values of the correctly labelled clips, or with ``"none"`` of all clips."""
        if filter not in FILTERS:
            raise StatisticsError(f"unknown filter {filter!r}; choose {' or '.join(FILTERS)}")
        return self.values[_KEPT if filter == "correct" else _ALL]

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
        total = ordered[:, -1:]
        return np.divide(ordered, total, out=np.full(ordered.shape, np.nan), where=total > 0)

    def to_frame(self) -> pd.DataFrame:
        """One row per emotion and gate, strongest first within an emotion."""
        layer, neuron = self.origin.locate(np.arange(self.origin.n_gates))
        frames = [
            pd.DataFrame(
                {
                    "emotion": emotion,
                    "layer": layer,
                    "neuron": neuron,
                    "correct": self.values[_KEPT, row],
                    "all": self.values[_ALL, row],
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
            f" {len(set(self.speakers))} speakers)."
        )

    def plot(self) -> "go.Figure":
        """Attribution by layer and emotion, and how few gates hold most of it."""
        from esn_interp.plots.attribution_map import attribution_map

        return attribution_map(self)


def attribute(
    lm: Differentiable,
    clips: Clips,
    *,
    positions: Iterable[str] = EVERYWHERE,
    emotions: Sequence[str] | None = None,
    per_clip: bool = False,
    batch_size: int = 16,
    strict: bool = False,
    progress: bool = True,
) -> Attribution:
    """Attribute the log-odds of each clip's own emotion to all gates, in one backward pass a batch.

    Gradient times gate is the first-order estimate of what silencing one gate takes from the log-odds; true
    ablation of every gate would take as many runs as there are gates. `Attribution.check` says how good the
    estimate is.

    Parameters
    ----------
    positions
        Token scopes that are summed over: any of ``audio``, ``text``, ``last``; all by default.
    emotions
        The options of the question, in this order; by default the emotions of ``clips``.
    per_clip
        Keep every clip's values: four bytes for each clip and gate in memory, more in the file.

    Raises
    ------
    CorpusError
        When no clip can be used, or one has an emotion that is not among the options.
    EditError
        When a scope is unknown or has no token.
    StatisticsError
        When a gradient is not finite.
    """
    recognition = Recognition(tuple(emotions) if emotions is not None else clips.emotions)
    where = frozenset(positions)
    origin = Origin(lm.name, lm.fingerprint, lm.component, tuple(lm.widths), clips.name, clips.fingerprint)
    speaker = np.unique(np.array(clips.column("speaker")), return_inverse=True)[1]
    shape = (2, len(recognition.emotions))
    total = np.zeros((int(speaker.max(initial=-1)) + 1, *shape, origin.n_gates))
    count = np.zeros((len(total), *shape), dtype=np.int64)
    truth, predicted = np.full((2, len(clips)), -1, dtype=np.int64)
    own: list[tuple[list[int], np.ndarray]] = []
    skipped: list[Skipped] = []
    with progress_bar("Attributing", len(clips), enabled=progress) as advance:
        for batch in batches(clips, batch_size=batch_size, skipped=skipped, strict=strict):
            target = np.array([recognition.index(clip.emotion, clip=clip.id) for clip in batch.clips])
            encoded = lm.encode(batch.waveforms, recognition.prompt)
            found = lm.attributions(encoded, recognition.labels, target, positions=where)
            if not np.isfinite(found.values).all():
                bad = batch.clips[int(np.argmin(np.isfinite(found.values).all(axis=1)))].id
                raise StatisticsError(f"clip {bad}: a gradient is not finite; run the model in float32")
            answer = found.log_probs.argmax(axis=1)
            for at, row in enumerate(batch.rows):
                sides = [_KEPT, _ALL] if answer[at] == target[at] else [_ALL]
                total[speaker[row], sides, target[at]] += found.values[at]
                count[speaker[row], sides, target[at]] += 1
            truth[batch.rows], predicted[batch.rows] = target, answer
            if per_clip:
                own.append((batch.rows, found.values))
            advance(len(batch))
    used = np.flatnonzero(truth >= 0)
    if not len(used):
        reason = f"; the first of {len(skipped)} skipped: {skipped[0].reason}" if skipped else ""
        raise CorpusError(f"corpus {clips.name}: no clip to attribute{reason}")
    return Attribution(
        origin=origin,
        prompt=recognition.prompt,
        positions=tuple(scope for scope in SCOPES if scope in where),
        emotions=recognition.emotions,
        seen=count[:, _ALL].sum(axis=0),
        kept=count[:, _KEPT].sum(axis=0),
        values=SpeakerMeans(total, np.broadcast_to(count[..., None], total.shape)).value,
        **_by_layer(total[:, _ALL], count[:, _ALL], origin),
        clips=tuple(str(clips.column("id")[row]) for row in used),
        speakers=tuple(str(clips.column("speaker")[row]) for row in used),
        truth=truth[used],
        predicted=predicted[used],
        per_clip=_in_order(own, used, origin.n_gates) if per_clip else None,
        skipped=tuple(skipped),
        notes=_notes(recognition, count, skipped),
    )


def _by_layer(
    total: Float64[np.ndarray, "speaker emotion gate"],
    count: Int64[np.ndarray, "speaker emotion"],
    origin: Origin,
) -> dict[str, Float64[np.ndarray, "emotion layer"]]:
    sums = np.stack([total[..., columns].sum(axis=-1) for columns in origin.layers], axis=-1)
    means = SpeakerMeans(sums, np.broadcast_to(count[..., None], sums.shape))
    low, high = means.bounds()
    return {"layers": means.value, "layers_low": low, "layers_high": high}


def _in_order(
    parts: Sequence[tuple[list[int], np.ndarray]], used: Int64[np.ndarray, " clip"], gates: int
) -> Float32[np.ndarray, "clip gate"]:
    values = np.zeros((len(used), gates), dtype=np.float32)
    for rows, part in parts:
        values[np.searchsorted(used, rows)] = part
    return values


def _notes(
    recognition: Recognition, count: Int64[np.ndarray, "speaker side emotion"], skipped: Sequence[Skipped]
) -> tuple[str, ...]:
    speakers = int(count[:, _ALL].any(axis=1).sum())
    notes = [note] if (note := few_speakers_note(speakers)) else []
    seen, kept = count[:, _ALL].sum(axis=0), count[:, _KEPT].sum(axis=0)
    for emotion, clips, right in zip(recognition.emotions, seen.tolist(), kept.tolist(), strict=True):
        if not clips:
            notes.append(f"no clip is {emotion}: nothing is attributed to it")
        elif not right:
            notes.append(f"no clip that is {emotion} was labelled correctly")
    if skipped:
        notes.append(f"{len(skipped)} clips were skipped, the first: {skipped[0].reason}")
    return tuple(notes)
