"""``python -m benchmarks.memory``: memory while 100,000 short clips are collected, and over 2,000 edited runs.

Clips are made when they are asked for, so that nothing but the package could hold them. What counts is the resident
memory of this process and of those that it starts, once everything has been used for a while, against the end.
"""

import argparse
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from transformers.utils import logging as transformers_logging

from benchmarks.models import EMOTIONS, GEOMETRIES, as_wav, noise, qwen2_5_omni, some_gates
from benchmarks.peers.ours import QUESTION, silenced
from benchmarks.shared import RESULTS, write
from esn_interp.models.audio_lm import AudioLM
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.collection import CollectWarning, collect

GEOMETRY = GEOMETRIES["least"]
ALLOWED = {"edited runs": 0.02, "edited runs, traced": 0.02, "clips": 0.02}
"""Growth, as a share, that is not yet called growth: written down before anything was measured."""
SETTLED = 0.1
"""The share of the clips' time after which everything that is kept on purpose is there."""
BEFORE = 500
"""Runs before the first that counts: what was prepared for the latest 256 conditions is kept."""


@dataclass(frozen=True)
class MadeUpClips(Clips):
    """A corpus whose sound does not exist until a clip is asked for: half a second of noise, by the clip's number."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if not isinstance(found, Clip):
            return found
        number = int(found.id.rpartition("-")[2])
        return replace(found, audio={"bytes": as_wav(noise(1, seconds=(0.3, 0.5), seed=number)[0]), "path": None})


def made_up(clips: int) -> MadeUpClips:
    """So many clips, with an emotion and a speaker each."""
    frame = pd.DataFrame(
        {
            "audio": [f"made-up-{number}.wav" for number in range(clips)],
            "id": [f"made-up-{number}" for number in range(clips)],
            "emotion": [EMOTIONS[number % len(EMOTIONS)] for number in range(clips)],
            "speaker": [str(number % 100) for number in range(clips)],
        }
    )
    plain = Clips.from_frame(frame, name="made up")
    return MadeUpClips(plain.dataset, plain.name)


class Watch:
    """Notes the resident memory, of this process and its children, while a block runs."""

    def __init__(self, *, every: float = 0.5) -> None:
        self._every, self._stop = every, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[float] = []

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.seen.append(resident())

    def facts(self) -> dict[str, float]:
        """Growth between the time when all had settled and the end."""
        return growth(self.seen[int(SETTLED * (len(self.seen) - 1)) :])

    def _look(self) -> None:
        while not self._stop.wait(self._every):
            self.seen.append(resident())


def resident() -> float:
    """MB of memory that this process and its children hold."""
    own = psutil.Process()
    total = own.memory_info().rss
    for child in own.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def growth(seen: Sequence[float]) -> dict[str, float]:
    """MB at first, at the end, and at most; and the growth from the first to the second."""
    facts = {"first_MB": seen[0], "end_MB": seen[-1], "most_MB": max(seen)}
    return {name: round(value, 1) for name, value in facts.items()} | {
        "growth": round(seen[-1] / seen[0] - 1, 4)
    }


def many_clips(clips: int) -> dict[str, Any]:
    """A collection of so many clips."""
    lm, corpus = _model(), made_up(clips)
    start = time.perf_counter()
    with warnings.catch_warnings(), Watch() as watch:
        warnings.simplefilter("ignore", CollectWarning)  # random weights answer by chance
        statistics = collect(lm, corpus, batch_size=64, emotions=EMOTIONS, progress=False)
    seen = int(statistics.clips.sum())
    if seen != clips:
        raise AssertionError(f"{seen} of {clips} clips were collected")
    return {"clips": clips, "seconds": round(time.perf_counter() - start, 1), **watch.facts()}


def many_runs(runs: int, plan: str) -> dict[str, Any]:
    """So many runs with other gates silenced each time."""
    lm = _model()
    encoded = lm.encode(noise(4, seconds=(0.3, 0.5)), QUESTION.prompt)
    lm.plan = plan
    seen: list[float] = []
    for seed in range(BEFORE + runs):
        edits = silenced(some_gates(lm, share=0.05, seed=seed))
        lm.scores(encoded, QUESTION.labels, edits=edits)
        if seed >= BEFORE - 1 and seed % 10 == 9:
            seen.append(resident())
    return {"runs": runs, "plan": plan, **growth(seen)}


def main() -> int:
    """Measure, write, and fail when memory grew; every part in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--out", type=Path, default=RESULTS / "memory.json", help="the JSON file to write")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"geometry": GEOMETRY.facts(), "allowed": ALLOWED}
    todo = {
        "edited runs": partial(many_runs, arguments.runs, "auto"),
        "edited runs, traced": partial(many_runs, arguments.runs, "traced"),
        "clips": partial(many_clips, arguments.clips),
    }
    for name, measure in todo.items():
        # What an earlier part leaves of the heap in pieces must not be taken for what the next one holds.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            results[name] = process.submit(measure).result()
        print(name, results[name], file=sys.stderr, flush=True)
        write(arguments.out, results)
    grown = [name for name in todo if results[name]["growth"] > ALLOWED[name]]
    print(arguments.out, *(f"{name}: memory grew" for name in grown), sep="\n")
    return int(bool(grown))


def _model() -> AudioLM:
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    return qwen2_5_omni(GEOMETRY)


if __name__ == "__main__":
    sys.exit(main())
