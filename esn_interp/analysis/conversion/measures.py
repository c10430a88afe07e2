"""What is measured of a conversion: one outcome per attempt, and the measures that are averaged over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from esn_interp.analysis.result import Result
from esn_interp.tasks.batches import Skipped

NOTHING = ""
"""The label of a conversion in which no judge could hear anything."""
UNKNOWN_WORDS = "no transcript"
"""The problem of a source, not of its conversion: nobody knows what it says."""


@dataclass(frozen=True)
class Outcome:
    """One attempt at a conversion, as the judges heard it.

    ``probabilities`` are those of the judge that scores, ``filter_probabilities`` those of the judge that decides
    which conversions neurons are found on; both are empty when there was nothing to hear. ``problem`` says what went
    wrong, where something did, and ``reasons`` why the success filter would drop the conversion. Word and character
    error rates are to the source's transcript, and NaN where it has none; ``similarity`` is to the source speaker's
    voice. F0 is in Hz, its range in semitones, energy in dB, the rate in syllable nuclei a second, the duration in
    seconds; NaN where it was not measured.
    """

    clip: str
    speaker: str
    source: str
    target: str
    problem: str | None
    probabilities: dict[str, float]
    filter_probabilities: dict[str, float]
    wer: float
    cer: float
    similarity: float = float("nan")
    f0_mean: float = float("nan")
    f0_range: float = float("nan")
    energy: float = float("nan")
    rate: float = float("nan")
    duration: float = float("nan")
    text: str = ""
    heard: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something went wrong with the conversion itself."""
        return self.problem not in (None, UNKNOWN_WORDS)

    @property
    def label(self) -> str:
        """The emotion that the scoring judge hears; `NOTHING` where it could hear nothing."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default=NOTHING)

    @property
    def filter_label(self) -> str:
        """The emotion that the filtering judge hears."""
        chances = self.filter_probabilities
        return max(chances, key=lambda name: chances[name], default=NOTHING)


def unchanged_note(unsteered: Sequence[Outcome], steered: Mapping[str, Sequence[Outcome]]) -> str:
    """The sentence on steering that changed nothing that is judged, in so many conversions; empty where all did."""
    before = [_judged(one) for one in unsteered]
    same = [name for name, row in steered.items() if row and [_judged(one) for one in row] == before]
    if not same:
        return ""
    return f"steering that changed nothing that is judged, in {len(before)} conversions: {', '.join(same)}"


def _judged(one: Outcome) -> tuple[object, ...]:
    """All that is heard, as text: what is not known is then the same as itself."""
    numbers = one.probabilities, one.filter_probabilities, one.wer, one.cer, one.similarity, one.f0_mean, one.energy
    return one.clip, one.target, one.problem, one.text, one.heard, repr(one.duration), repr(numbers)


@dataclass(frozen=True, eq=False)
class Outcomes(Result):
    """The outcomes of some conversions, as a file, and the clips whose audio could not be used."""

    kind: ClassVar[str] = "conversion outcomes"

    rows: tuple[Outcome, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Measure:
    """A number per conversion whose mean and change are reported.

    Parameters
    ----------
    of
        The number; NaN leaves the conversion out of this measure. An attempt that failed counts: no emotion was
        realised (0), and no word was said (an error rate of 1).
    log
        The number is a logarithm: means are geometric, and a change is a ratio.
    limits
        What the mean of it can be.
    """

    name: str
    title: str
    unit: str
    of: Callable[[Outcome], float]
    log: bool = False
    limits: tuple[float, float] = (-np.inf, np.inf)

    def level(self, value: float) -> float:
        """A mean in the unit in which it is told."""
        return float(np.exp(value)) if self.log else value


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else float("nan")


_ALL = (
    Measure("accuracy", "heard as the target", "", lambda o: float(o.label == o.target), limits=(0, 1)),
    Measure(
        "probability", "probability of the target", "", lambda o: o.probabilities.get(o.target, 0.0), limits=(0, 1)
    ),
    Measure(
        "filter_accuracy",
        "heard as the target by the filter's judge",
        "",
        lambda o: float(o.filter_label == o.target),
        limits=(0, 1),
    ),
    Measure(
        "filter_probability",
        "probability of the target, the filter's judge",
        "",
        lambda o: o.filter_probabilities.get(o.target, 0.0),
        limits=(0, 1),
    ),
    Measure("wer", "word error rate", "", lambda o: float(np.minimum(o.wer, 1.0)), limits=(0, 1)),
    Measure("cer", "character error rate", "", lambda o: float(np.minimum(o.cer, 1.0)), limits=(0, 1)),
    Measure("failed", "attempts that failed", "", lambda o: float(o.failed), limits=(0, 1)),
    Measure("similarity", "similarity to the source's voice", "", lambda o: o.similarity),
    Measure("f0", "F0", "Hz", lambda o: _log(o.f0_mean), log=True),
    Measure("range", "F0 range", "semitones", lambda o: o.f0_range),
    Measure("energy", "energy", "dB", lambda o: o.energy),
    Measure("duration", "duration", "s", lambda o: _log(o.duration), log=True),
    Measure("rate", "speaking rate", "nuclei/s", lambda o: _log(o.rate), log=True),
)
MEASURES = {measure.name: measure for measure in _ALL}
"""By name. Error rates are cut at 1, so that one attempt that never ends can't outweigh the others."""

PROSODY = ("f0", "range", "energy", "duration", "rate")
"""The measures of how it is spoken."""
