"""Collecting statistics: one streaming pass that labels every clip and reduces its gates."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.neurons.accumulator import Accumulator, BatchTap
from esn_interp.neurons.layout import SCOPES
from esn_interp.neurons.origin import GatedModel, Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.recognition import Recognition

FEW = 10
"""Fewer kept clips of an emotion than this are warned of: their means say little about it. (Our choice.)"""

KIND, VERSION = "collection checkpoint", 2


class CollectWarning(UserWarning):
    """Something about the clips makes the statistics weaker than they look."""


@runtime_checkable
class ReadableModel(GatedModel, Protocol):
    """The part of `AudioLM` that collecting needs."""

    def encode(self, waveforms: Sequence[np.ndarray], prompt: str) -> Any:
        """Hear the clips once; ``scopes`` of the result says where each token stands (-1 is padding)."""
        ...

    def scores(
        self, encoded: Any, labels: Sequence[str], *, tap: BatchTap
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels; shows every layer's gates over the prompt to ``tap``."""
        ...


def collect(
    lm: ReadableModel,
    clips: Clips,
    *,
    batch_size: int = 16,
    limit: int | None = None,
    per_clip: bool = False,
    strict: bool = False,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 20,
    resume: bool = False,
    emotions: Sequence[str] | None = None,
    synonyms: Mapping[str, tuple[str, ...]] | None = None,
    seed: int = 0,
) -> GateStatistics:
    """Ask the multiple-choice emotion question about every clip, and add up its gates on the side of its
    answer.

    One pass, nothing stored but the sums: the memory does not grow with the number of clips. A clip counts as
    kept when the unedited model labels it correctly [ESN-SER]; both sides are collected, and the choice is
    made when neurons are selected. Padding never counts, so batches of any size give the same labels and
    counts, and sums that differ by floating-point order only.

    Parameters
    ----------
    limit
        Use this many clips at most, balanced over the emotions, drawn with ``seed``.
    per_clip
        Keep every clip's own sums as well, from which the statistics of any part of the clips follow. Large,
        16 bytes per clip, gate and scope: the size is told first, on stderr.
    strict
        Stop at the first clip whose audio is bad, instead of skipping and listing it.
    checkpoint, checkpoint_every
        A file that is replaced after every so many batches: an interruption loses no more than these.
    resume
        Continue from ``checkpoint``, if it is there, to the same numbers as an uninterrupted pass.
    emotions
        The options that the prompt lists, in this order; clips of other emotions are left out. By default
        the emotions of ``clips``. Name them when the clips are a shard, which may lack one: only statistics
        of the same emotions add up.

    synonyms
        Further words that count as naming an emotion, see `Recognition`.

    Raises
    ------
    CorpusError
        When no clip is of the emotions, or none can be used.
    AudioError
        On a bad clip, when ``strict``.
    StatisticsError
        When the checkpoint is of another collection or not named, or a clip's gates are not finite.

    Warns
    -----
    CollectWarning
        When clips were skipped, or fewer than 10 clips of an emotion were labelled correctly.
    """
    options = tuple(emotions) if emotions is not None else clips.emotions
    recognition = Recognition(options, synonyms=dict(synonyms or {}))
    clips = _chosen(clips, recognition.emotions)
    clips = clips if limit is None else clips.limit(limit, seed=seed)
    origin = Origin.of(lm, corpus=clips.name, corpus_fingerprint=clips.fingerprint)
    if per_clip and progress:
        size = PerClip.size(len(clips), origin.n_gates, len(SCOPES))
        sys.stderr.write(f"Keeping the sums of each of {len(clips)} clips: {_in_words(size)}\n")
    start, partial = _read(checkpoint, origin, recognition, per_clip) if resume else (0, None)
    accumulator = Accumulator(origin, recognition.emotions, per_clip=per_clip, start=partial)
    skipped = [Skipped(*pair) for pair in partial.skipped] if partial else []

    def so_far() -> GateStatistics:
        pairs = [(one.clip, one.reason) for one in skipped]
        return accumulator.statistics(prompt=recognition.prompt, skipped=pairs, seed=seed)

    with progress_bar("Collecting statistics", len(clips), enabled=progress) as advance:
        advance(start)
        # Clips are sorted by duration within a stretch only: so a checkpoint is a position in the corpus.
        for begin in range(start, len(clips), checkpoint_every * batch_size):
            end = min(begin + checkpoint_every * batch_size, len(clips))
            before = len(skipped)
            stretch = clips.take(list(range(begin, end)))
            for batch in batches(
                stretch,
                batch_size=batch_size,
                skipped=skipped,
                strict=strict,
                window=checkpoint_every,
                longest=longest_clip(lm),
            ):
                encoded = lm.encode(batch.waveforms, recognition.prompt)
                tap = accumulator.tap(np.asarray(encoded.scopes))
                scores = recognition.by_emotion(lm.scores(encoded, recognition.labels, tap=tap))
                truth = np.array([recognition.index(clip.emotion, clip=clip.id) for clip in batch.clips])
                ids = [clip.id for clip in batch.clips]
                accumulator.fold(
                    tap,
                    emotion=truth,
                    kept=scores.argmax(axis=1) == truth,
                    ids=ids,
                    speakers=[clip.speaker for clip in batch.clips],
                )
                advance(len(batch))
            advance(len(skipped) - before)
            if checkpoint is not None:
                _write(checkpoint, so_far(), end)
    stats = so_far()
    _report(stats)
    return stats


def _chosen(clips: Clips, emotions: Sequence[str]) -> Clips:
    found = clips.column("emotion")
    rows = [row for row, emotion in enumerate(found) if emotion in emotions]
    if not rows:
        asked, had = ", ".join(emotions), ", ".join(clips.emotions)
        raise CorpusError(f"corpus {clips.name}: no clip is {asked}; its emotions are {had or 'none'}")
    return clips if len(rows) == len(found) else clips.take(rows)


def _write(checkpoint: str | Path, partial: GateStatistics, position: int) -> None:
    header = partial.header() | {"kind": KIND, "version": VERSION, "position": position}
    save_tensors(checkpoint, partial.arrays(), header)


def _read(
    checkpoint: str | Path | None, origin: Origin, recognition: Recognition, per_clip: bool
) -> tuple[int, GateStatistics | None]:
    """Position and sums at which to go on; the beginning, where there is no checkpoint yet."""
    if checkpoint is None:
        raise StatisticsError("to resume a collection, name the checkpoint file that it wrote")
    if not Path(checkpoint).exists():
        return 0, None
    arrays, header = load_tensors(checkpoint, kind=KIND, version=VERSION)
    partial = GateStatistics.from_file(arrays, header, where=str(checkpoint))
    partial.origin.check(origin, f"the sums in {checkpoint}")
    for what, theirs, ours in (
        ("clips", partial.origin.corpus_fingerprint, origin.corpus_fingerprint),
        ("prompt", partial.prompt, recognition.prompt),
        ("per-clip values", partial.per_clip is not None, per_clip),
    ):
        if theirs != ours:
            raise StatisticsError(
                f"{checkpoint}: the checkpoint has other {what} ({theirs}, not {ours}); start anew, or "
                "collect the same"
            )
    return int(header["position"]), partial


def _report(stats: GateStatistics) -> None:
    """Warn of what makes the statistics weak; raise when there is nothing in them."""
    seen, kept = stats.seen, stats.kept
    first = f"{stats.skipped[0][0]}: {stats.skipped[0][1]}" if stats.skipped else ""
    if not sum(seen.values()):
        raise CorpusError(
            f"corpus {stats.corpus}: none of its {len(stats.skipped)} clips can be used; the first is {first}"
        )
    if stats.skipped:
        total = sum(seen.values()) + len(stats.skipped)
        warnings.warn(
            f"skipped {len(stats.skipped)} of {total} clips; the first is {first}",
            CollectWarning,
            stacklevel=3,
        )
    if few := [f"{emotion} {kept[emotion]} of {seen[emotion]}" for emotion in kept if kept[emotion] < FEW]:
        warnings.warn(
            f"few clips were labelled correctly: {', '.join(few)}; these emotions' neurons will be uncertain",
            CollectWarning,
            stacklevel=3,
        )


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
