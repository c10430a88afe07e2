"""A clip in forty numbers: level, spread and movement of each of its contours.

In the spirit of eGeMAPS (Eyben et al. 2016, IEEE Trans. Affect. Comput. 7(2)): F0, level, spectral balance, voice
quality and tempo. Which functionals are taken is our choice. Absolute pitch and level are among them, but most are
relative to the clip itself: who speaks is not known.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import gaussian_filter1d

from esn_interp.tasks.judges.contours import EDGES, STEPS, Contours
from esn_interp.tasks.judges.prosody_measures import syllable_nuclei

FEWEST = 5
"""Voiced frames, 0.1 s: with fewer, what would be said of pitch is not a number."""


def functionals(clip: Contours) -> dict[str, float]:
    """The numbers, by name; NaN where the clip has too little voice for one."""
    loud, voiced = clip.loud, clip.voiced
    speech = slice(*(np.flatnonzero(loud)[[0, -1]] + (0, 1)))
    return {
        **_pitch(clip, voiced),
        **_loudness(clip, speech),
        **_timbre(clip, loud, voiced),
        **_tempo(clip, speech, voiced),
    }


def as_row(numbers: Mapping[str, float]) -> Float64[np.ndarray, " functional"]:
    """The numbers in the order in which `functionals` has them."""
    return np.array(list(numbers.values()), dtype=np.float64)


def _pitch(clip: Contours, voiced: Bool[np.ndarray, " frame"]) -> dict[str, float]:
    names = ("median", "spread", "high", "low", "slope", "end", "lilt", "tremor", "jitter")
    if voiced.sum() < FEWEST:
        return {f"pitch_{name}": float("nan") for name in names}
    at = np.flatnonzero(voiced)
    semitones = 12 * np.log2(clip.f0[voiced] / 100)
    low, first, median, third, high = np.percentile(semitones, [10, 25, 50, 75, 90])
    # Between voices the contour is a straight line: what wobbles faster than a phrase is then of the voice.
    whole = np.interp(np.arange(at[0], at[-1] + 1), at, semitones)
    slow, middle, fast = (gaussian_filter1d(whole, width) for width in (16.0, 4.0, 1.0))
    inside = voiced[at[0] : at[-1] + 1]
    thirds = np.array_split(semitones, 3)
    values = (
        median,
        third - first,
        high - median,
        median - low,
        np.polyfit(at / STEPS, semitones, 1)[0],
        thirds[2].mean() - thirds[0].mean(),
        (middle - slow)[inside].std(),
        (fast - middle)[inside].std(),
        np.median(np.abs(np.diff(semitones, 2))),
    )
    return {f"pitch_{name}": float(value) for name, value in zip(names, values, strict=True)}


def _loudness(clip: Contours, speech: slice) -> dict[str, float]:
    level = clip.level[speech]
    low, median, high = np.percentile(level, [20, 50, 95])
    halves = np.array_split(10 ** (level / 10), 2)
    return {
        "level_high": float(high),
        "level_median": float(median - high),
        "level_low": float(low - high),
        "level_decay": float(10 * np.log10((halves[0].mean() + 1e-12) / (halves[-1].mean() + 1e-12))),
        "level_movement": float(np.abs(np.diff(level)).mean()) if len(level) > 1 else 0.0,
        "level_tremor": float((gaussian_filter1d(level, 1.0) - gaussian_filter1d(level, 4.0)).std()),
    }


def _timbre(
    clip: Contours, loud: Bool[np.ndarray, " frame"], voiced: Bool[np.ndarray, " frame"]
) -> dict[str, float]:
    telling = voiced if voiced.sum() >= FEWEST else loud
    bands = clip.bands[telling]
    centres = np.log2(np.sqrt(np.array(EDGES[:-1]) * np.array(EDGES[1:])) / 1000)
    mean = bands.mean(axis=0)
    relative = mean - mean[:5].mean()
    harmonicity = np.percentile(clip.harmonicity[loud], [10, 50, 90])
    loudest = clip.bands[clip.level >= np.percentile(clip.level[loud], 75)].mean(axis=0)
    return {
        "slope": float(np.polyfit(centres[:5], mean[:5], 1)[0]),
        "slope_loudest": float(np.polyfit(centres[:5], loudest[:5], 1)[0]),
        **{f"band_{edge}": float(value) for edge, value in zip(EDGES, relative, strict=False)},
        "band_spread": float(bands.std(axis=0)[:5].mean()),
        "below": float(np.median(clip.level[telling] - bands[:, :5].max(axis=1))),
        **{
            f"harmonicity_{share}": float(value)
            for share, value in zip((10, 50, 90), harmonicity, strict=True)
        },
        "harmonicity_voiced": float(np.mean(clip.harmonicity[telling])),
    }


def _tempo(clip: Contours, speech: slice, voiced: Bool[np.ndarray, " frame"]) -> dict[str, float]:
    level, voice = clip.level[speech], voiced[speech]
    seconds = len(level) / STEPS
    bands = gaussian_filter1d(clip.bands[speech, :5], 1.0, axis=0)
    runs = max(1, int(np.sum(np.diff(np.concatenate([[False], voice]).astype(np.int8)) == 1)))
    return {
        "seconds": float(seconds),
        "syllables": len(syllable_nuclei(level, voice)) / seconds,
        "flux": float(np.abs(np.diff(bands, axis=0)).mean()) if len(level) > 1 else 0.0,
        "voiced": float(voice.mean()),
        "run": float(voice.sum() / runs / STEPS),
    }
