"""What a study will cost, before it is run: forward passes, time and memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from esn_interp.models.memory import Memory, collecting_memory
from esn_interp.studies.recognition.cell import Cell
from esn_interp.studies.recognition.pages import PAGE_CLIPS
from esn_interp.studies.recognition.plan import Pair, RecognitionPlan
from esn_interp.studies.work import Task

AUDIO_TOKENS_PER_SECOND, TEXT_TOKENS = 25, 60
OVERHEAD = 0.001
"""Seconds that a pass takes however small the model is."""

_PROBED = 6
_SIDE = 1024


@dataclass(frozen=True)
class Cost:
    """One task: how many clips pass through the decoder, and roughly how many seconds that takes."""

    stage: str
    title: str
    passes: int
    seconds: float
    done: bool


@dataclass(frozen=True)
class Estimate:
    """A plan: the tasks in order, the memory that collecting takes by model, and the speed it assumes.

    ``flops`` are the floating-point operations a second of a large matrix product on this machine, measured now.
    """

    costs: tuple[Cost, ...]
    memory: dict[str, Memory]
    flops: float

    @property
    def passes(self) -> int:
        """Passes of all tasks that are still to be done."""
        return sum(cost.passes for cost in self.costs if not cost.done)

    @property
    def seconds(self) -> float:
        """Seconds of all tasks that are still to be done."""
        return sum(cost.seconds for cost in self.costs if not cost.done)


def estimate(plan: RecognitionPlan) -> Estimate:
    """Count the passes of every task, and guess their time from the size of the models.

    Whether a task is done already is known only as far as what it depends on is; the others count in full.
    """
    flops, costs = _speed(), list[Cost]()
    sizes = {cell.model.title: cell.model.parameters for cell in plan.cells}
    tokens = {cell.corpus.title: _tokens(cell) for cell in plan.cells}
    for task in plan.tasks():
        cells = (task.of.one, task.of.other) if isinstance(task.of, Pair) else (task.of,)
        passes = [_passes(task, cell) for cell in cells]
        per_pass = [
            2 * sizes[cell.model.title] * tokens[cell.corpus.title] / flops + OVERHEAD for cell in cells
        ]
        seconds = sum(count * each for count, each in zip(passes, per_pass, strict=True))
        costs.append(Cost(task.stage, task.title, sum(passes), seconds, plan.is_done(task)))
    memory: dict[str, Memory] = {}
    for cell in plan.cells:
        outline = cell.model.outline
        longest = max(tokens.values())
        memory[cell.model.title] = collecting_memory(
            outline.model,
            outline.stack,
            hidden=outline.hidden,
            batch_size=plan.config.batch_size,
            tokens=longest,
            emotions=max(len(one.clips.emotions) for one in plan.cells),
            bytes_per_value=outline.bytes_per_value,
        )
    return Estimate(tuple(costs), memory, flops)


def _passes(task: Task, cell: Cell) -> int:
    """How often a clip of this cell passes through the decoder in a task."""
    config, emotions = cell.config, len(cell.clips.emotions)
    scopes, sizes = len(config.tried_scopes), len(config.selectors) * len(config.tops)
    validation, identification, evaluation = map(len, cell.splits)
    doses = emotions * sum(1 for alpha in config.alphas if alpha)
    trials = scopes * (1 + emotions * sizes * (1 + config.validation_draws))
    if config.rule == "causal":  # every causal setting is turned up as well: all of them at most
        trials += scopes * sizes * (1 + emotions)
    asked = min(config.side_clips, evaluation)
    counts = {
        "baseline": evaluation,
        "collect": identification,
        "select": validation * trials,
        "ablate": evaluation * (1 + emotions * (1 + config.draws + config.relabellings)),
        "protocols": evaluation * 2 * (1 + 2 * emotions),
        # every clip meets one of the random draws, and permuted labels under one gain
        "dose": validation * (1 + doses)
        + evaluation * (1 + doses * (2 if config.draws else 1) + emotions * config.relabellings),
        # two questions under every silencing, and a third under every steering
        "cost": asked * (2 * (1 + emotions) + emotions),
        "listen": emotions * (1 + 2 * emotions),
        # statistics, the voice, and four neurons under four gains, for one neuron of each emotion
        "neuron": min(PAGE_CLIPS, evaluation) * (1 + emotions * 18),
        # silencing and steering by two sets and by random ones
        "transfer": evaluation * (1 + 2 * emotions * (3 if config.draws else 2)),
    }
    return counts.get(task.stage, 0)


def _tokens(cell: Cell) -> int:
    """Length of a prompt, from the first clips."""
    some: Sequence[float] = [len(cell.clips[row].waveform()) / 16_000 for row in range(min(_PROBED, len(cell.clips)))]
    return TEXT_TOKENS + round(AUDIO_TOKENS_PER_SECOND * sum(some) / max(len(some), 1))


def _speed() -> float:
    """Floating-point operations a second of a matrix product, where the model would run."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    matrix = torch.randn(_SIDE, _SIDE, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((matrix @ matrix).sum())
        best = min(best, time.perf_counter() - started)
    return 2 * _SIDE**3 / best


