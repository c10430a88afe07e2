"""Random neurons that a found set is compared with."""

import zlib

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.origin import Origin

DECILES = 10


def draw_like(
    chosen: Int64[np.ndarray, " chosen"],
    origin: Origin,
    *,
    emotion: str,
    seed: int,
    magnitude: Float64[np.ndarray, " gate"] | None = None,
) -> Int64[np.ndarray, " chosen"]:
    """As many gates in each layer as ``chosen`` has there, drawn without replacement from the others.

    With ``magnitude`` they also match it in deciles, taken within the layer.
    """
    # The emotion's name seeds as well: emotions must not share their draws, nor depend on which others there
    # are.
    rng = np.random.default_rng([seed, zlib.crc32(emotion.encode())])
    drawn: list[np.ndarray] = [np.zeros(0, np.int64)]
    for layer, columns in enumerate(origin.layers):
        taken = chosen[(chosen >= columns.start) & (chosen < columns.stop)]
        others = np.setdiff1d(np.arange(columns.start, columns.stop), taken)
        if len(taken) > len(others):
            raise StatisticsError(
                f"layer {layer}: {emotion!r} holds {len(taken)} of {origin.widths[layer]} neurons, too many"
                " for a random control that avoids them; select fewer"
            )
        if magnitude is None:
            drawn.append(rng.choice(others, size=len(taken), replace=False))
        else:
            ranks = magnitude[columns].argsort(kind="stable").argsort(kind="stable")
            decile = ranks * DECILES // origin.widths[layer]
            drawn.append(
                _match(taken, others, decile[taken - columns.start], decile[others - columns.start], rng)
            )
    return np.sort(np.concatenate(drawn))


def _match(
    taken: Int64[np.ndarray, " chosen"],
    others: Int64[np.ndarray, " other"],
    wanted: Int64[np.ndarray, " chosen"],
    decile: Int64[np.ndarray, " other"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, " chosen"]:
    """For each chosen gate another of its decile, or, once those are used up, of the nearest decile left."""
    free = rng.permutation(len(others))
    picked: list[int] = []
    # First every gate that its own decile can serve, so that a crowded decile does not rob its neighbours.
    for nearest_only in (True, False):
        still: list[int] = []
        for want in wanted.tolist():
            distance = np.abs(decile[free] - want)
            if nearest_only and not (len(free) and distance.min() == 0):
                still.append(want)
                continue
            at = int(distance.argmin())
            picked.append(int(others[free[at]]))
            free = np.delete(free, at)
        wanted = np.array(still, dtype=np.int64)
    return np.array(picked, dtype=np.int64)
