"""How far apart two ways to one number may lie by rounding alone: said once, asked wherever two such ways are compared.

A sum of n terms that is rounded after each lies within ``lambda * sqrt(n) * u`` of the sum of their magnitudes, but for
odds of ``2 exp(-lambda**2 / 2)``, u being half the distance from 1 to the next number (Higham and Mary, A New Approach
to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4). In which order the terms are
added is a matter of the processor, of the number of threads and of the batch: two ways to one sum differ by twice that.
Sums in a row count as one of all their terms, since each hands its error on to the next.
"""

from typing import Any

import numpy as np
import torch
from torch.nn.modules.conv import _ConvNd

# odds of 1 in 30 million that a number lies further off
LAMBDA = 6.0


def tolerance(terms: int, magnitude: Any = 1.0, dtype: Any = np.float32) -> Any:
    """The furthest that two sums of ``terms`` terms may lie apart, whose magnitudes add up to ``magnitude``."""
    return 2 * LAMBDA * np.sqrt(terms) * np.finfo(dtype).eps / 2 * magnitude


def terms_of(model: torch.nn.Module) -> int:
    """How many products a network adds up on the way through: the length of a row of every weight."""
    return sum(
        weight[0].numel() if isinstance(module, _ConvNd) else weight.shape[-1]
        for module in model.modules()
        for weight in module.parameters(recurse=False)
        if weight.ndim > 1
    )


def assert_close(
    found: Any, expected: Any, *, terms: int, magnitude: float | None = None, dtype: Any = np.float32
) -> None:
    """Two ways to the same numbers, equal but for rounding at their own size, or at a ``magnitude`` that is larger."""
    found, expected = (
        value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for value in (found, expected)
    )
    if magnitude is None:
        magnitude = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(terms, magnitude, dtype))


def assert_apart(found: Any, other: Any, *, terms: int) -> None:
    """Two results that differ by more than rounding could make them, each row of the first axis by itself."""
    one, two = np.asarray(found), np.asarray(other)
    apart = np.abs(one - two).reshape(len(one), -1).max(axis=1)
    assert (apart > tolerance(terms, np.abs(two).max())).all(), apart
