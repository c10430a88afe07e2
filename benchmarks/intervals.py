"""How often 95 % intervals hold the truth, and how wide they are, with few and unequal speakers.

Speakers differ in how often they are right (beta-binomial): their shares have the given mean and standard deviation.
The truth is the mean over further speakers. Beside the package's intervals stand those of cluster-t alone, which fail
where little varies, and for shares those of Clopper and Pearson on an effective number of clips (Korn, Graubard 1998).

    python -m benchmarks.intervals           # 4,000 repetitions of a cell, about five minutes
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from esn_interp.analysis.inference.bounds import cluster_t_bounds, share_bounds_of
from esn_interp.analysis.inference.significance import (
    CHANGE,
    CONTRAST,
    RATE,
    SpeakerMeans,
    nan_mean,
)
from esn_interp.files import write_json

RESULTS = Path(__file__).parent / "results" / "intervals.json"

SPEAKERS = (4, 6, 10)
SPREADS = (0.0, 0.08, 0.15)
SIZES = ("equal", "unequal", "one huge")
SHARES = (0.03, 0.5, 0.97)
CHANGES = ((0.02, 0.0), (0.02, 0.02), (0.05, 0.05), (0.12, 0.10))
"""Shares of clips that are lost and gained."""

EMOTIONS = 5
PROMISED, WIDEST, WIDEST_AT_ENDS = 0.93, 1.5, 1.3


@dataclass(frozen=True)
class Cell:
    """One place of the grid: what is estimated, ``lost`` and ``gained`` (a share is what is gained), and from whom."""

    what: str
    lost: float
    gained: float
    sizes: str
    spread: float
    speakers: int

    @property
    def truth(self) -> float:
        """The mean over further speakers."""
        if self.what == "specificity":  # own neurons lose; other emotions' neurons do what chance does
            return -self.lost
        return self.gained - self.lost

    @property
    def clips(self) -> np.ndarray:
        """Clips of each speaker: 8, or about so many, or 80 of one of them."""
        if self.sizes == "equal":
            return np.full(self.speakers, 8)
        if self.sizes == "unequal":
            return np.resize([3, 5, 8, 12, 16], self.speakers)
        return np.array([80, *[8] * (self.speakers - 1)])

    @property
    def possible(self) -> bool:
        """Whether shares with this mean can differ so much."""
        spread = self.spread if self.what in ("share", "mean share") else self.spread / np.sqrt(2)
        return all(spread**2 < mean * (1 - mean) for mean in (self.lost, self.gained) if mean)


def grid() -> Iterator[Cell]:
    """Every cell."""
    means = [("share", 0.0, share) for share in SHARES]
    means += [("change", lost, gained) for lost, gained in CHANGES]
    means += [("mean share", 0.0, 0.9), ("mean change", 0.3, 0.02), ("mean change", 0.02, 0.02)]
    means += [("specificity", 0.3, 0.0)]
    for what, lost, gained in means:
        for sizes in SIZES:
            for spread in SPREADS:
                for speakers in SPEAKERS:
                    cell = Cell(what, lost, gained, sizes, spread, speakers)
                    if cell.possible:
                        yield cell


def simulate(cell: Cell, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """Coverage and mean width of the package's intervals and of others."""
    rng = np.random.default_rng([seed, *map(ord, repr(cell))])
    if cell.what == "specificity":
        shape = (cell.speakers, repetitions, EMOTIONS, EMOTIONS)
    elif cell.what.startswith("mean"):
        shape = (cell.speakers, repetitions, EMOTIONS)
    else:
        shape = (cell.speakers, repetitions)
    count = np.broadcast_to(cell.clips.reshape(-1, *[1] * (len(shape) - 1)), shape).astype(np.int64)
    if "share" in cell.what:
        hits = rng.binomial(count, _rates(rng, cell.gained, cell.spread, shape)).astype(np.float64)
        means = SpeakerMeans(hits, count, hits)
    else:
        means = _changes(rng, cell, count)
    low, high, value, replicates = _intervals(cell, means)
    t = cluster_t_bounds(value, replicates, np.full(value.shape, cell.speakers))
    found = {
        **vars(cell),
        "truth": cell.truth,
        **_told("ours", low, high, cell.truth),
        **_told("cluster_t", *t, cell.truth),
    }
    if cell.what == "share":
        found |= _told("effective", *_effective(cell, means), cell.truth)
    return found


def verdict(row: dict[str, Any]) -> str:
    """What a cell breaks of the promises: coverage, and width beside intervals that cover; empty if nothing."""
    if row["ours_coverage"] < PROMISED:
        return "coverage"
    if row["cluster_t_coverage"] >= PROMISED and row["ours_width"] > WIDEST * row["cluster_t_width"]:
        return "width"
    at_ends = row["what"] == "share" and row["truth"] != 0.5
    return "width" if at_ends and row["ours_width"] > WIDEST_AT_ENDS * row["effective_width"] else ""


def _intervals(cell: Cell, means: SpeakerMeans) -> tuple[np.ndarray, ...]:
    """Ours, and the value and replicates of a cluster-t interval by clips."""
    if cell.what in ("share", "change"):
        low, high = means.bounds(within=RATE if cell.what == "share" else CHANGE)
        return low, high, means.value, means.replicates
    own = np.eye(EMOTIONS, dtype=np.bool_)
    within = {"mean share": RATE, "mean change": CHANGE, "specificity": CONTRAST}[cell.what]

    def compute(cells: np.ndarray) -> np.ndarray:
        if cell.what != "specificity":
            return nan_mean(cells)
        return nan_mean(cells[..., own]) - nan_mean(cells[..., ~own])

    # One repetition after the other, as a result has it: the weight of a clip is found by moving every cell.
    ours = [_one(means, at).reduced(compute, within=within)[1:] for at in range(means.total.shape[1])]
    low, high = np.array(ours).T
    return low, high, compute(means.value), compute(means.replicates)


def _one(means: SpeakerMeans, at: int) -> SpeakerMeans:
    gain = means.gains[:, at]
    return SpeakerMeans(means.total[:, at], means.count[:, at], gain)


def _changes(rng: np.random.Generator, cell: Cell, count: np.ndarray) -> SpeakerMeans:
    """Losses and gains of clips; under specificity only an emotion's own set costs anything."""
    spread = cell.spread / np.sqrt(2)
    lost = rng.binomial(count, _rates(rng, cell.lost, spread, count.shape))
    if cell.what == "specificity":
        lost = np.where(np.eye(EMOTIONS, dtype=np.bool_), lost, 0)
    share = _rates(rng, cell.gained, spread, count.shape)
    gained = rng.binomial(count - lost, np.clip(share / max(1e-9, 1 - cell.lost), 0, 1)).astype(np.float64)
    return SpeakerMeans(gained - lost, count, gained)


def _rates(rng: np.random.Generator, mean: float, spread: float, shape: tuple[int, ...]) -> np.ndarray:
    """Shares of speakers with this mean and standard deviation (beta)."""
    if not mean or not spread:
        return np.full(shape, mean)
    size = mean * (1 - mean) / spread**2 - 1
    return rng.beta(mean * size, (1 - mean) * size, shape)


def _effective(cell: Cell, means: SpeakerMeans) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's interval on the number of independent clips that the clips are worth."""
    share, freedom = means.value, cell.speakers - 1
    variance = freedom / cell.speakers * ((means.replicates - share) ** 2).sum(axis=0)
    ratio = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, freedom)) ** 2
    worth = np.where(variance > 1e-15, share * (1 - share) * ratio / np.maximum(variance, 1e-15), np.inf)
    return share_bounds_of(share, np.minimum(worth, means.count.sum(axis=0)), level=0.95)


def _told(name: str, low: np.ndarray, high: np.ndarray, truth: float) -> dict[str, float]:
    holds = (low <= truth + 1e-12) & (high >= truth - 1e-12)
    return {f"{name}_coverage": float(holds.mean()), f"{name}_width": float(np.mean(high - low))}


def main() -> None:
    """Simulate every cell and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for cell in grid():
        rows.append({**simulate(cell, given.repetitions), "repetitions": given.repetitions})
        print(json.dumps(rows[-1]), verdict(rows[-1]), flush=True)
    write_json(given.out, {"kind": "interval coverage", "version": 1, "seed": 0, "cells": rows})


if __name__ == "__main__":
    main()
