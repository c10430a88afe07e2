"""How emotions sound: rules of prosody and voice quality, by which the bundled corpora were acted.

The rules set, for two ways of acting each emotion, the direction and rough size of what the literature on
acoustic correlates reports:

- R. Banse and K. R. Scherer (1996), "Acoustic profiles in vocal emotion expression", J. Pers. Soc. Psychol.
  70(3): fourteen emotions, among them hot and cold anger, elation and happiness, despair and sadness, panic
  and anxiety; F0 mean and variability, energy, the share of high frequencies, speech rate.
- P. N. Juslin and P. Laukka (2003), "Communication of emotions in vocal expression and music performance",
  Psychol. Bull. 129(5): rate, intensity, its variability, F0 level, range and contour, high-frequency
  energy, micro-regularity (here jitter), over a hundred studies.
- I. R. Murray and J. L. Arnott (1993),
  "Toward the simulation of emotion in synthetic speech", J. Acoust. Soc. Am. 93(2): the table of voice
  qualities that synthesisers use (breathy and chest tone for anger, resonant and slurred for grief,
  irregular voicing for fear; smooth upward inflections for happiness, abrupt ones on stressed syllables for
  anger).
- K. R. Scherer (2003), "Vocal communication of emotion", Speech Communication 40: the consensus table.
- V. C. Tartter (1980), "Happy talk", Percept. Psychophys. 27(1): smiling shortens the vocal tract and
  raises formants.

The numbers themselves are our choice, large enough to be heard through a synthetic voice; they stand in
acting.csv, one row an acting, in the units of `Acting`.
"""

import csv
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from importlib import resources

import numpy as np
from jaxtyping import Float

from esn_interp.speech.labels import CANONICAL

EMOTIONS = CANONICAL


@dataclass(frozen=True)
class Acting:
    """One way of acting: what is changed relative to the speaker's own plain reading.

    Every field is in a unit in which zero changes nothing and in which adding two actings makes sense, so
    that a blend is a weighted sum and half an intensity is half of every field.
    """

    level: float = 0.0  # F0 level, semitones
    range: float = 0.0  # F0 range around its median, log2 of a factor
    lilt: float = 0.0  # smooth rises and falls of F0, two a second, semitones (amplitude)
    slope: float = 0.0  # F0 change from the first to the last frame, semitones
    rate: float = 0.0  # speaking rate, log2 of a factor: positive is faster
    energy: float = 0.0  # level, dB
    tilt: float = 0.0  # spectral tilt around 1 kHz, dB per octave: positive is brighter, more pressed
    breath: float = 0.0  # share of the periodic part that is turned into noise, 0 to 1
    jitter: float = 0.0  # irregularity of F0 from frame to frame, semitones (standard deviation)
    tremor: float = 0.0  # slow wobble of F0 and of the level, semitones (amplitude)
    smile: float = 0.0  # formant shift, log2 of a factor: positive is a shorter vocal tract
    decay: float = 0.0  # loss of level from the first to the last frame, dB

    @property
    def vector(self) -> Float[np.ndarray, " parameter"]:
        return np.array(astuple(self), dtype=np.float64)


@dataclass(frozen=True)
class EmotionRule:
    """An emotion and its two actings; `blend` takes any point between them."""

    names: tuple[str, str]
    first: Acting
    second: Acting

    def between(self, style: float) -> Float[np.ndarray, " parameter"]:
        """The acting at `style`: 0 is the first, 1 the second."""
        return (1.0 - style) * self.first.vector + style * self.second.vector


def _read_rules() -> dict[str, EmotionRule]:
    rows: dict[str, list[tuple[str, Acting]]] = {}
    with (resources.files("esn_interp.speech") / "acting.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            acting = Acting(**{field.name: float(row[field.name]) for field in fields(Acting)})
            rows.setdefault(row["emotion"], []).append((row["style"], acting))
    return {
        emotion: EmotionRule((first[0], second[0]), first[1], second[1])
        for emotion, (first, second) in rows.items()
    }


RULES: Mapping[str, EmotionRule] = _read_rules()
