"""``python -m benchmarks``: what the package costs beside the plain model and other tools, on this machine's CPU.

One thread computes; every figure is a ratio within one run, and nothing is timed before all ways agree.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Nothing here comes from a hub, and a tool that looks for its model there would wait for an answer; nor may one
# install anything while others are measured.
os.environ |= {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1"}

import torch
from transformers.utils import logging as transformers_logging

from benchmarks.loops import Loops
from benchmarks.models import GEOMETRIES, MAKERS, decoder_parameters
from benchmarks.peers import Ours, peers
from benchmarks.runs import Runs
from benchmarks.shared import RESULTS, write

SECTIONS = ("statistics", "ablation", "generation", "sweep", "collection")


@dataclass(frozen=True)
class Size:
    """How much of everything is run at one geometry."""

    geometry: str
    clips: int
    rounds: int
    sweep: dict[str, int]
    collection: dict[str, int]
    loops: int


WHOLE = (
    Size("5M", 8, 7, dict(clips=4, conditions=8, batch=4), dict(clips=24, batch=12), 3),
    Size("60M", 4, 4, dict(clips=2, conditions=4, batch=2), dict(clips=6, batch=6), 2),
)
QUICK = (Size("tiny", 4, 2, dict(clips=4, conditions=3, batch=4), dict(clips=8, batch=4), 2),)


def main() -> None:
    """Measure, say what is being done, and write the results after every section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny model, to see that everything runs")
    parser.add_argument("--family", default="qwen2-audio", choices=list(MAKERS), help="the class of the model")
    parser.add_argument("--only", nargs="*", default=SECTIONS, choices=SECTIONS, help="sections to measure")
    names = [size.geometry for size in WHOLE]
    parser.add_argument("--sizes", nargs="*", default=names, choices=names, help="sizes of the model")
    parser.add_argument("--add", action="store_true", help="keep what the file has of other sections and sizes")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("cpu-quick.json" if arguments.quick else "cpu.json")
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()  # of token numbers that random models do not have
    started = time.perf_counter()
    kept: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if arguments.add else {}
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS} | kept.get("sections", {})
    geometries: dict[str, Any] = kept.get("geometries", {})
    results: dict[str, Any] = {"family": arguments.family, "geometries": geometries, "sections": sections}
    chosen = QUICK if arguments.quick else [size for size in WHOLE if size.geometry in arguments.sizes]
    for size in chosen:
        geometry = GEOMETRIES[size.geometry]
        make = partial(MAKERS[arguments.family], geometry)
        tools, results["missing"] = peers(make)
        ours = Ours(make())
        geometries[size.geometry] = geometry.facts() | {"parameters": decoder_parameters(ours.lm)}
        runs = Runs(make, ours, tools, clips=size.clips, rounds=size.rounds)
        loops = Loops(ours, tools, rounds=size.loops)
        todo = {
            "statistics": runs.statistics,
            "ablation": runs.ablation,
            "generation": runs.generation,
            "sweep": partial(loops.sweep, **size.sweep),
            "collection": partial(loops.collection, **size.collection),
        }
        for name in arguments.only:
            began = time.perf_counter()
            sections[name][size.geometry] = found = todo[name]()
            took = time.perf_counter() - began
            results["took_s"] = round(time.perf_counter() - started, 1)
            write(out, results)
            ratios = ", ".join(f"{way} {one['ratio']:.3g}" for way, one in found["ways"].items())
            print(f"{name}, {size.geometry} ({took:.0f} s): {ratios}", file=sys.stderr, flush=True)
    print(out)


if __name__ == "__main__":
    main()
