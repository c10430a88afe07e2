"""A corpus as a stream of batches: clips of like duration together, bad clips set aside and listed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from esn_interp.errors import AudioError
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clip, Clips

WINDOW = 32
"""Batches that are read ahead and sorted together: enough to even out durations, little enough to hold."""


@dataclass(frozen=True)
class Batch:
    """Clips that are run together.

    ``rows`` are their positions in the corpus; ``waveforms`` are mono, 16 kHz, in the same order. ``inputs`` are what
    the model made of them already, if it did; ``tokens`` about how many each clip's prompt has, where that counts.
    """

    rows: list[int]
    clips: list[Clip]
    waveforms: list[np.ndarray]
    inputs: Any = None
    tokens: list[int] = field(default_factory=list[int])

    def __len__(self) -> int:
        return len(self.rows)

    def with_inputs(self, inputs: Any) -> "Batch":
        """The same, prepared."""
        return replace(self, inputs=inputs)

    def take(self, part: slice) -> "Batch":
        """Some of the clips, to be prepared anew."""
        return Batch(self.rows[part], self.clips[part], self.waveforms[part], tokens=self.tokens[part])


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be used, and why."""

    clip: str
    reason: str


def batches(
    clips: Clips,
    *,
    batch_size: int,
    skipped: list[Skipped],
    strict: bool = False,
    window: int = WINDOW,
    longest: float | None = None,
) -> Iterator[Batch]:
    """Stream the corpus in batches of like duration, so that little is spent on padding.

    ``window`` batches are read at a time and sorted by duration (ties in corpus order), which bounds the
    memory. Every clip is decoded once. A clip whose audio is bad, or lasts more than ``longest`` seconds, is
    appended to ``skipped``.

    Raises
    ------
    AudioError
        On the first bad clip, when ``strict``.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    held: list[tuple[int, Clip, np.ndarray]] = []
    for row in range(len(clips)):
        clip = clips[row]
        try:
            held.append((row, clip, waveform(clip, longest)))
        except AudioError as error:
            if strict:
                raise
            skipped.append(Skipped(clip.id, str(error)))
        if len(held) == window * batch_size:
            yield from _by_duration(held, batch_size)
            held = []
    yield from _by_duration(held, batch_size)


def waveform(clip: Clip, longest: float | None) -> np.ndarray:
    """The samples of a clip; raises AudioError when they are bad, or last longer than ``longest`` seconds."""
    wave = clip.waveform()
    if longest is not None and (seconds := len(wave) / SAMPLE_RATE) > longest:
        raise AudioError(
            f"{clip.id}: lasts {seconds:.1f} s, longer than the {longest:g} s that the model hears; cut it into"
            " shorter clips"
        )
    return wave


def _by_duration(held: list[tuple[int, Clip, np.ndarray]], batch_size: int) -> Iterator[Batch]:
    held = sorted(held, key=lambda item: (len(item[2]), item[0]))
    for start in range(0, len(held), batch_size):
        rows, clips, waveforms = zip(*held[start : start + batch_size], strict=True)
        yield Batch(list(rows), list(clips), list(waveforms))
