"""toy-spectrum: a perceptron of scikit-learn on statistics of the mel cepstra."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom
from sklearn.metrics import recall_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from esn_interp.files import save_tensors
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.labels import CANONICAL as EMOTIONS
from esn_interp.tasks.judges.bundled_judges import RECIPES, VERSION
from esn_interp.tasks.judges.cepstra import FLOOR, MELS, log_mel, spectral_statistics
from esn_interp.tasks.judges.classifiers import Perceptron
from esn_interp.tasks.judges.functionals import as_row
from judges.recordings import DEVELOPMENT, TRAINING, Recordings, read
from judges.vocoding import vocoded

DECIBEL = math.log(10) / 10


@dataclass(frozen=True)
class Recipe:
    """How clips are changed, and how the perceptron learns."""

    copies: int = 3
    vocoded: int = 6  # every so manieth clip is heard through a vocoder as well,
    repeats: int = 2  # and in so many times as many versions
    gain: float = 2.5  # dB (standard deviation): the microphone's distance is no emotion
    tilt: float = 0.7  # dB per octave (standard deviation)
    tempo: tuple[float, float] = (0.95, 1.05)
    tract: tuple[float, float] = (0.97, 1.03)
    noise: tuple[float, float] = (-18.0, -10.0)  # log power of what is added
    hidden: int = 64
    decay: float = 0.1
    rate: float = 1e-3
    batch: int = 256
    rounds: int = 16


def changed(mel: np.ndarray, rng: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """At another tempo and distance, by another speaker, over another microphone, in noise. [frame, mel]"""
    mel = zoom(mel, (rng.uniform(*recipe.tempo), rng.uniform(*recipe.tract)), order=1)[:, :MELS]
    mel = np.pad(mel, ((0, 0), (0, MELS - mel.shape[1])), mode="edge")
    gain, tilt = rng.normal(size=2) * (recipe.gain, recipe.tilt)
    mel = mel + DECIBEL * (gain + tilt * np.linspace(-3, 3, MELS))  # octaves about 1 kHz, from 125 Hz to 8 kHz
    noise = rng.uniform(*recipe.noise) + np.log(rng.exponential(size=mel.shape))
    return np.maximum(np.logaddexp(mel, noise), math.log(FLOOR))


def listen(recordings: Recordings, clips: np.ndarray, *, coded: bool = False) -> list[np.ndarray]:
    """Log mel power of some clips. [clip][frame, mel]"""
    waves = (recordings.waveform(clip) for clip in clips.tolist())
    return [log_mel(vocoded(wave) if coded else wave, SAMPLE_RATE) for wave in waves]


def rows_of(clips: list[np.ndarray]) -> np.ndarray:
    return np.stack([as_row(spectral_statistics(clip)) for clip in clips])


def train(audio: Path, out: Path, recipe: Recipe, *, seed: int = 0) -> None:
    """Train, say how well it hears the development voices, and save."""
    rng = np.random.default_rng(seed)
    recordings, development = read(audio, TRAINING), read(audio, DEVELOPMENT)
    every, through = np.arange(len(recordings)), np.arange(0, len(recordings), recipe.vocoded)
    plain, coded = listen(recordings, every), listen(recordings, through, coded=True)
    votes = recordings.votes.cumsum(axis=1)
    rows: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for clips, which, copies in (
        (plain, every, recipe.copies),
        (coded, through, recipe.copies * recipe.repeats),
    ):
        for _ in range(copies):
            rows.append(rows_of([changed(clip, rng, recipe) for clip in clips]))
            # One listener of the panel is asked about each copy: over the copies the shares of votes are learnt.
            labels.append((rng.random((len(which), 1)) > votes[which]).sum(axis=1))
    scaler = StandardScaler().fit(np.concatenate(rows))
    network = MLPClassifier(
        (recipe.hidden,), alpha=recipe.decay, learning_rate_init=recipe.rate, batch_size=recipe.batch, random_state=seed
    )
    given, wanted = scaler.transform(np.concatenate(rows)), np.concatenate(labels).clip(max=len(EMOTIONS) - 1)
    for _ in range(recipe.rounds):
        network.partial_fit(given, wanted, classes=np.arange(len(EMOTIONS)))
    perceptron = as_perceptron(scaler, network)
    unheard = listen(development, np.arange(len(development)))
    for name, clips in (("as they are", unheard), ("changed", [changed(c, rng, recipe) for c in unheard])):
        said = perceptron.probabilities(rows_of(clips)).argmax(axis=1)
        recalls = recall_score(development.emotions, said, average=None)
        print(f"development voices, {name}: UAR {recalls.mean():.3f}, by emotion {recalls.round(2)}")
    save_tensors(
        out / "model.safetensors",
        {field.name: getattr(perceptron, field.name) for field in fields(perceptron)},
        {
            "kind": RECIPES["toy-spectrum"].kind,
            "version": VERSION,
            "emotions": EMOTIONS,
            "statistics": list(spectral_statistics(plain[0])),
        },
    )


def as_perceptron(scaler: StandardScaler, network: MLPClassifier) -> Perceptron:
    """What was learnt, as arrays; a test holds both equal."""
    (hidden, output), (hidden_bias, output_bias) = network.coefs_, network.intercepts_
    mean, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    return Perceptron(mean, scale, hidden, hidden_bias, output, output_bias)
