"""A judge is tried on a handful of clips that come with the package: one that is off is seen before it has judged."""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64

from esn_interp.errors import EsnWarning, ModelError
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.corpora import corpus
from esn_interp.tasks.judges.protocol import EmotionJudge

CORPORA = ("toy-studio", "emodb-sample")
"""Synthetic speech, which bundled judges know, and recorded speech, which others do."""

_EACH = 6
_SURE = 1.645


class JudgeWarning(EsnWarning):
    """A judge hears less than it should."""


@dataclass(frozen=True, eq=False)
class Canaries:
    """What a judge made of clips whose emotion is known: ``confusion[truth, heard]`` over ``emotions``.

    The truth runs over those emotions that the clips have; what is heard over all that the judge knows.
    """

    judge: str
    corpus: str
    truths: tuple[str, ...]
    emotions: tuple[str, ...]
    confusion: Int64[np.ndarray, "truth heard"]

    @cached_property
    def recall(self) -> float:
        """Mean share of right verdicts over the emotions."""
        right = [self.emotions.index(truth) for truth in self.truths]
        return float(np.mean(self.confusion[np.arange(len(right)), right] / self.confusion.sum(axis=1)))

    @property
    def guessing(self) -> bool:
        """Whether it does no better than a judge who hears nothing (one-sided, 5 %)."""
        chance, clips = 1 / len(self.emotions), int(self.confusion.sum())
        # A judge who always says one thing has a mean recall of one over the number of truths.
        chance = max(chance, 1 / len(self.truths))
        return self.recall <= chance + _SURE * math.sqrt(chance * (1 - chance) / clips)

    def summary(self) -> str:
        """In one sentence."""
        clips = int(self.confusion.sum())
        return f"judge {self.judge} hears {self.recall:.0%} of {clips} clips of {self.corpus} rightly (mean recall)"


def try_judge(judge: EmotionJudge, name: str, *, each: int = _EACH) -> Canaries:
    """Let a judge hear a few clips of each emotion that it and a bundled corpus know."""
    clips = corpus(name)
    truths = tuple(one for one in clips.emotions if one in judge.emotions)
    labels, rows = clips.column("emotion"), list[int]()
    for truth in truths:
        mine = [row for row, label in enumerate(labels) if label == truth]
        rows += mine[:: max(1, len(mine) // each)][:each]
    heard = judge.probabilities([clips[row].waveform() for row in rows], SAMPLE_RATE).argmax(axis=1)
    confusion = np.zeros((len(truths), len(judge.emotions)), dtype=np.int64)
    np.add.at(confusion, ([truths.index(labels[row]) for row in rows], heard), 1)
    return Canaries(judge.name, name, truths, tuple(judge.emotions), confusion)


def checked(judge: EmotionJudge) -> EmotionJudge:
    """The judge, once it has shown that it hears anything.

    Raises
    ------
    ModelError
        When it does no better than guessing on synthetic and on recorded speech alike: it is wrongly loaded, as weights
        or classes in another order would make it.

    Warns
    -----
    JudgeWarning
        When it does so on recorded speech only, for which it is then no judge.
    """
    synthetic, recorded = (try_judge(judge, name) for name in CORPORA)
    if synthetic.guessing and recorded.guessing:
        raise ModelError(
            f"{synthetic.summary()}, and {recorded.recall:.0%} of {recorded.corpus}: no better than guessing; its"
            " weights or its classes are not what they should be"
        )
    if recorded.guessing:
        told = f"{recorded.summary()}: no better than guessing; it is no judge of recorded voices"
        warnings.warn(told, JudgeWarning, stacklevel=3)
    return judge
