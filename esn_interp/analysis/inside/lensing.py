"""The lens: what each layer, at each token, would answer if the model ended there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.inside.seen import OfOneClip, Prompt, asked
from esn_interp.models.audio_lm import QUESTION, AudioLM


@dataclass(frozen=True, eq=False)
class Lens(OfOneClip):
    """The answer that every state of the stream would give through the final norm and the head.

    Row 0 is the stream before the first layer, row ``l + 1`` the stream behind layer ``l``. ``words`` are the likeliest
    of each state and ``probability`` how likely; with ``labels``, among these alone, and ``by_label`` has all of them.
    """

    kind: ClassVar[str] = "lens"
    drawn_by: ClassVar[str] = "lens_figure.draw"

    labels: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    probability: Float64[np.ndarray, "layer token"]
    by_label: Float64[np.ndarray, "layer token label"]

    @property
    def answer(self) -> str:
        """What the model answers: the likeliest word behind the last layer at the last token."""
        return self.words[-1][-1]

    @property
    def decided(self) -> int:
        """The first row from which on, at the last token, the answer is the final one."""
        rows = [row for row, words in enumerate(self.words) if words[-1] != self.answer]
        return max(rows, default=-1) + 1

    def to_frame(self) -> pd.DataFrame:
        """One row per layer (-1: before the first) and token."""
        rows, columns = np.indices(self.probability.shape)
        frame = pd.DataFrame(
            {
                "layer": rows.ravel() - 1,
                "token": columns.ravel(),
                "second": self.prompt.seconds[columns.ravel()],
                "word": [word for words in self.words for word in words],
                "probability": self.probability.ravel(),
            }
        )
        for at, label in enumerate(self.labels):
            frame[label] = self.by_label[..., at].ravel()
        return frame

    def summary(self) -> str:
        """The result in one sentence."""
        where = "before the first layer" if not self.decided else f"behind layer {self.decided - 1}"
        return (
            f"Read off at its last token, {self.prompt.clip} would be answered “{self.answer}” from {where} on; at the"
            f" end with probability {self.probability[-1, -1]:.2f}."
        )


def lens(
    lm: AudioLM, audio: Any, labels: Sequence[str] | None = None, *, question: str | None = None
) -> Lens:
    """What each layer at each token would answer, over label words or the whole vocabulary.

    Parameters
    ----------
    labels
        The answers to choose from, each by its first token; None for every word. With labels, the question is the
        multiple-choice one about them unless another is given.

    Raises
    ------
    ModelError
        When the model does not answer, its final norm is not found, or labels begin alike.
    """
    if labels:
        labels, question = asked(lm, labels, question)
    cache = lm.cache(audio, question or QUESTION, names=["blocks.*.resid_post", "blocks.0.resid_pre"], progress=False)
    states = [cache["blocks.0.resid_pre"], *cache.stack("resid_post")]
    readout, ids = lm.readout, lm.readout.tokens(labels) if labels else None
    words: list[tuple[str, ...]] = []
    best: list[np.ndarray] = []
    every: list[np.ndarray] = []
    for state in states:  # layer by layer: logits over a vocabulary are large
        logits = readout.logits(state) if ids is None else readout.logits(state)[:, ids]
        probability = logits.softmax(-1).cpu().double().numpy()
        top = probability.argmax(axis=1)
        words.append(tuple([labels[int(at)] for at in top] if labels else readout.words(top)))
        best.append(probability.max(axis=1))
        every.append(probability if labels else np.zeros((len(state), 0)))
    return Lens(Prompt.of(cache, audio), tuple(labels or ()), tuple(words), np.array(best), np.array(every))
