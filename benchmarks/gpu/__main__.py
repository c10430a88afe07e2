"""``python -m benchmarks.gpu [GEOMETRY] [--out FILE]``: every section, each kept even if another fails."""

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.models import GEOMETRIES
from benchmarks.shared import RESULTS, write

SECTIONS = ("statistics", "edits")
"""Modules here with a ``measure(geometry, device, dtype, found)`` that fills a dictionary as it goes."""


class Kept(dict[str, Any]):
    """Is written whenever something is added: whatever stops a run, what was measured by then is there."""

    def __init__(self, save: Callable[[], None]) -> None:
        super().__init__()
        self._save = save

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._save()


def main() -> None:
    """Measure, print and write; a section that fails leaves its error in its place."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("geometry", nargs="?", default="tiny" if device == "cpu" else "7B", choices=list(GEOMETRIES))
    out = RESULTS / ("gpu-quick.json" if device == "cpu" else "gpu.json")
    parser.add_argument("--out", type=Path, default=out, help="the JSON file to write")
    parser.add_argument("--only", nargs="*", default=SECTIONS, help="sections to measure")
    arguments = parser.parse_args()
    geometry = GEOMETRIES[arguments.geometry]
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    results: dict[str, Any] = {"geometry": geometry.facts(), "dtype": str(dtype)}
    for section in arguments.only:
        started, found = time.perf_counter(), Kept(lambda: write(arguments.out, results, device=device))
        results[section] = found
        print(f"== {section}", file=sys.stderr, flush=True)
        try:
            importlib.import_module(f"benchmarks.gpu.{section}").measure(geometry, device, dtype, found)
        except Exception as error:  # the other sections are worth having
            found["error"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        found["took_s"] = round(time.perf_counter() - started, 1)
        if device == "cuda":
            torch.cuda.empty_cache()
        write(arguments.out, results, device=device)
    print(arguments.out.read_text(encoding="utf-8"), flush=True)


if __name__ == "__main__":
    main()
