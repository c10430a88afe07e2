"""Acoustic correlates of a gate: what of a voice it goes with, moment by moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from scipy.ndimage import gaussian_filter1d
from scipy.stats import rankdata

from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.analysis.result import OverClips, standing_notes
from esn_interp.errors import StatisticsError
from esn_interp.models.audio_lm import QUESTION, AudioLM
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.judges.contours import EDGES, STEPS, Contours, contours
from esn_interp.tasks.judges.prosody_measures import syllable_nuclei

FEATURES = ("pitch", "level", "rate", "tilt")
"""F0 in semitones (voiced moments only), level in dB, syllables a second, spectral tilt in dB per octave."""
UNITS = {"pitch": "semitones", "level": "dB", "rate": "syllables/s", "tilt": "dB/octave"}
_LOCAL = 0.25  # seconds: how far around a moment syllables count (standard deviation of a Gaussian)
_LEAST = 8  # moments below which a correlation within a clip says nothing


@dataclass(frozen=True, eq=False)
class AcousticCorrelates(OverClips):
    """Rank correlation, within each clip, of a gate with what the voice does at the same moment.

    ``by_clip`` is Spearman's over the audio tokens of a clip: NaN where one of the two does not change, or fewer than 8
    moments are known. ``mean`` is over clips, with 95 % bounds over speakers. A correlate is no cause: pitch, level and
    tilt go together in most voices.
    """

    kind: ClassVar[str] = "acoustic_correlates"
    drawn_by: ClassVar[str] = "acoustics_figure.draw"

    model: str
    corpus: str
    layer: int
    neuron: int
    emotions: tuple[str, ...]
    features: tuple[str, ...]
    by_clip: Float64[np.ndarray, "clip feature"]
    mean: Float64[np.ndarray, " feature"]
    low: Float64[np.ndarray, " feature"]
    high: Float64[np.ndarray, " feature"]

    def to_frame(self) -> pd.DataFrame:
        """One row per clip, with a column for each feature."""
        about = {"clip": self.clips, "speaker": self.speakers, "emotion": self.emotions}
        return pd.DataFrame(about | {name: self.by_clip[:, at] for at, name in enumerate(self.features)})

    def summary(self) -> str:
        """The result in one sentence."""
        where = f"Within clips, neuron {self.neuron} of layer {self.layer}"
        if np.isnan(self.mean).all():
            return f"{where} does not change enough to go with anything."
        at = int(np.nanargmax(np.abs(self.mean)))
        found = f"{self.mean[at]:+.2f} ({self.low[at]:+.2f} to {self.high[at]:+.2f})"
        firm = self.low[at] > 0 or self.high[at] < 0
        how = "most with" if firm else "with nothing for certain; nearest is"
        return f"{where} goes {how} {self.features[at]}: {found}."


def voice_at(
    waveform: Float[np.ndarray, " sample"], moments: Float[np.ndarray, " moment"]
) -> Float64[np.ndarray, "moment feature"]:
    """`FEATURES` at these seconds; NaN for pitch where there is no voice."""
    found = _followed(waveform.astype(np.float32).tobytes())
    centres = np.sqrt(np.array(EDGES[:-1]) * np.array(EDGES[1:]))
    octaves = np.log2(centres) - np.log2(centres).mean()
    tilt = (found.bands - found.bands.mean(axis=1, keepdims=True)) @ octaves / (octaves @ octaves)
    syllables = np.zeros(len(found.level))
    syllables[syllable_nuclei(found.level, found.voiced)] = STEPS
    rate = gaussian_filter1d(syllables, _LOCAL * STEPS, mode="constant")
    pitch = np.where(found.voiced, 12 * np.log2(found.f0), np.nan)
    frames = np.clip(np.round(moments * STEPS).astype(np.int64), 0, len(found.level) - 1)
    return np.stack([pitch, found.level, rate, tilt], axis=1)[frames]


@lru_cache(maxsize=64)
def _followed(sound: bytes) -> Contours:
    """The contours of a clip; kept, since several neurons are asked about the same clips."""
    return contours(np.frombuffer(sound, dtype=np.float32), SAMPLE_RATE)


def spearman(gate: Float[np.ndarray, " moment"], feature: Float[np.ndarray, " moment"]) -> float:
    """Rank correlation over the moments at which both are known; NaN where it says nothing."""
    known = np.isfinite(feature) & np.isfinite(gate)
    if known.sum() < _LEAST or np.ptp(gate[known]) == 0 or np.ptp(feature[known]) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(gate[known]), rankdata(feature[known]))[0, 1])


def acoustics(
    lm: AudioLM, clips: Clips | Sequence[Clip], layer: int, neuron: int, *, question: str | None = None
) -> AcousticCorrelates:
    """How a gate goes with pitch, level, rate and spectral tilt within clips.

    Raises
    ------
    StatisticsError
        When there is no such neuron.
    """
    if not (0 <= layer < lm.n_layers and 0 <= neuron < lm.widths[layer]):
        raise StatisticsError(f"{lm.name} has no neuron {neuron} at layer {layer}")
    name, rows, used = f"blocks.{layer}.gate", list[list[float]](), list[Clip]()
    for clip in clips:
        cache = lm.cache(clip, question or QUESTION, names=name, progress=False)
        heard = cache.where("audio")
        half = cache.duration / max(heard.sum(), 1) / 2
        voice = voice_at(clip.waveform(), cache.seconds[heard] + half)
        gate = cache[name][heard, neuron]
        rows.append([spearman(gate, voice[:, at]) for at in range(len(FEATURES))])
        used.append(clip)
    by_clip = np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))
    speakers = tuple(clip.speaker for clip in used)
    means = SpeakerMeans.over_clips(by_clip.T, np.isfinite(by_clip.T), speakers)
    low, high = means.bounds(within=(-1.0, 1.0))
    return AcousticCorrelates(
        clips=tuple(clip.id for clip in used),
        speakers=speakers,
        skipped=(),
        notes=standing_notes(len(set(speakers)), ()),
        model=lm.name,
        corpus=getattr(clips, "name", ""),
        layer=layer,
        neuron=neuron,
        emotions=tuple(clip.emotion for clip in used),
        features=FEATURES,
        by_clip=by_clip,
        mean=np.asarray(means.value, dtype=np.float64),
        low=np.asarray(low, dtype=np.float64),
        high=np.asarray(high, dtype=np.float64),
    )
