"""Ways to steer that edit no run: words before the question, and a model that was trained a little for the purpose."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from esn_interp.errors import CorpusError
from esn_interp.models.adapters import Adapter, Lesson, added, fitted_adapter, why_no_adapter
from esn_interp.models.places import require_places
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.recognition import Recognition

STRENGTHS = (0.1, 0.25, 0.5, 1.0)
"""Shares of an adapter: 1 is as it was fitted. (Our choice.)"""

STEPS = 20
"""Batches of identification clips that an adapter is fitted to. (Our choice.)"""


class Other(NamedTuple):
    """A model in the place of the model, for every emotion, within a block."""

    method: str
    strength: float
    towards: Callable[[str], AbstractContextManager[Any]]


class Prefixed:
    """A model before whose every question some words stand."""

    def __init__(self, lm: Any, words: str) -> None:
        self._lm, self._words = lm, words

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lm, name)

    @property
    def name(self) -> str:
        return self._lm.name

    @property
    def fingerprint(self) -> str:
        return self._lm.fingerprint

    @property
    def component(self) -> str:
        return self._lm.component

    @property
    def widths(self) -> tuple[int, ...]:
        return self._lm.widths

    def scores(self, encoded: Any, labels: Sequence[str], **options: Any) -> Float[np.ndarray, "clip label"]:
        return self._lm.scores(encoded, labels, **options)

    def encode(self, waveforms: Any, prompt: str | Sequence[str]) -> Any:
        """The clips with the words before the prompt, or each prompt."""
        return self._lm.encode(waveforms, self._before(prompt))

    def generate(self, waveforms: Any, prompt: str | Sequence[str], **options: Any) -> list[str]:
        """What the model writes, with the words before the prompt, or each prompt."""
        return self._lm.generate(waveforms, self._before(prompt), **options)

    def _before(self, prompt: str | Sequence[str]) -> str | list[str]:
        return self._words + prompt if isinstance(prompt, str) else [self._words + one for one in prompt]


def asked_in_words(lm: Any, words: str) -> list[Other]:
    """What is said before every question, with the emotion in it.

    Raises
    ------
    CorpusError
        When something else than ``{emotion}`` stands in braces.
    """
    try:
        require_places(words, may=("emotion",), must=("emotion",))
    except ValueError as error:
        raise CorpusError(f"the words {error}") from error

    def towards(emotion: str) -> AbstractContextManager[Any]:
        return nullcontext(Prefixed(lm, words.format(emotion=emotion)))

    return [Other("words", 1.0, towards)]


def adapted(
    lm: Any,
    clips: Clips,
    recognition: Recognition,
    emotions: Sequence[str],
    *,
    rank: int,
    strengths: Sequence[float] = STRENGTHS,
    seed: int,
    batch_size: int,
    strict: bool,
) -> tuple[list[Other], str]:
    """Adapters that make the answer to every clip an emotion, one each, at several strengths; or why there are none."""
    if not rank:
        return [], ""
    if why := why_no_adapter(lm, recognition.labels):
        return [], why
    skipped: list[Skipped] = []
    some = clips.limit(STEPS * batch_size, seed=seed)
    heard = list(batches(some, batch_size=batch_size, strict=strict, skipped=skipped, longest=longest_clip(lm)))
    ids = [[clip.id for clip in batch.clips] for batch in heard]
    encoded = [lm.encode(batch.waveforms, recognition.asked(asked)) for batch, asked in zip(heard, ids, strict=True)]

    def fitted(emotion: str) -> Adapter:
        at = recognition.emotions.index(emotion)
        wanted = [recognition.answers(np.full(len(asked), at), asked) for asked in ids]
        lessons = [Lesson(*one) for one in zip(encoded, wanted, strict=True)]
        return fitted_adapter(lm, lessons, recognition.labels, rank=rank, steps=STEPS, seed=seed)

    found = {emotion: fitted(emotion) for emotion in emotions}

    def at_strength(strength: float) -> Callable[[str], AbstractContextManager[Any]]:
        return lambda emotion: added(lm, found[emotion], strength)

    return [Other("adapter", strength, at_strength(strength)) for strength in strengths], ""
