"""``python -m benchmarks.playground``: what a change of the playground's slider costs, beside a plain forward pass.

Both are measured in turn within one run, on one thread; only their ratio is told. Writes results/playground.json.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks.shared import RESULTS
from esn_interp.playground.bench import Settings
from esn_interp.playground.opening import open_bench

ROUNDS = 40


def measure() -> dict[str, float]:
    """Median seconds of a forward pass of the decoder and of a change of alpha, and their ratio."""
    torch.set_num_threads(1)
    bench = open_bench(limit=40, progress=False)
    heard, settings = bench.hear_clip(bench.clips[0]), Settings(bench.emotions[-1], alpha=1.0)
    bench.answer(heard, settings)
    plain: list[float] = []
    turned: list[float] = []
    for round_ in range(ROUNDS):
        plain.append(_seconds(lambda: bench.lm.scores(heard.encoded, bench.emotions)))
        turned.append(_seconds(lambda at=round_: bench.answer(heard, replace(settings, alpha=1 + at / 10))))
    middle = statistics.median(plain), statistics.median(turned)
    return {"forward": middle[0], "slider": middle[1], "ratio": middle[1] / middle[0], "rounds": ROUNDS}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    told = measure()
    print(f"a change of the slider takes {told['ratio']:.2f} of a forward pass")
    (RESULTS / "playground.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
