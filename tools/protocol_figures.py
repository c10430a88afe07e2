"""What the two protocols, other ways of asking and other ways of steering give on the bundled models.

    python tools/protocol_figures.py --out docs/results

writes ``authors-toy.json`` (the study of that name: SE, ACE and ESS under both protocols), and for every bundled model
``asking-MODEL.json`` and ``baselines-MODEL.json``, results that `esn figure` draws.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import esn_interp as esn
from esn_interp.files import write_json

MODELS = {"toy-omni": "toy-studio", "toy-emodb": "emodb-sample"}
"""The bundled models, and the corpus that each hears best."""


def authors_toy(out: Path) -> None:
    """The study, and of its results what is told."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = esn.study("authors-toy", folder, progress=False, say=print)
    cells = [
        {name: cell.get(name) for name in ("title", "clips", "baseline", "filter", "chosen", "ablation", "protocols")}
        for cell in done.content["cells"]
    ]
    told = {"cells": cells, "not_done": done.content["not_done"], "seconds": round(time.monotonic() - started)}
    write_json(out / "authors-toy.json", json.loads(json.dumps(told)))


def of_model(model: str, corpus: str, out: Path, *, limit: int, relabellings: int, side_clips: int) -> None:
    """Other ways of asking, and of steering."""
    lm = esn.load(model)
    clips = esn.corpus(corpus, emotions=["neutral", "happy", "angry", "sad", "fearful"])
    validation, identification, evaluation = clips.split(unheard_by=lm)
    some, known = evaluation.limit(limit), validation.limit(limit // 2)
    found = esn.asking(lm, some, identification, top=0.02, relabellings=relabellings, progress=False)
    found.save(out / f"asking-{model}.json")
    print(found.summary())
    stats = esn.collect(lm, identification, progress=False)
    esns = esn.select(stats, "mad", top=0.02)
    beside = esn.baselines(
        lm, some, esns, identification=identification, validation=known, side_clips=side_clips, progress=False
    )
    beside.save(out / f"baselines-{model}.json")
    print(beside.summary())


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--relabellings", type=int, default=9)
    parser.add_argument("--side-clips", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=["study", *MODELS])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if "study" in asked.only:
        authors_toy(asked.out)
    for model, corpus in MODELS.items():
        if model in asked.only:
            how = {"limit": asked.limit, "relabellings": asked.relabellings, "side_clips": asked.side_clips}
            of_model(model, corpus, asked.out, **how)


if __name__ == "__main__":
    main()
