"""Where the tokens of a batch stand, as runs of rows: what a reduction over tokens goes through."""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor


class Rows(NamedTuple):
    """Rows of a matrix in an order in which those of a segment follow each other.

    Segment ``s`` has the rows ``order[bounds[s]:bounds[s + 1]]``; rows behind the last bound belong to none.
    """

    order: Int64[Tensor, " row"]
    bounds: Int64[Tensor, " bound"]


class Segments:
    """The tokens of a batch by clip and scope; made once a batch, and moved to a device once.

    Segment ``clip * scopes + scope`` holds the tokens of one scope of one clip, numbered ``clip * tokens + token``.

    Parameters
    ----------
    codes
        The scope of every token, from 0; whatever is not below ``scopes``, such as -1 for padding, counts nowhere.
    """

    def __init__(self, codes: Int[np.ndarray, "clip token"], *, scopes: int) -> None:
        self.clips = len(codes)
        self.scopes = scopes
        counted = (codes >= 0) & (codes < scopes)
        clip = np.arange(self.clips, dtype=np.int64)[:, None]
        self._keys = np.where(counted, clip * scopes + codes, len(self))
        order = np.argsort(self._keys, axis=None, kind="stable")
        bounds = np.searchsorted(self._keys.ravel()[order], np.arange(len(self) + 1))
        self.rows = Rows(torch.from_numpy(order), torch.from_numpy(bounds))
        self.tokens: Int64[np.ndarray, "clip scope"] = np.diff(bounds).reshape(self.clips, scopes)
        self._devices: dict[torch.device, tuple[Rows, Int64[Tensor, "clip token"]]] = {}

    def __len__(self) -> int:
        return self.clips * self.scopes

    @cached_property
    def spans(self) -> list[tuple[int, int, int | None]]:
        """First and last bound of each segment; and its first row, if its rows follow each other."""
        order, bounds = self.rows.order.tolist(), self.rows.bounds.tolist()
        return [
            (
                start,
                stop,
                order[start] if start < stop and order[stop - 1] - order[start] == stop - start - 1 else None,
            )
            for start, stop in pairwise(bounds)
        ]

    @cached_property
    def single(self) -> tuple[Int64[Tensor, " single"], Int64[Tensor, " single"]]:
        """The segments that hold a single token, such as those of the last position, and its rows."""
        alone = np.flatnonzero(np.diff(self.rows.bounds.numpy()) == 1)
        return torch.from_numpy(alone), self.rows.order[self.rows.bounds[alone]]

    @property
    def longest(self) -> int:
        """Tokens of the largest segment."""
        return int(self.tokens.max(initial=0))

    def on(self, device: torch.device) -> Rows:
        """The rows of each segment, on a device."""
        return self._moved(device)[0]

    def keys(self, device: torch.device) -> Int64[Tensor, "clip token"]:
        """The segment of every token, on a device; `len` of the segments where it counts nowhere."""
        return self._moved(device)[1]

    def members(self, device: torch.device) -> Bool[Tensor, "clip scope token"]:
        """Which tokens belong to each segment."""
        keys = self.keys(device)
        return keys[:, None] == torch.arange(len(self), device=device).view(self.clips, self.scopes, 1)

    def routed(
        self, experts: Int[Tensor, "clip token choice"], count: int
    ) -> tuple[Int64[Tensor, " row"], Rows]:
        """Segments of a mixture: by clip, scope and expert. Rows are token by token, choice by choice.

        Returns
        -------
        The segment of every row, and the rows of every segment.
        """
        keys = self.keys(experts.device)
        finer = torch.where(
            keys[..., None] < len(self), keys[..., None] * count + experts, len(self) * count
        ).reshape(-1)
        order = finer.argsort(stable=True)
        bounds = torch.searchsorted(finer[order], torch.arange(len(self) * count + 1, device=experts.device))
        return finer, Rows(order, bounds)

    def _moved(self, device: torch.device) -> tuple[Rows, Int64[Tensor, "clip token"]]:
        if device not in self._devices:
            rows = Rows(*(part.to(device, non_blocking=True) for part in self.rows))
            self._devices[device] = rows, torch.from_numpy(self._keys).to(device, non_blocking=True)
        return self._devices[device]
