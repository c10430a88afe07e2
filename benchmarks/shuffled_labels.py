"""``python -m benchmarks.shuffled_labels``: how often tests reject when labels of toy-omni's clips are shuffled.

Statistics of two bundled corpora are collected once, clip by clip. Then the labels of the kept identification clips are
shuffled within speakers, and two questions are asked of the neurons that come of it, which need no further run: whether
the same emotion's neurons of two corpora overlap more than their layers say, and whether neurons gather in bands of
layers. Each is answered as if the neurons were given, and by permuting labels once more. About six minutes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import esn_interp as esn
from benchmarks.shared import RESULTS
from esn_interp.files import write_json
from esn_interp.neurons.relabelling import relabelled_statistics
from esn_interp.neurons.resampling import subset
from esn_interp.neurons.statistics import GateStatistics

CORPORA = ("toy-studio", "toy-phone")
SELECTORS = ("mad", "cas", "lap")
TOP, SHUFFLES, PERMUTATIONS = 0.05, 20, 49


def main() -> None:
    """Shuffle, test and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shuffled_labels", description=__doc__)
    parser.add_argument("--shuffles", type=int, default=SHUFFLES)
    parser.add_argument("--permutations", type=int, default=PERMUTATIONS)
    parser.add_argument("--out", type=Path, default=RESULTS / "shuffled_labels.json")
    options = parser.parse_args()
    lm = esn.load("toy-omni")
    known = [esn.collect(lm, esn.corpus(name).split()[1], per_clip=True, progress=False) for name in CORPORA]
    found = measure(known, options.shuffles, options.permutations)
    write_json(options.out, {"kind": "shuffled labels", "version": 1, "corpora": list(CORPORA), "tests": found})


def measure(known: Sequence[GateStatistics], shuffles: int, permutations: int) -> list[dict[str, Any]]:
    """A row for each selector and question: the share of shuffles with p at most .05, both ways."""
    rows: list[dict[str, Any]] = []
    for selector in SELECTORS:
        options = {"top": TOP}
        asked = {"overlap of the same emotion": _overlap, "bands of layers": _bands}
        drawn = [
            relabelled_statistics(one, esn.select(one, selector, **options), permutations=shuffles, seed=7 + at)
            for at, one in enumerate(known)
        ]
        shuffled = [[settled(one) for one in pair] for pair in zip(*drawn, strict=True)]
        for what, ask in asked.items():
            p = np.array([ask(pair, selector, permutations) for pair in shuffled])
            before, after = (p <= 0.05 + 1e-9).mean(axis=0)
            true = ask(known, selector, permutations)
            rows.append(
                {
                    "selector": selector,
                    "what": what,
                    "shuffles": shuffles,
                    "permutations": permutations,
                    "before": float(before),
                    "after": float(after),
                    "true": f"{true[0]:.2g}, {true[1]:.2g}",
                }
            )
            print(rows[-1], flush=True)
    return rows


def settled(stats: GateStatistics) -> GateStatistics:
    """Statistics whose sums are added up once, from clips that carry their labels."""
    single = stats.per_clip
    assert single is not None
    return subset(replace(stats, per_clip=single), np.arange(len(single)))


def _overlap(stats: Sequence[GateStatistics], selector: str, permutations: int) -> tuple[float, float]:
    """The p of the pooled diagonal, by layers alone and by permuted labels."""
    sets = [esn.select(one, selector, top=TOP) for one in stats]
    found = esn.overlap(*sets, names=CORPORA, statistics=stats, resamples=0, relabellings=permutations).pairs[0]
    assert found.fold_null is not None
    return found.same_emotion.p, found.fold_null.omnibus_p


def _bands(stats: Sequence[GateStatistics], selector: str, permutations: int) -> tuple[float, float]:
    """The least p of a band over the emotions of the first corpus, by a uniform spread (Holm) and permuted labels."""
    esns = esn.select(stats[0], selector, top=TOP)
    found = esn.layer_profile(esns, stats[0], permutations=999, resamples=0, relabellings=permutations)
    return float(np.nanmin(found.scan_holm)), float(np.nanmin(found.selection_p))


if __name__ == "__main__":
    main()
