"""A speaker whose neurons are planted: what each gate does to its speech is known, so is what a study must find.

It says a clip as a sum of sines, one for each emotion; the judges measure their amplitudes. Asked for an emotion it
opens that emotion's gates fully in half of its attempts (by the attempt's seed) and a little in the others. Gates add
up to amplitudes, so turning the right ones up makes speech heard as its target; turning up too far costs words.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from planted_listener import TRANSCRIPT, WIDTHS, emotion_frequency, evidence_for, planted_clips, planted_gates

from esn_interp.models.edits import SCOPE_CODES, Edit
from esn_interp.models.families.spoken import Spoken
from esn_interp.speech.clips import Clips
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.tasks.judges import Prosody

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
TARGETS = EMOTIONS[1:]
RATE, SAMPLES, TOKENS = 16_000, 2400, 3
WEAK = 0.45
"""How far an emotion's gates open in a half-hearted attempt, against neutral's 0.6."""
TOO_LOUD = 3.0


class PlantedSpeaker:
    """See the module. ``failing`` names what goes wrong, by the clip's place in a batch of one speaker."""

    name, fingerprint, component, widths = "planted-speaker", "5eed", "talker", WIDTHS
    standing: tuple[Edit, ...] = ()

    def __init__(self) -> None:
        self.said = 0

    def inaudible(self, layers: Sequence[int]) -> str | None:
        return None

    def speak_all(
        self,
        waveforms: Sequence[np.ndarray],
        prompt: str,
        *,
        seeds: Sequence[int],
        manner: Any = None,
        system: str | None = None,
        edits: Sequence[Edit] = (),
        tap_for: Any = None,
    ) -> list[Spoken]:
        self.said += len(waveforms)
        target = next((emotion for emotion in EMOTIONS if emotion in prompt), "neutral")
        gates = [np.full((len(seeds), width), 0.3) for width in WIDTHS]
        for row, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            hearty = rng.random() < 0.5
            for at, emotion in enumerate(EMOTIONS):
                opened = (1.0 if hearty else WEAK) if emotion == target else 0.6 if at == 0 else 0.1
                for layer, gate in enumerate(gates):
                    gate[row, planted_gates(emotion, layer)] = opened + 0.02 * rng.normal()
        for edit in edits:
            gate = gates[edit.layer]
            gate[:, edit.neurons] = np.asarray(edit.gain) * gate[:, edit.neurons] + np.asarray(edit.shift)
        if tap_for is not None:
            tap = tap_for(
                np.full((len(seeds), TOKENS), SCOPE_CODES["generated"]), np.ones(len(seeds), dtype=np.bool_)
            )
            for layer, gate in enumerate(gates):
                tap(1, layer, torch.from_numpy(gate.astype(np.float32))[:, None].expand(-1, TOKENS, -1))
        return [self._spoken(gates, row, seed) for row, seed in enumerate(seeds)]

    def _spoken(self, gates: list[np.ndarray], row: int, seed: int) -> Spoken:
        if seed % 41 == 0:
            return Spoken("", np.zeros(0, np.float32), RATE, codes=np.zeros(0, np.int64), words=0)
        time = np.arange(SAMPLES) / RATE
        wave = np.zeros(SAMPLES)
        for at, emotion in enumerate(EMOTIONS):
            opened = np.mean([gate[row, planted_gates(emotion, k)].mean() for k, gate in enumerate(gates)])
            wave += 0.1 * opened * np.sin(2 * np.pi * emotion_frequency(at) * time)
        codes = np.arange(6, dtype=np.int64)
        ended = seed % 37 != 0
        return Spoken(TRANSCRIPT, wave.astype(np.float32), RATE, codes=codes, words=6, ended=ended)


def amplitudes(wave: np.ndarray) -> np.ndarray:
    time = np.arange(len(wave)) / RATE
    return np.array(
        [2 / len(wave) * (wave @ np.sin(2 * np.pi * emotion_frequency(at) * time)) / 0.1 for at in range(len(EMOTIONS))]
    )


class SineJudge:
    """Hears the loudest sine."""

    emotions = EMOTIONS

    def __init__(self, name: str) -> None:
        self.name = name
        self.sharpness = {"soft": 5.0, "sharp": 9.0}[name]

    def probabilities(self, waveforms: Sequence[np.ndarray], rate: int) -> np.ndarray:
        logits = self.sharpness * np.stack([amplitudes(wave) for wave in waveforms])
        return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


class Ear:
    """Hears the words unless they are too loud."""

    name = "ear"

    def transcribe(self, waveforms: Sequence[np.ndarray], rate: int) -> list[str]:
        return [TRANSCRIPT if np.abs(amplitudes(w)).max() < TOO_LOUD else "noise" for w in waveforms]

    def normalise(self, text: str) -> str:
        return text.lower()


def sine_prosody(waveform: np.ndarray, rate: int) -> Prosody:
    """Louder means higher and longer, which is as good as anything."""
    level = float(np.abs(amplitudes(waveform)).sum())
    return Prosody(100 * (1 + level), 3.0, 10 * np.log10(level), 4.0, level, 1.0)


def sources(*, speakers: int = 10, takes: int = 2, transcript: str = TRANSCRIPT) -> Clips:
    """Neutral clips, and one of another emotion; speakers say themselves which set they belong to."""
    clips = planted_clips(speakers=speakers, takes=takes)
    frame = clips.to_frame()
    frame["audio"] = clips.column("audio")
    frame["transcript"] = transcript
    frame = frame[frame.emotion.isin(["neutral", "sad"])]
    number = frame["speaker"].str[1:].astype(int)
    frame["split"] = np.select([number < 2, number < 5], ["validation", "identification"], "evaluation")
    return Clips.from_frame(pd.DataFrame(frame.reset_index(drop=True)), name="planted")


def planted_ears(monkeypatch: Any) -> None:
    """Judges by the names that `config` gives them."""
    from esn_interp.studies.conversion import judges as study_judges

    monkeypatch.setattr(study_judges.judges, "unknown", lambda kind, name: "")
    monkeypatch.setattr(study_judges.judges, "emotion", SineJudge)
    monkeypatch.setattr(study_judges.judges, "transcript", lambda name: Ear())
    monkeypatch.setattr(study_judges, "prosody", sine_prosody)


def config(**changed: Any) -> ConversionConfig:
    settings = {
        "name": "planted",
        "models": ["planted-speaker"],
        "corpora": ["planted"],
        "selectors": ["mad", "lap", "random"],
        "tops": [0.075],
        "alphas": [1, 9],
        "filter_judge": "soft",
        "score_judge": "sharp",
        "transcript_judge": "ear",
        "emotion_threshold": 0.3,
        "draws": 3,
        "cross_clips": 1,
        "listening_pairs": 2,
    }
    return ConversionConfig.model_validate(settings | changed)


__all__ = ["EMOTIONS", "TARGETS", "PlantedSpeaker", "config", "evidence_for", "planted_ears", "sources"]
