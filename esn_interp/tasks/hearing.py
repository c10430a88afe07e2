"""A corpus as a model hears it: stretch by stretch, read and prepared ahead of the model, in batches of like length."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from esn_interp.errors import AudioError
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.ahead import ahead, mapped
from esn_interp.tasks.batches import Batch, Skipped, waveform
from esn_interp.tasks.budget import Budget, Lengths
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.recognition import Recognition

_AUTO = 16  # clips of a batch, where it is to be told how many a stretch has before batches are made
_DEPTH = 3
_WORKERS = 4


@dataclass(eq=False)
class Plan:
    """How clips are put together: a stretch of the corpus is sorted by duration and cut by the budget.

    Attributes
    ----------
    budget
        What is run at a time; smaller, once memory did not suffice.
    window
        Batches in a stretch.
    batches
        Rows of the corpus in the batches that were run.
    """

    budget: Budget
    window: int
    batches: list[list[int]] = field(default_factory=list[list[int]])
    stretch: int = 0

    def __post_init__(self) -> None:
        by_number = self.budget.clips if self.budget.tokens is None else _AUTO
        self.stretch = self.stretch or self.window * by_number

    @classmethod
    def of(cls, batch_size: int | Literal["auto"], lm: Any, *, window: int) -> "Plan":
        """A plan to begin with."""
        return cls(Budget.of(batch_size, lm), window)

    def ran(self, rows: list[int]) -> None:
        """Note a batch."""
        self.batches.append(rows)


@dataclass(frozen=True)
class Stretch:
    """The end of a stretch: the row at which the next begins, and the clips of it that can't be used."""

    position: int
    skipped: list[Skipped]


class Hearing:
    """Batches of a corpus, each stretch followed by its `Stretch`.

    Parameters
    ----------
    workers
        Threads that read audio; one more puts batches together and makes the model's inputs. With 0 all is done when
        it is asked for. None decides by where the model is.
    """

    def __init__(
        self, lm: Any, clips: Clips, recognition: Recognition, plan: Plan, *, strict: bool, workers: int | None
    ) -> None:
        self._lm, self._clips, self._recognition = lm, clips, recognition
        self._plan, self._strict = plan, strict
        self._longest = longest_clip(lm)
        self._workers = _default_workers(lm) if workers is None else workers
        measured = lm if plan.budget.tokens is not None else None
        self._lengths = Lengths(measured, recognition.prompt, longest=self._longest)

    @contextmanager
    def from_row(self, start: int) -> Generator[Iterator[Batch | Stretch]]:
        """The batches from a row of the corpus on; threads end with the block."""
        with ahead(self._stretches(start), depth=_DEPTH if self._workers else 0) as heard:
            yield heard

    def _stretches(self, start: int) -> Generator[Batch | Stretch]:
        # Clips are sorted by duration within a stretch only: so a checkpoint is a position in the corpus.
        for begin in range(start, len(self._clips), self._plan.stretch):
            end = min(begin + self._plan.stretch, len(self._clips))
            held: list[tuple[int, Clip, np.ndarray]] = []
            skipped: list[Skipped] = []
            for row, clip, wave in mapped(self._read, range(begin, end), workers=self._workers):
                if isinstance(wave, AudioError):
                    if self._strict:
                        raise wave
                    skipped.append(Skipped(clip.id, str(wave)))
                else:
                    held.append((row, clip, wave))
            held.sort(key=lambda item: (len(item[2]), item[0]))
            tokens = [self._lengths.tokens(len(wave)) for _, _, wave in held]
            for part in self._plan.budget.parts(tokens):
                rows, clips, waves = (list(column) for column in zip(*held[part], strict=True))
                yield self._prepared(Batch(rows, clips, waves, tokens=tokens[part]))
            yield Stretch(end, skipped)

    def _read(self, row: int) -> tuple[int, Clip, np.ndarray | AudioError]:
        clip = self._clips[row]
        try:
            return row, clip, waveform(clip, self._longest)
        except AudioError as error:
            return row, clip, error

    def _prepared(self, batch: Batch) -> Batch:
        """With the model's inputs, where somebody makes them ahead of it."""
        prepare = getattr(self._lm, "prepare", None)
        if not self._workers or prepare is None:
            return batch
        return batch.with_inputs(prepare(batch.waveforms, self._recognition.asked([clip.id for clip in batch.clips])))


def _default_workers(lm: Any) -> int:
    device = getattr(lm, "device", None)
    on_card = isinstance(device, torch.device) and device.type != "cpu"
    return min(_WORKERS, os.cpu_count() or 1) if on_card else 0
