"""What a study of conversions will run, before it is run: conversions and their time, stage by stage."""

import time
from dataclasses import dataclass

import torch

from esn_interp.analysis.conversion.settings_result import RANDOM_SELECTOR
from esn_interp.errors import EsnError
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.plan import ConversionPlan

CODES_PER_SECOND = 50
"""Steps of a second of speech, of the codes and the words together; roughly, models differ."""
OVERHEAD = 0.01
"""Seconds that a step takes however small the model is."""

_PROBED = 6
_WEIGHTS = 1 << 24


@dataclass(frozen=True)
class StageCost:
    """A stage: how many clips it says otherwise, how many conversions that makes at most, and roughly how long."""

    stage: str
    title: str
    clips: int
    conversions: int
    seconds: float | None


def estimate(plan: ConversionPlan) -> tuple[StageCost, ...]:
    """Every stage of every cell. What turns out to be the same as in another stage is done once only.

    The time is that of speaking: every step of a batch reads all weights once, at the speed of a product of a matrix
    with a vector on this machine, measured now; None where the model's size is not known before it is loaded. Judges
    are not counted, nor is more than one worker.
    """
    speed = _weights_per_second()
    each = {id(cell): _seconds_each(cell, speed) for cell in plan.cells}
    return tuple(
        StageCost(stage, cell.title, clips, conversions, _times(conversions, each[id(cell)]))
        for cell in plan.cells
        for stage, (clips, conversions) in _counts(cell).items()
        if plan.config.does(stage)
    )


def _counts(cell: Cell) -> dict[str, tuple[int, int]]:
    config, targets = cell.config, len(cell.config.targets)
    sizes = {name: len(clips) for name, clips in cell.splits.items()}
    sieves = {name: 1 + (config.compare_filter and name != RANDOM_SELECTOR) for name in config.selectors}
    settings = sum(sieves.values()) * len(config.tops) * len(config.alphas)
    heard = max(1, config.listening_pairs)
    unseen = 3 + config.compare_filter
    measured = unseen * sizes["evaluation"] + 2 * sizes["identification"]
    crossed = len(cell.crossed_rows)
    return {
        "sample": (sizes["identification"], sizes["identification"] * targets * config.attempts),
        "select": (sizes["validation"], sizes["validation"] * targets * (1 + settings)),
        "evaluate": (sizes["evaluation"] + sizes["identification"], measured * targets),
        "cross": (crossed, crossed * targets * (targets - 1)),
        "listen": (heard * targets, 3 * heard * targets),
    }


def _times(conversions: int, each: float | None) -> float | None:
    return None if each is None else conversions * each


def _seconds_each(cell: Cell, speed: float) -> float | None:
    """Seconds of one conversion, from the size of the model and the length of the first clips."""
    some = [len(cell.clips[row].waveform()) / SAMPLE_RATE for row in range(min(_PROBED, len(cell.clips)))]
    steps = CODES_PER_SECOND * sum(some) / max(len(some), 1)
    try:
        weights = cell.model.parameters
    except EsnError:
        return None
    return steps * (OVERHEAD + weights / speed) / cell.config.batch_size


def _weights_per_second() -> float:
    """Weights that a product with a vector gets through in a second, where the model would run."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    matrix, vector = (torch.ones(shape, device=device, dtype=dtype) for shape in ((_WEIGHTS >> 12, 4096), (4096,)))
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((matrix @ vector)[0])
        best = min(best, time.perf_counter() - started)
    return _WEIGHTS / best
