"""``python -m benchmarks.planted_scopes``: what each selector finds of planted neurons, by the tokens that count.

Gates are made up as in `benchmarks.planted_scales`, with an instruction behind every clip. At its tokens planted gates
tell the emotion as they do in the clip, or they tell nothing and all gates rest. No model is run, and nothing is timed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.planted_scales import CLIPS, EMOTIONS, PLANTED, WIDTHS, made_up, mean, right
from benchmarks.shared import RESULTS, write
from esn_interp.neurons.catalogue import SELECTORS

SCOPES = ("all", "audio,last", "audio")
INSTRUCTION = 30
"""Tokens of the instruction, about as many as a clip has at least."""
SPREAD = 0.5
"""Standard deviation of the logarithm of the gates' scales."""
SEEDS = 5


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_scopes", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="models that are made up")
    parser.add_argument("--out", type=Path, default=RESULTS / "planted_scopes.json", help="the JSON file to write")
    options = parser.parse_args()
    write(options.out, measure(range(options.seeds)))
    print(options.out)


def measure(seeds: Sequence[int], *, clips: int = CLIPS, widths: Sequence[int] = WIDTHS) -> dict[str, Any]:
    """Precision of every selector over the tokens of every scope, where the instruction tells and where it rests."""
    content: dict[str, Any] = {
        "design": {"emotions": len(EMOTIONS), "gates": sum(widths), "planted": PLANTED, "clips": clips}
        | {"instruction": INSTRUCTION, "spread": SPREAD, "models": len(seeds)}
    }
    for name, told in (("instruction tells", True), ("instruction rests", False)):
        found: dict[str, dict[str, list[float]]] = {one: {scope: [] for scope in SCOPES} for one in SELECTORS}
        for seed in seeds:
            stats, planted = made_up(seed, SPREAD, clips=clips, widths=widths, instruction=INSTRUCTION, told=told)
            for scope in SCOPES:
                for selector, share in right(stats, planted, scope=scope).items():
                    found[selector][scope].append(share)
        content[name] = {one: {scope: mean(shares) for scope, shares in by.items()} for one, by in found.items()}
    return content


if __name__ == "__main__":
    main()
