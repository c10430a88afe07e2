"""How far a judge's words are from what should have been said."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True)
class Errors:
    """Word and character error rates, by `jiwer`: insertions count, so that either may exceed one.

    Both are NaN where there is no reference.
    """

    wer: float
    cer: float


def plain_words(text: str) -> str:
    """Lower-case words of any script, apostrophes kept inside them, single-spaced."""
    return " ".join(re.findall(r"\w+(?:['’]\w+)*", text.lower())).replace("’", "'")


def errors(reference: str, hypothesis: str, *, normalise: Callable[[str], str] = plain_words) -> Errors:
    """Errors of the words of a hypothesis, against what should have been said.

    ``normalise`` is applied to both: give the judge's own, ``judge.normalise``, where it spells otherwise
    ("21" for "twenty one").
    """
    reference, hypothesis = normalise(reference), normalise(hypothesis)
    if not reference:
        return Errors(float("nan"), float("nan"))
    return Errors(float(jiwer.wer(reference, hypothesis)), float(jiwer.cer(reference, hypothesis)))
