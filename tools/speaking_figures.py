"""What toy-omni says before it is steered, on sentences that it knows and on new ones: docs/results/speaking.json.

    python tools/speaking_figures.py [--clips 20]

Neutral clips of toy-studio are said with each of four emotions. `kept` is the share that the filter of
`esn evc study evc-toy` would keep.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import esn_interp as esn
from esn_interp.tasks.judges import FILTER, RECOGNISER, SCORER, errors

OUT = Path(__file__).parent.parent / "docs" / "results" / "speaking.json"
TARGETS = ("happy", "angry", "sad", "fearful")
CLEAR, MOST_ERRORS = 0.35, 0.25  # as esn_interp/studies/configs/evc-toy.yaml


def said_again(lm: Any, clips: esn.Clips) -> dict[str, float | int]:
    run = esn.conversions(lm, clips, TARGETS, batch_size=8, progress=False)
    waves, rate = [one.waveform for one in run.conversions], run.conversions[0].rate
    wanted = [one.target for one in run.conversions]
    scorer, judge = esn.judges.emotion(SCORER), esn.judges.emotion(FILTER)
    heard = [scorer.emotions[k] for k in scorer.probabilities(waves, rate).argmax(1)]
    votes = judge.probabilities(waves, rate)
    clear = [row[judge.emotions.index(target)] >= CLEAR for row, target in zip(votes, wanted, strict=True)]
    words = esn.judges.transcript(RECOGNISER).transcribe(waves, rate)
    transcripts = [one.transcript for one in run.conversions]
    wer = np.array([errors(text, said).wer for text, said in zip(transcripts, words, strict=True)])
    written = np.mean([errors(one.transcript, one.text).wer for one in run.conversions])
    return {
        "conversions": len(waves),
        "as_asked": float(np.mean([said == target for said, target in zip(heard, wanted, strict=True)])),
        "wer": float(wer.mean()),
        "written_wer": float(written),
        "kept": float(np.mean((wer <= MOST_ERRORS) & np.array(clear))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lm = esn.load_speaking("toy-omni")
    results = {}
    for split in ("validation", "identification", "evaluation"):
        clips = esn.corpus("toy-studio").where(split=split, emotion="neutral").limit(arguments.clips)
        results[split] = said_again(lm, clips)
        print(split, results[split], flush=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
