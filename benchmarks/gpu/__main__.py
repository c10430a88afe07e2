"""``python -m benchmarks.gpu [GEOMETRY] [--out FILE]``: every section, each kept even if another fails."""

import argparse
import importlib
import json
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from benchmarks.shared import GEOMETRIES, machine, sized, told

SECTIONS = ("edits", "statistics")
"""Modules here with a ``measure(geometry, found)`` that fills a dictionary with ratios."""


def main() -> None:
    """Measure, print and write; a section that fails leaves its error in its place."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("geometry", nargs="?", default=sized(()), choices=list(GEOMETRIES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks-gpu.json"), help="the JSON file to write")
    parser.add_argument("--only", nargs="*", default=SECTIONS, help="sections to measure")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"geometry": arguments.geometry, "machine": machine()}
    for section in arguments.only:
        started = time.perf_counter()
        told(f"== {section}")
        found: dict[str, Any] = {}
        results[section] = found
        try:
            importlib.import_module(f"benchmarks.gpu.{section}").measure(GEOMETRIES[arguments.geometry], found)
        except Exception as error:  # the other sections are worth having
            found["error"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        found["took"] = round(time.perf_counter() - started, 1)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1), flush=True)


if __name__ == "__main__":
    main()
