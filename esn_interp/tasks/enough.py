"""How many clips of an emotion are enough."""

import warnings

import numpy as np
from jaxtyping import Int64

from esn_interp.speech.clips import Clips
from esn_interp.speech.heard import HeardWarning
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import Recognition, recognise

_LEAST = 16  # clips of an emotion that are asked about at a time


def at_most(clips: Clips, count: int, *, seed: int = 0) -> Clips:
    """``count`` clips of each emotion at most: drawn by ``seed``, in corpus order."""
    emotions = np.array(clips.column("emotion"), dtype=object)
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(emotions == emotion))[:count] for emotion in clips.emotions]
    rows = np.sort(np.concatenate(drawn))
    return clips if len(rows) == len(clips) else clips.take(rows.tolist())


def until_correct(
    lm: Listener,
    clips: Clips,
    recognition: Recognition,
    most: int,
    *,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Clips:
    """The clips that are asked about until ``most`` of each emotion are answered correctly, in corpus order.

    Clips of an emotion are asked about in an order drawn with ``seed``; those after the last that is needed are left
    out, wrong answers before it are not, so that the share of correct ones stays what it is. Neither batches nor the
    other emotions make a difference.
    """
    emotions = np.array(clips.column("emotion"), dtype=object)
    rng = np.random.default_rng(seed)
    waiting = {one: rng.permutation(np.flatnonzero(emotions == one)) for one in recognition.emotions}
    found = dict.fromkeys(waiting, 0)
    taken: list[int] = []
    while asked := _next(waiting, found, most):
        rows = np.sort(np.concatenate(list(asked.values())))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HeardWarning)  # nothing is evaluated here
            answers = recognise(
                lm,
                clips.take(rows.tolist()),
                recognition=recognition,
                batch_size=batch_size,
                strict=strict,
                progress=progress,
                description="Looking for correct answers",
            )
        right = dict(zip(rows[answers.rows].tolist(), answers.correct[0].tolist(), strict=True))
        for emotion, some in asked.items():
            waiting[emotion] = waiting[emotion][len(some) :]
            for row in some.tolist():
                if found[emotion] == most:
                    break
                taken.append(row)
                found[emotion] += right.get(row, False)
    return clips.take(sorted(taken))


def _next(
    waiting: dict[str, Int64[np.ndarray, " _row"]], found: dict[str, int], most: int
) -> dict[str, Int64[np.ndarray, " _row"]]:
    """The next clips of each emotion that lacks correct ones; no more than may be needed, where that is many."""
    return {
        emotion: rows[: max(_LEAST, most - found[emotion])]
        for emotion, rows in waiting.items()
        if found[emotion] < most and len(rows)
    }
