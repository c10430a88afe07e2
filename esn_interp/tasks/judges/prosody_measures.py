"""Pitch, loudness and tempo of a clip, in units that a listener would recognise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges.prepared import prepared

WINDOW, HOP = 1024, 320
"""64 and 20 ms: a window holds two periods of the lowest voice."""
LOWEST, HIGHEST = 60.0, 700.0  # Hz: from a low male voice to a panicking child's
QUIET = 40.0  # dB below the loudest frame: what lies lower at either end is silence
LOUD = 30.0  # dB below the loudest frame: what lies lower has no voice
HARMONIC = 0.6  # normalised autocorrelation above which a frame has a voice
PERIODIC = 0.45  # the same, where a voice is doubtful: as in Praat (Boersma 1993)
DIP = 2.0  # dB between two syllables, as in de Jong and Wempe
_SMOOTH = 1.5  # frames: ripples of the level shorter than a syllable are no syllables
_FLOOR = 1e-10  # power of what counts as digital silence


@dataclass(frozen=True)
class Prosody:
    """How a clip is spoken.

    Attributes
    ----------
    f0_mean
        Geometric mean of F0 where there is a voice, in Hz; NaN without one.
    f0_range
        From the 5th to the 95th percentile of F0, in semitones; NaN without a voice.
    energy
        Level of the speech (root mean square), in dB relative to full scale.
    rate
        Syllable nuclei per second of speech: voiced peaks of the level, with a dip of 2 dB between them.
    duration
        Seconds of speech: silence at both ends, 40 dB below the loudest 64 ms, is left out.
    voiced
        Share of the speech that has a voice, 0 to 1.
    """

    f0_mean: float
    f0_range: float
    energy: float
    rate: float
    duration: float
    voiced: float


def prosody(waveform: Float[np.ndarray, " _sample"], rate: int) -> Prosody:
    """Measure a clip: F0 by pYIN, the level, and syllable nuclei.

    F0 is `librosa.pyin`'s (Mauch and Dixon 2014, ICASSP), between 60 and 700 Hz, on a grid of a quarter of a
    semitone; syllable nuclei are found as by de Jong and Wempe (2009, Behavior Research Methods 41). Windows, grid and
    smoothing are our choice. A hoarse voice in which pYIN is sure of no frame at all is looked at once more: then
    frames count that are correlated by 0.45, Praat's threshold of voicing, with themselves one period of YIN later.

    Raises `AudioError` for a waveform that is empty or not finite. In silence everything but ``energy`` is zero or
    NaN.
    """
    wave = prepared(waveform, rate)
    level = frame_levels(wave)
    loud = np.flatnonzero((level > level.max() - QUIET) & (level > 10 * np.log10(_FLOOR)))
    if len(loud) == 0:
        return Prosody(float("nan"), float("nan"), float(10 * np.log10(_FLOOR)), 0.0, 0.0, 0.0)
    speech = slice(loud[0], loud[-1] + 1)
    f0 = _f0(wave)[speech]
    if np.isnan(f0).all():
        f0 = _f0_by_period(wave, level)[speech]
    level = level[speech]
    duration = len(level) * HOP / SAMPLE_RATE
    voiced = ~np.isnan(f0)
    semitones = 12 * np.log2(f0[voiced])
    return Prosody(
        f0_mean=float(2 ** (semitones.mean() / 12)) if voiced.any() else float("nan"),
        f0_range=float(np.ptp(np.percentile(semitones, [5, 95]))) if voiced.any() else float("nan"),
        energy=float(10 * np.log10(np.mean(10 ** (level / 10)))),
        rate=len(syllable_nuclei(level, voiced)) / duration,
        duration=duration,
        voiced=float(voiced.mean()),
    )


def frame_levels(wave: Float[np.ndarray, " sample"]) -> Float64[np.ndarray, " frame"]:
    """Level of each 64 ms, every 20 ms, in dB relative to full scale; frames are centred, as librosa's are."""
    padded = np.pad(wave.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return 10 * np.log10(np.square(frames).mean(axis=1) + _FLOOR)


def syllable_nuclei(level: Float64[np.ndarray, " frame"], voiced: Bool[np.ndarray, " frame"]) -> np.ndarray:
    """Frames at which the level peaks on a voice, with a dip of 2 dB on either side."""
    smooth = gaussian_filter1d(level, _SMOOTH)
    # A peak at the very first or last frame has no slope on one side: give it one.
    padded = np.concatenate([[smooth.min() - 2 * DIP], smooth, [smooth.min() - 2 * DIP]])
    peaks = find_peaks(padded, prominence=DIP)[0] - 1
    return peaks[voiced[peaks]]


def _f0(wave: Float[np.ndarray, " sample"]) -> Float64[np.ndarray, " frame"]:
    """F0 of each frame in Hz, NaN where there is no voice."""
    import librosa  # it compiles on first use: nobody should wait for that who asks for no prosody

    f0, _, _ = librosa.pyin(
        wave,
        fmin=LOWEST,
        fmax=HIGHEST,
        sr=SAMPLE_RATE,
        frame_length=WINDOW,
        hop_length=HOP,
        # A quarter of a semitone, and ten thresholds for a hundred, change the mean by 0.01 semitones, and take a
        # fifth of the time.
        resolution=0.25,
        n_thresholds=10,
    )
    return np.asarray(f0, dtype=np.float64)


def _f0_by_period(
    wave: Float[np.ndarray, " sample"], level: Float64[np.ndarray, " frame"]
) -> Float64[np.ndarray, " frame"]:
    """F0 of the frames that are loud and periodic, NaN elsewhere: hears more voices than pYIN, at a rougher pitch."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave.astype(np.float64), WINDOW // 2), WINDOW)[::HOP]
    f0, harmonicity = periodic_pitch(wave.astype(np.float64), frames, LOWEST, HIGHEST)
    voiced = (harmonicity > PERIODIC) & (level > level.max() - LOUD)
    if voiced.any():  # once more in the range that was found, which takes away most errors by an octave
        low, high = np.percentile(f0[voiced], [25, 75])
        f0, _ = periodic_pitch(wave.astype(np.float64), frames, max(LOWEST, 0.75 * low), min(HIGHEST, 1.5 * high))
    return np.where(voiced, f0, np.nan)


def periodic_pitch(
    wave: Float64[np.ndarray, " sample"], frames: Float64[np.ndarray, "frame window"], low: float, high: float
) -> tuple[Float64[np.ndarray, " frame"], Float64[np.ndarray, " frame"]]:
    """F0 of each frame between two bounds, in Hz, and how periodic the frame is at it."""
    import librosa  # numba, which comes with it, takes a second to import

    f0 = librosa.yin(
        wave,
        fmin=low,
        fmax=high,
        sr=SAMPLE_RATE,
        frame_length=WINDOW,
        hop_length=HOP,
        pad_mode="constant",
    )
    f0 = np.asarray(f0, dtype=np.float64)
    return f0, _harmonicity(frames, np.rint(SAMPLE_RATE / f0).astype(np.int64))


def _harmonicity(
    frames: Float64[np.ndarray, "frame sample"], periods: np.ndarray
) -> Float64[np.ndarray, " frame"]:
    """Correlation of each frame with itself one period later."""
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames, 2 * size, axis=1)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)
    energy = np.cumsum(np.square(frames), axis=1)
    row = np.arange(len(frames))
    head = energy[row, size - periods - 1]
    tail = energy[:, -1] - energy[row, periods - 1]
    return products[row, periods] / np.sqrt(np.maximum(head * tail, _FLOOR**2))
