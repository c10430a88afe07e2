"""Blends of the rules of acting, and how listeners would vote on a performance."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from esn_interp.speech.acting import EMOTIONS, RULES, Acting

# How much one performance of the same intention differs from the next (standard deviations).
VARIATION = Acting(
    level=0.7,
    range=0.12,
    lilt=0.2,
    slope=0.9,
    rate=0.06,
    energy=1.2,
    tilt=0.4,
    breath=0.03,
    jitter=0.03,
    tremor=0.05,
    smile=0.012,
    decay=0.8,
)

# Which emotions listeners take for one another (confusion tables of Banse and Scherer 1996, Scherer 2003,
# rounded).
CONFUSED_WITH: Mapping[str, tuple[str, ...]] = {
    "neutral": ("sad", "happy", "angry"),
    "happy": ("fearful", "angry", "neutral"),
    "angry": ("happy", "fearful", "neutral"),
    "sad": ("neutral", "fearful", "sad"),
    "fearful": ("sad", "happy", "angry"),
}


def blend(
    weights: Mapping[str, float],
    *,
    style: float = 0.0,
    intensity: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Acting:
    """The acting of a mixture of emotions, e.g. `blend({"angry": 0.6, "happy": 0.4}, intensity=0.7)`.

    `style` goes from 0 (each emotion's first acting) to 1 (its second), `intensity` scales the distance from
    neutral, and `rng` adds the variation between performances. Weights are normalised to a sum of one.
    """
    total = sum(weights.values())
    neutral = RULES["neutral"].between(style)
    vector = neutral.copy()
    for emotion, weight in weights.items():
        vector += intensity * weight / total * (RULES[emotion].between(style) - neutral)
    if rng is not None:
        vector += VARIATION.vector * rng.normal(size=len(vector))
    acting = dict(zip((field.name for field in fields(Acting)), vector.tolist(), strict=True))
    for magnitude in ("lilt", "breath", "jitter", "tremor"):
        acting[magnitude] = max(acting[magnitude], 0.0)
    acting["breath"] = min(acting["breath"], 0.9)
    return Acting(**acting)


def votes(
    weights: Mapping[str, float], *, intensity: float = 1.0, disagreement: float = 0.15
) -> dict[str, float]:
    """How a panel of listeners would vote on a performance: shares over the five emotions that sum to one.

    A faint emotion is heard as neutral (a logistic curve in intensity, half at 0.37), a mixture is heard
    categorically (shares grow faster than the weights), and `disagreement` of the panel hears something else:
    half of it one of the emotions that are commonly confused, half anything at all.
    """
    sharpened = {emotion: weight**1.5 for emotion, weight in weights.items()}
    total = sum(sharpened.values())
    clarity = 1.0 / (1.0 + np.exp(-10.0 * (intensity - 0.37)))
    clear: dict[str, float] = dict.fromkeys(EMOTIONS, 0.0)
    for emotion, weight in sharpened.items():
        share = weight / total
        clear[emotion] += share * clarity
        clear["neutral"] += share * (1.0 - clarity)
    panel: dict[str, float] = dict.fromkeys(EMOTIONS, disagreement / 2 / len(EMOTIONS))
    for emotion, share in clear.items():
        panel[emotion] += (1.0 - disagreement) * share
        for other in CONFUSED_WITH[emotion]:
            panel[other] += disagreement / 2 * share / len(CONFUSED_WITH[emotion])
    return {emotion: float(share) for emotion, share in panel.items()}
