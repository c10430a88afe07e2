"""One attempt to say an utterance with another emotion, what can go wrong with it, and a run of many."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from esn_interp.drawing.notebook import player, sentence, table
from esn_interp.drawing.numbers import count
from esn_interp.models.speech_problems import PROBLEMS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.speech.playable import Speech
from esn_interp.tasks.batches import Skipped


@dataclass(frozen=True, eq=False, repr=False)
class Conversion:
    """One attempt to say a clip with another emotion.

    Parameters
    ----------
    clip, speaker, source_emotion, transcript
        The source: its id, who speaks, with which emotion, and the words ("" where they are not known).
    target
        The emotion that was asked for.
    text
        The words that the model wrote, which its speech is meant to say.
    waveform, rate
        The sound (empty when there is none), and its samples a second.
    seed
        By which everything random in this conversion was drawn; of the run's seed, clip and target only.
    problem
        One of `PROBLEMS`, for some followed by a colon and more; None when nothing is wrong.
    tokens
        Codes of speech that were generated; 0 where the model does not tell.
    codes
        The codes themselves; None where the model does not tell.
    """

    clip: str
    speaker: str
    source_emotion: str
    transcript: str
    target: str
    text: str
    waveform: Float[np.ndarray, " sample"] = field(repr=False)
    rate: int
    seed: int
    problem: str | None = None
    tokens: int = 0
    codes: Int[np.ndarray, " code"] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        wrong = f", {self.problem}" if self.problem else ""
        return f"Conversion({self.id!r}: {len(self.waveform) / self.rate:.1f} s, {self.text!r}{wrong})"

    def _repr_html_(self) -> str:
        label = f"{self.speaker}, {self.source_emotion} said as {self.target}: “{self.text or '(no words)'}”"
        label += f" ({self.problem})" if self.problem else ""
        if not self.audible or not np.isfinite(self.waveform).all():
            return sentence(f"{label}: no sound")
        return player(Speech(self.waveform, self.rate, self.text).wav(), "audio/wav", label)

    @property
    def id(self) -> str:
        """Clip and target: a clip is converted to every target once."""
        return f"{self.clip} to {self.target}"

    @property
    def kind(self) -> str | None:
        """The problem without its details: a key of `PROBLEMS`."""
        return None if self.problem is None else self.problem.partition(":")[0]

    @property
    def audible(self) -> bool:
        """Whether there is sound to be judged."""
        return bool(len(self.waveform))


@dataclass(frozen=True, eq=False, repr=False)
class ConversionRun:
    """Conversions of a corpus to some emotions, clip by clip in the order of the corpus, targets as they were given.

    Every pair of clip and target is here exactly once, whatever became of it, but for clips of the target emotion and
    those in ``skipped``, whose audio could not be used.

    Parameters
    ----------
    settings
        What the conversions depend on: model, component, corpus, prompt, manner, seed and a digest of the edits.
    reductions
        The sums of each conversion's gates by scope, in the order of ``conversions``, when they were asked for (each
        a `PerClip` of one clip, whose ``emotion`` is the target's place among ``targets`` and whose ``kept`` is not
        decided yet); None inside it for a conversion that left no gates in some scope. From a stored run they are
        read one at a time.
    origin
        The gates and clips of ``reductions``.
    """

    conversions: tuple[Conversion, ...]
    targets: tuple[str, ...]
    settings: dict[str, Any]
    skipped: tuple[Skipped, ...] = ()
    reductions: Sequence[PerClip | None] | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.conversions)

    def __repr__(self) -> str:
        wrong = ", ".join(f"{n} {kind}" for kind, n in self.problems.items())
        return f"ConversionRun({len(self)} conversions to {', '.join(self.targets)}; {wrong or 'no problem'})"

    def _repr_html_(self) -> str:
        rows = [
            (target, len(some), sum(one.audible for one in some), sum(one.problem is not None for one in some))
            for target in self.targets
            for some in [[one for one in self.conversions if one.target == target]]
        ]
        told = f"{count(len(self), 'conversion')} of {count(len({one.clip for one in self.conversions}), 'clip')}."
        return sentence(told) + table(("target", "conversions", "with sound", "with a problem"), rows)

    @property
    def problems(self) -> dict[str, int]:
        """How many conversions had which problem, the gravest first; those that none had are left out."""
        counts = Counter(one.kind for one in self.conversions)
        return {kind: counts[kind] for kind in PROBLEMS if counts[kind]}


def conversion_seed(seed: int, clip: str, target: str) -> int:
    """The seed of one conversion: the same in every batch, on every machine, and whatever is edited.

    Below 2**48, so that it survives JSON everywhere.
    """
    digest = hashlib.sha256(f"{seed}\0{clip}\0{target}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
