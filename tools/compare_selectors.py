"""What the neurons of each selector cost when they are silenced, in the bundled model: docs/results/selectors.json.

    python tools/compare_selectors.py

A description of the selectors, not a choice: no setting is taken from it. About a minute on one core.
"""

import argparse
import json
from pathlib import Path

import torch

import esn_interp as esn

OUT = Path(__file__).parent.parent / "docs" / "results" / "selectors.json"
SELECTORS = ("mad", "cohen", "welch", "auroc", "cas", "lape", "lap")
TOPS = (0.01, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--model", default="toy-omni")
    parser.add_argument("--corpus", default="toy-studio")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lm = esn.load(arguments.model)
    _, find, evaluate = esn.corpus(arguments.corpus).split()
    stats = esn.collect(lm, find, per_clip=True, progress=False)
    found = esn.compare_selectors(
        lm, evaluate.limit(arguments.clips), stats, selectors=SELECTORS, tops=TOPS, draws=0, progress=False
    )
    frame = found.to_frame()
    print(frame.to_string())
    rows = json.loads(frame.to_json(orient="records"))
    about = {"model": arguments.model, "corpus": arguments.corpus, "clips": arguments.clips}
    arguments.out.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
