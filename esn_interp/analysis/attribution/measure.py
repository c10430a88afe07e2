"""Attribution: how much each gate speaks for the right label, for all gates in one backward pass a batch."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int, Int64

from esn_interp.analysis.attribution.result import ALL, KEPT, Attribution
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.analysis.result import standing_notes
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.models.gradients import Attributions
from esn_interp.neurons.origin import Origin
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.speech.known_clips import provenance
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import Recognition


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


def attribution(
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
    origin = Origin.of(lm, corpus=clips.name, corpus_fingerprint=clips.fingerprint, **provenance(clips))
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
            ids = [clip.id for clip in batch.clips]
            encoded = lm.encode(batch.waveforms, recognition.asked(ids))
            asked = recognition.answers(target, ids)
            found = lm.attributions(encoded, recognition.labels, asked, positions=where)
            if not np.isfinite(found.values).all():
                bad = batch.clips[int(np.argmin(np.isfinite(found.values).all(axis=1)))].id
                raise StatisticsError(f"clip {bad}: a gradient is not finite; run the model in float32")
            answer = recognition.by_emotion(found.log_probs, ids).argmax(axis=1)
            for at, row in enumerate(batch.rows):
                sides = [KEPT, ALL] if answer[at] == target[at] else [ALL]
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
        prompt=recognition.told,
        positions=tuple(scope for scope in SCOPES if scope in where),
        emotions=recognition.emotions,
        seen=count[:, ALL].sum(axis=0),
        kept=count[:, KEPT].sum(axis=0),
        values=SpeakerMeans(total, np.broadcast_to(count[..., None], total.shape)).value,
        **_by_layer(total[:, ALL], count[:, ALL], origin),
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
    found = Estimates.of(SpeakerMeans(sums, np.broadcast_to(count[..., None], sums.shape)))
    return {"layers": found.value, "layers_low": found.low, "layers_high": found.high}


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
    (seen, kept), speakers = count.sum(axis=0)[[ALL, KEPT]], int(count[:, ALL].any(axis=1).sum())
    silent = [
        f"no clip is {emotion}: nothing is attributed to it"
        if not clips
        else f"no clip that is {emotion} was labelled correctly"
        for emotion, clips, right in zip(recognition.emotions, seen, kept, strict=True)
        if not right
    ]
    return standing_notes(speakers, skipped, *silent)
