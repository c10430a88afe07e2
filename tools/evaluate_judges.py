"""The figures of the bundled judges' card: docs/results/judges.json.

python tools/evaluate_judges.py --audio training

The eight development voices, and the validation and evaluation voices of both bundled corpora, by which nothing about
the judges was chosen.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from judges.recordings import DEVELOPMENT, EMOTIONS, read
from sklearn.metrics import confusion_matrix, recall_score

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.corpora import corpus
from esn_interp.tasks import judges
from esn_interp.tasks.judges import FILTER, RECOGNISER, SCORER

OUT = Path(__file__).parent.parent / "docs" / "results" / "judges.json"


@dataclass(frozen=True, eq=False)
class Spoken:
    """Clips with what was acted and said."""

    name: str
    waveforms: Sequence[np.ndarray]
    emotions: np.ndarray
    transcripts: Sequence[str]


def development(audio: Path) -> Spoken:
    clips = read(audio, DEVELOPMENT)
    waves = [clips.waveform(clip) for clip in range(len(clips))]
    return Spoken("development voices", waves, clips.emotions, clips.transcripts)


def split(name: str, which: str) -> Spoken:
    clips = corpus(name).where(split=which)
    heard = [clips[row] for row in range(len(clips))]
    acted = np.array([EMOTIONS.index(clip.emotion) for clip in heard])
    waves = [clip.waveform() for clip in heard]
    return Spoken(f"{name}, {which}", waves, acted, [clip.transcript.lower() for clip in heard])


def report(spoken: Spoken) -> dict[str, float]:
    print(f"{spoken.name}: {len(spoken.waveforms)} clips")
    wrong: list[np.ndarray] = []
    figures: dict[str, float] = {}
    for name in (SCORER, FILTER):
        judge = judges.emotion(name)
        judge.probabilities(spoken.waveforms[:1], SAMPLE_RATE)
        started = time.process_time()
        said = judge.probabilities(spoken.waveforms, SAMPLE_RATE).argmax(axis=1)
        spent = (time.process_time() - started) / len(spoken.waveforms)
        wrong.append(said != spoken.emotions)
        uar = recall_score(spoken.emotions, said, average="macro")
        figures[name] = float(uar)
        print(f"  {name}: UAR {uar:.3f}, {1000 * spent:.0f} ms a clip; acted (rows) and heard:")
        print(confusion_matrix(spoken.emotions, said, normalize="true").round(2))
    scorer, filter_ = wrong
    print(
        f"  both wrong {np.mean(scorer & filter_):.3f}, by chance {scorer.mean() * filter_.mean():.3f};"
        f" correlation of their errors {np.corrcoef(scorer, filter_)[0, 1]:.2f}"
    )
    recogniser = judges.transcript(RECOGNISER)
    started = time.process_time()
    heard = recogniser.transcribe(spoken.waveforms, SAMPLE_RATE)
    spent = (time.process_time() - started) / len(spoken.waveforms)
    wer, cer = jiwer.wer(list(spoken.transcripts), heard), jiwer.cer(list(spoken.transcripts), heard)
    print(f"  {RECOGNISER}: WER {wer:.3f}, CER {cer:.3f}, {1000 * spent:.0f} ms a clip")
    both = scorer & filter_
    return figures | {
        "both-wrong": float(both.mean()),
        "by-chance": float(scorer.mean() * filter_.mean()),
        "correlation": float(np.corrcoef(scorer, filter_)[0, 1]),
        "wer": float(wer),
        "cer": float(cer),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    parts = [(name, which) for name in ("toy-studio", "toy-phone") for which in ("validation", "evaluation")]
    results = {"development": report(development(arguments.audio))}
    results |= {f"{name}-{which}": report(split(name, which)) for name, which in parts}
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
