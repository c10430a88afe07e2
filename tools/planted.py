"""Planted or grown: the same training with the three penalties and without, side by side: docs/results/planted.json.

    TRAIN="python tools/train_toy_omni.py --audio training --further training-further --until 2 --batch 16 --steps 600"
    $TRAIN --out planted
    $TRAIN --out grown --direct-path 0 --writing 0 --one-way 0
    python tools/planted.py --audio training --planted planted --grown grown

Neurons are found on four of the development voices and tried on the other four.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import esn_interp as esn
from esn_interp.models.edits import Edit
from esn_interp.speech.audio import SAMPLE_RATE

OUT = Path(__file__).parent.parent / "docs" / "results" / "planted.json"
SELECTORS = ("mad", "cas", "lape", "lap")
TOP = 0.05
FINDING = ("dev-f01", "dev-f02", "dev-m01", "dev-m02")


def development(audio: Path, folder: Path) -> esn.Clips:
    """The development voices' clear performances as a corpus."""
    lines = [json.loads(line) for line in (audio / "clips.jsonl").read_text().splitlines()]
    samples = np.load(audio / "audio.npy", mmap_mode="r")
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "path", "emotion", "speaker", "sex", "transcript"))
        for number, line in enumerate(line for line in lines if line["part"] == "dev"):
            soundfile.write(
                folder / f"{number}.wav",
                samples[line["offset"] : line["offset"] + line["length"]],
                SAMPLE_RATE,
            )
            (emotion,) = line["weights"]
            table.writerow(
                (number, f"{number}.wav", emotion, line["voice"], line["sex"], line["transcript"])
            )
    return esn.corpus(str(folder / "clips.csv"))


def of_model(folder: Path, clips: esn.Clips, *, draws: int) -> dict[str, Any]:
    """Recognition with all gates, with none of them, and without those that each selector finds."""
    lm = esn.load(str(folder))
    found, tried = (
        clips.where(speaker=FINDING),
        clips.where(speaker=[s for s in clips.speakers if s not in FINDING]),
    )
    silent = [Edit(layer, np.arange(lm.n_gates // lm.n_layers), gain=0.0) for layer in range(lm.n_layers)]
    answers = esn.recognise(lm, tried, conditions={"none": [], "all": silent}, progress=False)
    stats = esn.collect(lm, found, progress=False)
    selected = {}
    for selector in SELECTORS:
        neurons = esn.select(stats, selector, top=TOP)
        effect = esn.ablation(lm, tried, neurons, draws=draws, progress=False)
        selected[selector] = {
            "self": effect.self_change.value,
            "cross": effect.cross_change.value,
            "random": effect.random_self.value,
        }
        print(folder.name, selector, selected[selector], flush=True)
    return {
        "uar": float(answers.uar("none")),
        "uar_without_gates": float(answers.uar("all")),
        "selectors": selected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--planted", type=Path, required=True)
    parser.add_argument("--grown", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="development-") as folder:
        clips = development(arguments.audio, Path(folder))
        results = {
            name: of_model(getattr(arguments, name), clips, draws=arguments.draws)
            for name in ("planted", "grown")
        }
    results["top"] = TOP
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
