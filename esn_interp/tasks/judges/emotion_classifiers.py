"""Judges of emotion that are neural: any audio classifier of transformers, and emotion2vec."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from transformers import AutoModelForAudioClassification

from esn_interp.errors import ModelError
from esn_interp.speech.labels import VOCABULARY, emotion_name, emotion_order
from esn_interp.tasks.judges.checkpoints import Checkpoint, need, open_checkpoint
from esn_interp.tasks.judges.prepared import prepared

EMOTION2VEC = "iic/emotion2vec_plus_large"
_NO_EMOTION = ("other", "<unk>")  # classes of emotion2vec that are left out


@dataclass(frozen=True, eq=False)
class ClassifierJudge:
    """An audio classifier of transformers; labels that mean the same emotion are added up."""

    name: str
    emotions: tuple[str, ...]
    labels: tuple[str, ...]
    """The emotion that each of the model's outputs stands for."""
    checkpoint: Checkpoint

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        rows = np.empty((len(waveforms), len(self.labels)))
        for row, waveform in enumerate(waveforms):
            with torch.inference_mode():
                logits = self.checkpoint.model(**self.checkpoint.inputs(waveform, rate)).logits
            rows[row] = logits[0].double().softmax(-1).cpu().numpy()
        return summed(rows, self.labels, self.emotions)


def load_classifier(
    name: str | Path, *, labels: Mapping[str, str] | None = None, device: str = "cpu"
) -> ClassifierJudge:
    """An audio classifier from a folder or the hub.

    ``labels`` says which emotion a label of the model means; labels that it leaves out are read as they are.

    Raises `ModelError` when there is no such classifier, or none of its labels is an emotion.
    """
    checkpoint = open_checkpoint(
        AutoModelForAudioClassification, name, device=device, what="an audio classifier"
    )
    own = [str(label) for _, label in sorted(checkpoint.model.config.id2label.items())]
    given = {} if labels is None else labels
    if unknown := [label for label in given if label not in own]:
        raise ModelError(f"judge {str(name)!r} has no label {unknown[0]!r}; its labels are {', '.join(own)}")
    meant = tuple(emotion_name(given.get(label, label)) for label in own)
    if not set(meant) & set(VOCABULARY):
        raise ModelError(
            f"judge {str(name)!r}: its labels ({', '.join(own[:8])}) name no emotion; say what they mean,"
            f" labels={{{own[0]!r}: 'neutral', ...}}"
        )
    return ClassifierJudge(str(name), emotion_order(meant), meant, checkpoint)


@dataclass(frozen=True, eq=False)
class Emotion2VecJudge:
    """emotion2vec (Ma et al. 2024, ACL Findings) through funasr; its classes "other" and unknown are left out."""

    name: str
    model: Any

    emotions = ("neutral", "happy", "angry", "sad", "fearful", "disgusted", "surprised")

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        rows = np.empty((len(waveforms), len(self.emotions)))
        for row, waveform in enumerate(waveforms):
            (result,) = self.model.generate(
                prepared(waveform, rate), granularity="utterance", extract_embedding=False
            )
            # A label is Chinese and English: "生气/angry".
            named = [emotion_name(label.rsplit("/", 1)[-1]) for label in result["labels"]]
            score = {
                name: value
                for name, value in zip(named, result["scores"], strict=True)
                if name not in _NO_EMOTION
            }
            rows[row] = [score.get(emotion, 0.0) for emotion in self.emotions]
        return rows / rows.sum(axis=1, keepdims=True)


def load_emotion2vec(*, device: str = "cpu") -> Emotion2VecJudge:
    """emotion2vec's large model, from the hub.

    Raises `ModelError` when funasr is not installed.
    """
    funasr = need("funasr", judge="emotion2vec", extra="emotion2vec")
    return Emotion2VecJudge(
        "emotion2vec",
        funasr.AutoModel(model=EMOTION2VEC, hub="hf", device=device, disable_update=True, disable_pbar=True),
    )


def summed(
    rows: Float64[np.ndarray, "clip label"], labels: Sequence[str], emotions: Sequence[str]
) -> Float64[np.ndarray, "clip emotion"]:
    """Columns of the same emotion added up."""
    return np.stack([rows[:, [label == emotion for label in labels]].sum(axis=1) for emotion in emotions], 1)
