"""Emotional speech out of plain readings: a synthesiser reads, WORLD acts.

A sentence is read once by a voice of one of the `engines`, analysed once by the WORLD vocoder (Morise, Yokomori and
Ozawa 2016, IEICE Trans. Inf. Syst. E99-D(7)) into F0, spectral envelope and aperiodicity, and resynthesised
for every emotion with those changed by an `Acting`. Both come with the `tools` extra: the package itself
does not need them.
"""

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import lfilter, resample_poly

from esn_interp.errors import EsnError
from esn_interp.speech.acting import Acting
from esn_interp.speech.audio import SAMPLE_RATE
from voices.acting import blend
from voices.engines import read

FRAME_MS = 5.0
FFT_SIZE = 1024
REFERENCE_RMS = 0.045  # level of a neutral clip, so that the loudest shout stays below full scale
PEAK = 0.92
LILT_HZ = 2.2  # about one rise and fall for every two syllables
USUAL_SLOPE = -9.0  # spectral slope of a plain reading, dB per octave



@dataclass(frozen=True)
class Voice:
    """A speaker: a voice that reads ("en-us+f2" of espeak-ng, "slt" of flite) with its pitch and vocal tract changed.

    `pitch` multiplies F0; `formants` multiplies every frequency of the spectral envelope (1.15 is roughly a
    woman's vocal tract made from a man's); `gain` is the speaker's habitual level in dB.
    """

    name: str
    engine: str
    reader: str
    sex: str
    pitch: float = 1.0
    formants: float = 1.0
    gain: float = 0.0

    @property
    def variant(self) -> str:
        """What makes it sound like itself whatever its dialect: espeak-ng's part behind the "+", else the voice."""
        return self.reader.partition("+")[2] if self.engine == "espeak" else f"{self.engine} {self.reader}"


@dataclass(frozen=True)
class Analysis:
    """A sentence as WORLD sees it: F0 in Hz (0 where unvoiced), power envelope, aperiodicity in 0..1."""

    f0: Float[np.ndarray, " frame"]
    envelope: Float[np.ndarray, "frame bin"]
    aperiodicity: Float[np.ndarray, "frame bin"]


@functools.cache
def _world() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld still imports pkg_resources, which warns
            import pyworld
    except ImportError as error:
        raise EsnError('changing prosody needs WORLD: pip install "esn-interp[tools]"') from error
    return pyworld


def speak(voice: Voice, text: str) -> Float[np.ndarray, " sample"]:
    """`text` read plainly, before anything of the voice is changed: 16 kHz, silence at both ends removed."""
    spoken, rate = read(voice.engine, voice.reader, text)
    divisor = int(np.gcd(rate, SAMPLE_RATE))
    wave = resample_poly(spoken, SAMPLE_RATE // divisor, rate // divisor)
    audible = np.flatnonzero(np.abs(wave) > 0.01 * np.abs(wave).max())
    return np.ascontiguousarray(wave[audible[0] : audible[-1] + 1])


def analyse(voice: Voice, text: str) -> Analysis:
    """Speaks a sentence and takes it apart. Do this once per (voice, sentence): it is the slow half."""
    world = _world()
    wave = speak(voice, text)
    coarse, times = world.dio(wave, SAMPLE_RATE, f0_floor=60.0, f0_ceil=500.0, frame_period=FRAME_MS)
    f0 = world.stonemask(wave, coarse, times, SAMPLE_RATE)
    envelope = world.cheaptrick(wave, f0, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    aperiodicity = world.d4c(wave, f0, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    return Analysis(f0=f0, envelope=_equalise(envelope, voiced=f0 > 0), aperiodicity=aperiodicity)


def _equalise(
    envelope: Float[np.ndarray, "frame bin"], *, voiced: Bool[np.ndarray, " frame"]
) -> Float[np.ndarray, "frame bin"]:
    """Takes two thirds of a voice's deviation from the usual spectral slope away.

    The slopes of espeak-ng's variants spread over 14 dB per octave, several times what human speakers do;
    left as it is, a dull variant that shouts would be duller than a bright one that weeps.
    """
    frequency = np.linspace(0.0, SAMPLE_RATE / 2, envelope.shape[1])
    heard = (frequency >= 250.0) & (frequency <= 5000.0)
    mean_db = 10.0 * np.log10(envelope[voiced] if voiced.any() else envelope).mean(axis=0)
    slope = np.polyfit(np.log2(frequency[heard]), mean_db[heard], 1)[0]
    octaves = np.log2(np.clip(frequency, 200.0, 6000.0) / 1000.0)
    return envelope * 10.0 ** ((USUAL_SLOPE - slope) * 2 / 3 * octaves / 10.0)


def perform(
    analysis: Analysis,
    weights: Mapping[str, float],
    *,
    voice: Voice,
    style: float = 0.0,
    intensity: float = 1.0,
    rng: np.random.Generator,
) -> Float[np.ndarray, " sample"]:
    """The sentence with a mixture of emotions: 16 kHz, float32, peak below 0.95.

    `weights`, `style` and `intensity` are those of `acting.blend`; `rng` drives the variation between
    performances and everything irregular in the voice.
    """
    return render(analysis, blend(weights, style=style, intensity=intensity, rng=rng), voice=voice, rng=rng)


@dataclass(frozen=True)
class Performance:
    """A sentence as it will be said: the acted analysis, and the level (RMS) at which it is to be heard."""

    acted: Analysis
    loudness: float


def render(
    analysis: Analysis, acting: Acting, *, voice: Voice, rng: np.random.Generator
) -> Float[np.ndarray, " sample"]:
    """Resynthesises an analysed sentence with the prosody and voice quality of `acting`."""
    performance = act(analysis, acting, voice=voice, rng=rng)
    return synthesise(performance.acted, loudness=performance.loudness).astype(np.float32)


def act(
    analysis: Analysis, acting: Acting, *, voice: Voice, rng: np.random.Generator
) -> Performance:
    """Changes an analysed sentence by the prosody and voice quality of `acting`, without making it sound."""
    frames = len(analysis.f0)
    wanted = max(8, round(frames * 2.0**-acting.rate))
    source = np.linspace(0, frames - 1, wanted).round().astype(np.int64)
    position = np.linspace(0.0, 1.0, wanted)
    wobble = acting.tremor * _tremor(wanted, rng)

    f0 = analysis.f0[source]
    voiced = f0 > 0
    log_f0 = np.log2(np.where(voiced, f0, 1.0))
    median = float(np.median(log_f0[voiced])) if voiced.any() else 0.0
    swing = np.sin(2 * np.pi * (LILT_HZ * np.arange(wanted) * FRAME_MS / 1000.0 + rng.uniform()))
    semitones = acting.level + acting.slope * (position - 0.5) + acting.lilt * swing
    semitones = semitones + wobble + acting.jitter * _roughness(wanted, rng)
    moved = median + (log_f0 - median) * 2.0**acting.range + semitones / 12.0 + np.log2(voice.pitch)
    f0 = np.where(voiced, np.clip(2.0**moved, 55.0, 700.0), 0.0)

    envelope = _warp(analysis.envelope, voice.formants * 2.0**acting.smile)[source]
    frequency = np.linspace(0.0, SAMPLE_RATE / 2, envelope.shape[1])
    octaves = np.log2(np.clip(frequency, 200.0, 6000.0) / 1000.0)
    level = -acting.decay * (position - 0.5) + 3.0 * wobble + 4.0 * acting.jitter * _roughness(wanted, rng)
    envelope = envelope * 10.0 ** ((acting.tilt * octaves + level[:, None]) / 10.0)

    # Breath is heard where the glottal source is weak: it grows from a third at 0 Hz to all above 2 kHz.
    noise = acting.breath * np.clip(1 / 3 + frequency / 3000.0, 0.0, 1.0)
    periodic = (1.0 - _warp(analysis.aperiodicity, voice.formants)[source]) * (1.0 - noise)
    loudness = REFERENCE_RMS * 10.0 ** ((acting.energy + voice.gain) / 20.0)
    return Performance(Analysis(f0=f0, envelope=envelope, aperiodicity=1.0 - periodic), loudness)


def synthesise(
    acted: Analysis, *, loudness: float, frame_ms: float = FRAME_MS
) -> Float[np.ndarray, " sample"]:
    """The sound of an analysis whose frames lie `frame_ms` apart: 16 kHz, at a level (RMS), peak below 0.95."""
    wave = _world().synthesize(
        acted.f0,
        np.ascontiguousarray(acted.envelope),
        np.ascontiguousarray(acted.aperiodicity),
        SAMPLE_RATE,
        frame_ms,
    )
    return _limit(wave * (loudness / (np.sqrt(np.mean(wave**2)) + 1e-12)))


def _warp(spectrum: Float[np.ndarray, "frame bin"], factor: float) -> Float[np.ndarray, "frame bin"]:
    """Stretches every spectrum along frequency: what was at f is then at factor * f."""
    bins = spectrum.shape[1]
    place = np.clip(np.arange(bins) / factor, 0, bins - 1)
    below = np.minimum(place.astype(np.int64), bins - 2)
    share = place - below
    return spectrum[:, below] * (1.0 - share) + spectrum[:, below + 1] * share


def _tremor(frames: int, rng: np.random.Generator) -> Float[np.ndarray, " frame"]:
    """A wobble of about 7 Hz with a wandering phase, amplitude one."""
    speed = 2 * np.pi * rng.uniform(6.0, 8.5) * FRAME_MS / 1000.0
    drift = np.cumsum(rng.normal(scale=0.08, size=frames))
    return np.sin(rng.uniform(0, 2 * np.pi) + speed * np.arange(frames) + drift)


def _roughness(frames: int, rng: np.random.Generator) -> Float[np.ndarray, " frame"]:
    """Noise, a little smoothed, with a standard deviation of one: neighbouring periods are alike."""
    noise = lfilter([1.0], [1.0, -0.4], rng.normal(size=frames))
    return np.asarray(noise) * np.sqrt(1 - 0.4**2)


def _limit(wave: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
    """Bends what exceeds 0.6 so that the peak stays below `PEAK`: a shout saturates, it does not wrap."""
    knee = 0.6
    excess = np.maximum(np.abs(wave) - knee, 0.0)
    bent = knee + (PEAK - knee) * np.tanh(excess / (PEAK - knee))
    return np.where(np.abs(wave) > knee, np.sign(wave) * bent, wave)


def pad(wave: Float[np.ndarray, " sample"], *, rng: np.random.Generator) -> Float[np.ndarray, " padded"]:
    """Silence of 50 to 120 ms at both ends, as a recording has it."""
    before, after = (rng.uniform(0.05, 0.12, size=2) * SAMPLE_RATE).astype(int)
    return np.pad(wave, (before, after))
