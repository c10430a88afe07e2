"""How alike evaluation voices are to those that a bundled model heard in training: docs/results/voice_distances.json.

    python tools/voice_distances.py --audio training training-further

Of each voice, the long-term spectrum of its clips: mean power in 24 mel bands, in dB, the level taken off. Two voices
are as far apart as the root mean square of the differences. Beside the nearest training voice stands how far apart two
halves of the voice's own clips are: nearer than that, spectra can't tell voices apart. Another channel (toy-phone)
colours all voices alike, so that a distance tells of channels too. A few seconds.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import welch

import esn_interp as esn
from esn_interp.speech.audio import SAMPLE_RATE

OUT = Path(__file__).parent.parent / "docs" / "results" / "voice_distances.json"
CORPORA = ("toy-studio", "toy-phone")
CLIPS = 40
"""So many clips of a voice at most."""
LOW, HIGH, BANDS = 150.0, 3400.0, 24


def spectrum(clips: Iterable[np.ndarray]) -> np.ndarray:
    """Long-term spectrum in dB per mel band, mean 0."""
    powers = []
    for clip in clips:
        frequencies, power = welch(clip.astype(np.float64), SAMPLE_RATE, nperseg=1024)
        powers.append(power / max(power.sum(), 1e-12))
    mel = np.linspace(_mel(LOW), _mel(HIGH), BANDS + 1)
    band = np.digitize(_mel(frequencies), mel) - 1
    mean = np.mean(powers, axis=0)
    levels = 10 * np.log10([mean[band == at].mean() + 1e-15 for at in range(BANDS)])
    return levels - levels.mean()


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square of the differences in dB."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def heard(folder: Path) -> dict[str, list[np.ndarray]]:
    """Clips of each training and development voice."""
    samples = np.load(folder / "audio.npy", mmap_mode="r")
    found: dict[str, list[np.ndarray]] = {}
    for line in map(json.loads, (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()):
        mine = found.setdefault(line["voice"], [])
        if len(mine) < CLIPS:
            clip = np.asarray(samples[line["offset"] : line["offset"] + line["length"]])
            mine.append(clip / 32768 if clip.dtype == np.int16 else clip)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    training = {voice: spectrum(clips) for folder in arguments.audio for voice, clips in heard(folder).items()}
    among = [min(apart(one, other) for v, other in training.items() if v != voice) for voice, one in training.items()]
    rows = []
    for corpus in CORPORA:
        evaluation = esn.corpus(corpus).split()[2]
        for speaker in evaluation.speakers:
            mine = evaluation.where(speaker=speaker)
            waves = [mine[row].waveform() for row in range(min(len(mine), CLIPS))]
            own = spectrum(waves)
            near = sorted((apart(own, other), voice) for voice, other in training.items())
            halves = apart(spectrum(waves[::2]), spectrum(waves[1::2]))
            rows.append(
                {
                    "corpus": corpus,
                    "speaker": speaker,
                    "nearest": near[0][1],
                    "apart": round(near[0][0], 2),
                    "second": round(near[1][0], 2),
                    "halves": round(halves, 2),
                }
            )
            print(rows[-1])
    told = {"training_voices": len(training), "training_nearest_median": round(float(np.median(among)), 2)}
    arguments.out.write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
