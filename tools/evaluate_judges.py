"""The figures of the bundled judges' card: the eight development voices, and toy-studio's validation voices.

python tools/evaluate_judges.py --audio training

Nothing of the corpora's identification or evaluation voices is heard.
"""

import argparse
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


def validation(name: str) -> Spoken:
    clips, _, _ = corpus(name).split()
    heard = [clips[row] for row in range(len(clips))]
    acted = np.array([EMOTIONS.index(clip.emotion) for clip in heard])
    waves = [clip.waveform() for clip in heard]
    return Spoken(f"{name}, validation", waves, acted, [clip.transcript.lower() for clip in heard])


def report(spoken: Spoken) -> None:
    print(f"{spoken.name}: {len(spoken.waveforms)} clips")
    wrong: list[np.ndarray] = []
    for name in (SCORER, FILTER):
        judge = judges.emotion(name)
        judge.probabilities(spoken.waveforms[:1], SAMPLE_RATE)
        started = time.process_time()
        said = judge.probabilities(spoken.waveforms, SAMPLE_RATE).argmax(axis=1)
        spent = (time.process_time() - started) / len(spoken.waveforms)
        wrong.append(said != spoken.emotions)
        uar = recall_score(spoken.emotions, said, average="macro")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    arguments = parser.parse_args()
    for spoken in (development(arguments.audio), validation("toy-studio"), validation("toy-phone")):
        report(spoken)


if __name__ == "__main__":
    main()
