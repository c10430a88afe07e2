"""``python -m benchmarks.planted_scales``: what each selector finds of planted neurons when gates differ in scale.

Gates are made up: silu of a resting level, what a clip adds, and noise at every token; planted ones rise for one
emotion. Then every gate is multiplied by a lognormal number of its own. What is counted is how many of the selected
neurons were planted for their emotion, of as many as were planted. No model is run, and nothing is timed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.shared import RESULTS, write
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
WIDTHS = (500,) * 4
PLANTED = 20
"""Neurons of each emotion, 1 % of all; as many are selected."""
SPREADS = (0.0, 0.5, 1.0, 1.5)
"""Standard deviations of the logarithm of the scales."""
RISE, REST, OF_CLIP = 0.7, (-1.0, 0.7), 0.5
"""How far a planted gate's input rises, mean and deviation of where inputs rest, and how far clips differ."""
TOKENS, CLIPS, SEEDS = (30, 60), 40, 10


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_scales", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="models that are made up")
    parser.add_argument("--out", type=Path, default=RESULTS / "planted_scales.json", help="the JSON file to write")
    options = parser.parse_args()
    write(options.out, measure(range(options.seeds)))
    print(options.out)


def measure(seeds: Sequence[int], *, clips: int = CLIPS, widths: Sequence[int] = WIDTHS) -> dict[str, Any]:
    """Precision of every selector at every spread of scales, by model that is made up."""
    found: dict[str, dict[str, list[float]]] = {name: {f"{sd:g}": [] for sd in SPREADS} for name in SELECTORS}
    for seed in seeds:
        for sd in SPREADS:
            for name, share in precision(seed, sd, clips=clips, widths=widths).items():
                found[name][f"{sd:g}"].append(share)
    return {
        "design": {
            "emotions": len(EMOTIONS),
            "gates": sum(widths),
            "planted": PLANTED,
            "clips": clips,
            "rise": RISE,
            "models": len(seeds),
        },
        "precision": {
            name: {sd: mean(shares) for sd, shares in by_spread.items()} for name, by_spread in found.items()
        },
    }


def precision(seed: int, sd: float, *, clips: int, widths: Sequence[int]) -> dict[str, float]:
    """The share of each selector's neurons that were planted for their emotion; those of `lape` are a shared cut."""
    return right(*made_up(seed, sd, clips=clips, widths=widths))


def right(stats: GateStatistics, planted: np.ndarray, *, scope: str | None = None) -> dict[str, float]:
    """The same of statistics, over the tokens of some scopes."""
    shares: dict[str, float] = {}
    for name in SELECTORS:
        count = PLANTED * len(EMOTIONS) if name == "lape" else PLANTED
        esns = select(stats, name, count=count, scope=scope)
        both = sum(len(np.intersect1d(esns.indices(one), planted[row])) for row, one in enumerate(EMOTIONS))
        shares[name] = both / max(len(esns), 1)
    return shares


def made_up(
    seed: int, sd: float, *, clips: int, widths: Sequence[int], instruction: int = 1, told: bool = True
) -> tuple[GateStatistics, np.ndarray]:
    """Statistics of a model that is made up, and the flat index of the neurons planted for each emotion.

    The same seed gives the same gates whatever the spread of their scales. Behind a clip stand so many tokens of an
    ``instruction``, at which gates do as they do in the clip, or, where they are not ``told``, as in no clip.
    """
    rng = np.random.default_rng(seed)
    gates = sum(widths)
    planted = rng.permutation(gates)[: PLANTED * len(EMOTIONS)].reshape(len(EMOTIONS), PLANTED)
    rest = rng.normal(*REST, gates)
    scales = np.exp(sd * rng.standard_normal(gates))
    origin = Origin("made up", "none", "decoder", tuple(widths), "made up", "none")
    accumulator = Accumulator(origin, EMOTIONS, per_clip=True)
    emotion = np.arange(len(EMOTIONS))
    for turn in range(clips):  # one clip of each emotion, all of one length
        audio = int(rng.integers(*TOKENS))
        level = rest + OF_CLIP * rng.standard_normal((len(EMOTIONS), 1, gates))
        level[emotion[:, None], 0, planted] += RISE
        inputs = level + rng.standard_normal((len(EMOTIONS), audio + instruction + 1, gates))
        if not told:
            inputs[:, audio:-1] += rest - level
        values = torch.nn.functional.silu(torch.from_numpy(inputs).float()) * torch.from_numpy(scales).float()
        codes = np.array([0] * audio + [1] * instruction + [2], dtype=np.int8)
        tap = accumulator.tap(np.tile(codes, (len(EMOTIONS), 1)))
        for layer, part in enumerate(torch.split(values, list(widths), dim=2)):
            tap(0, layer, part)
        ids = [f"{turn}-{name}" for name in EMOTIONS]
        accumulator.fold(tap, emotion=emotion, kept=emotion >= 0, ids=ids, speakers=[str(turn % 10)] * len(ids))
    return accumulator.statistics(), planted


def mean(shares: Sequence[float]) -> dict[str, float]:
    """The mean over models that were made up, and its standard error."""
    error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return {"mean": round(float(np.mean(shares)), 4), "error": round(float(error), 4)}


if __name__ == "__main__":
    main()
