"""Whether a model answers better than one that guesses."""

from collections.abc import Mapping

import numpy as np

SURE = 1.645
"""Standard errors above guessing that are enough to be no guess (one-sided, 5 %). (Our choice.)"""


def guesses(seen: Mapping[str, int], kept: Mapping[str, int]) -> str:
    """What its answers tell of a model that does no better than guessing; empty where it does better.

    ``seen`` are clips by emotion, ``kept`` those that it labelled correctly. Guessing, whichever labels are preferred,
    gives a mean recall of one over the number of emotions.
    """
    asked = np.array([seen[emotion] for emotion in seen], dtype=np.float64)
    if not (asked > 0).all():
        return ""  # what is missing is told where it is needed
    recall = np.array([kept[emotion] for emotion in seen]) / asked
    chance = 1 / len(recall)
    # Of guesses, whose recalls are those of their preferences; never none, where all or no clip is right by luck.
    spread = np.sqrt(np.maximum(recall * (1 - recall), (chance * (1 - chance)) / asked) / asked)
    error = float(np.sqrt((spread**2).sum())) / len(recall)
    mean = float(recall.mean())
    if mean > chance + SURE * error:
        return ""
    clips = int(asked.sum())
    return f"it labels {mean:.0%} of {clips} clips correctly (mean recall), where guessing gives {chance:.0%}"
