"""A text that has nothing to do with speech or feeling: how likely it is to the model, edited or not."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Int64

from esn_interp.errors import CorpusError
from esn_interp.models.edits import Edit

PASSAGE = (
    "A map is usually drawn so that north lies at the top of the page.",
    "Its scale tells how many metres on the ground one centimetre on the paper stands for.",
    "Rivers are shown as blue lines that grow wider towards the sea.",
    "Thin brown lines join points of the same height above sea level.",
    "Where these lines lie close together, the slope is steep.",
    "Most maps have a legend that explains the signs for roads, bridges and railway stations.",
    "A compass needle points to the magnetic pole, which is not quite the same as true north.",
    "The difference between the two is printed in the margin and changes a little every year.",
    "To find a place, one reads the letter of its column first and then the number of its row.",
    "Sea charts also give the depth of the water and the position of lighthouses.",
    "Older maps were engraved in copper and printed by hand on thick paper.",
    "Today most of them are made from photographs that satellites take from space.",
)
"""The built-in text, written for this package: plain prose about maps."""


@runtime_checkable
class Reader(Protocol):
    """The part of `AudioLM` that scoring a text needs."""

    def text_log_probs(
        self, sentences: Sequence[str], *, edits: Sequence[Edit] = ()
    ) -> list[Float[np.ndarray, " _token"]]:
        """Log-probability of every token of a text, sentence by sentence."""
        ...


def sentences_of(text: str) -> tuple[str, ...]:
    """A running text cut behind full stops, question and exclamation marks."""
    return tuple(piece for piece in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if piece)


def read_text(
    lm: object, sentences: Sequence[str], conditions: Mapping[str, Sequence[Edit]]
) -> tuple[Float64[np.ndarray, "condition sentence"], Int64[np.ndarray, " sentence"]]:
    """Summed log-probability (nats) of each sentence under every condition, and its number of tokens.

    A text has no audio: edits that act on audio alone are left out, and change nothing here.

    Raises
    ------
    CorpusError
        When the model can't score a text, or there are fewer than two sentences to compare.
    """
    if not isinstance(lm, Reader):
        raise CorpusError("this model can't tell how likely a text is: leave the task text out")
    if len(sentences) < 2:
        raise CorpusError("an unrelated text needs two sentences or more, for an interval over sentences")
    rows: list[list[float]] = []
    lengths: list[int] = []
    for edits in conditions.values():
        acting = [edit for edit in edits if edit.positions & {"text", "last"}]
        values = lm.text_log_probs(sentences, edits=acting)
        rows.append([float(value.astype(np.float64).sum()) for value in values])
        lengths = [len(value) for value in values]
    return np.array(rows), np.array(lengths, dtype=np.int64)
