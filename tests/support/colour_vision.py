"""How colours look to readers of each kind of colour blindness, and how far apart two of them are.

G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A physiologically-based model for simulation of color vision
deficiency", IEEE Transactions on Visualization and Computer Graphics 15(6), 2009, at full severity; distances are
Euclidean in CIELAB (CIE 1976), of sRGB (IEC 61966-2-1) under D65.
"""

from itertools import pairwise

import numpy as np

SEEN_BY = {
    "all": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopes": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(color: str) -> np.ndarray:
    """Red, green and blue light of a ``#rrggbb`` colour."""
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast_on_white(color: str) -> float:
    """The contrast of WCAG 2.2, 1 to 21."""
    return 1.05 / (float(linear(color) @ _TO_XYZ[1]) + 0.05)


def lab(light: np.ndarray) -> np.ndarray:
    relative = (light @ _TO_XYZ.T) / _TO_XYZ.sum(axis=1)
    x, y, z = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, *, seen_by: str = "all") -> float:
    """How far two colours are apart for these readers; 2.3 is the least that is noticed."""
    first, second = (lab(np.clip(SEEN_BY[seen_by] @ linear(color), 0, 1)) for color in (one, other))
    return float(np.linalg.norm(first - second))


def on_scale(value: float, scale, low: float, high: float) -> str:
    """The colour that a plotly colour scale gives to a value between its two ends."""
    where = min(max((value - low) / (high - low), 0.0), 1.0)
    stops = [(at, np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])) for at, color in scale]
    for (left, before), (right, after) in pairwise(stops):
        if where <= right:
            mixed = before + (after - before) * (where - left) / (right - left)
            return "#" + "".join(f"{round(part):02x}" for part in mixed)
    raise AssertionError(where)
