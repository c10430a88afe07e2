"""``python -m benchmarks.shuffled_ablation``: what silencing says when labels of toy-omni's clips are shuffled.

Labels of the kept identification clips of toy-studio are shuffled within speakers, neurons are selected from them
(`mad`, 5 %) and silenced on 200 evaluation clips. Own against random neurons of the same layers is tested by
flipping the signs of speakers, which takes the neurons as given, and self minus cross change by permuting the shuffled
labels once more. Shuffles that the results hold already are not run again. A minute a shuffle on one core.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import esn_interp as esn
from benchmarks.shared import RESULTS
from benchmarks.shuffled_labels import settled
from esn_interp.files import write_json
from esn_interp.neurons.relabelling import relabelled_statistics
from esn_interp.neurons.statistics import GateStatistics

CORPUS, CLIPS, SELECTOR, TOP = "toy-studio", 200, "mad", 0.05
SHUFFLES, PERMUTATIONS = 6, 20


def main() -> None:
    """Shuffle, silence, and write the results, shuffle by shuffle; the true labels last."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shuffled_ablation", description=__doc__)
    parser.add_argument("--shuffles", type=int, default=SHUFFLES)
    parser.add_argument("--out", type=Path, default=RESULTS / "shuffled_ablation.json")
    parser.add_argument("--at-most", type=int, default=SHUFFLES + 1, help="run so many; the next run goes on")
    options = parser.parse_args()
    rows = json.loads(options.out.read_text(encoding="utf-8"))["rows"] if options.out.exists() else []
    done = {row["labels"] for row in rows}
    lm = esn.load("toy-omni")
    _, find, evaluate = esn.corpus(CORPUS).split()
    evaluate, stats = evaluate.limit(CLIPS), esn.collect(lm, find, per_clip=True, progress=False)
    esns = esn.select(stats, SELECTOR, top=TOP)
    shuffled = relabelled_statistics(stats, esns, permutations=options.shuffles, seed=7)
    for number, one in enumerate([*map(settled, shuffled), stats]):
        name = "true" if one is stats else f"shuffle {number + 1}"
        if name in done or len(rows) - len(done) >= options.at_most:
            continue
        rows.append({"labels": name, **silenced(lm, evaluate, one, seed=number)})
        print(rows[-1], flush=True)
        about = {"corpus": CORPUS, "selector": SELECTOR, "top": TOP, "permutations": PERMUTATIONS}
        write_json(options.out, {"kind": "shuffled ablation", "version": 1, **about, "rows": rows})


def silenced(lm: esn.AudioLM, clips: esn.Clips, stats: GateStatistics, *, seed: int) -> dict[str, Any]:
    """What both tests say of neurons that these statistics give."""
    esns = esn.select(stats, SELECTOR, top=TOP)
    how: dict[str, Any] = {"relabellings": PERMUTATIONS, "draws_per_clip": 2, "seed": seed, "progress": False}
    found = esn.ablation(lm, clips, esns, stats=stats, **how)
    null = found.specificity_null
    assert null is not None
    between = found.specificity
    return {
        "self": found.self_change.value,
        "random": found.random_self.value,
        "specificity": between.value,
        "specificity_low": between.low,
        "specificity_high": between.high,
        "holm": float(np.nanmin(found.p_holm)),
        "selection": float(np.nanmin(null.p_values)),
        "omnibus": null.omnibus_p,
        "null_mean": null.mean,
    }


if __name__ == "__main__":
    main()
