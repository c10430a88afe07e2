"""toy-prosody: gradient-boosted trees of scikit-learn on functionals of pitch, level, timbre and tempo."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import recall_score

from esn_interp.files import save_tensors
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.labels import CANONICAL as EMOTIONS
from esn_interp.tasks.judges.bundled_judges import RECIPES, VERSION
from esn_interp.tasks.judges.classifiers import Trees
from esn_interp.tasks.judges.contours import EDGES, Contours, contours
from esn_interp.tasks.judges.functionals import as_row, functionals
from judges.recordings import DEVELOPMENT, TRAINING, Recordings, read
from judges.vocoding import vocoded


@dataclass(frozen=True)
class Recipe:
    """How clips are changed, and how trees are grown."""

    copies: int = 3
    gain: float = 2.5  # dB (standard deviation): the microphone's distance is no emotion
    pitch: float = 1.0  # semitones (standard deviation): nor is the size of the speaker
    tilt: float = 0.7  # dB per octave (standard deviation)
    held: float = 0.2  # share of the copies whose F0 is held for 40 ms and rounded to 25 Hz
    vocoded: int = 6  # every so manieth clip is heard through a vocoder as well,
    repeats: int = 2  # and in so many times as many versions
    rounds: int = 100
    rate: float = 0.12
    leaves: int = 10


def listen(recordings: Recordings) -> list[Contours]:
    return [contours(recordings.waveform(clip), SAMPLE_RATE) for clip in range(len(recordings))]


def changed(clip: Contours, rng: np.random.Generator, recipe: Recipe) -> Contours:
    """The clip from another distance, by another speaker, over another microphone."""
    gain, shift, tilt = rng.normal(size=3) * (recipe.gain, recipe.pitch, recipe.tilt)
    octaves = np.log2(np.sqrt(np.array(EDGES[:-1]) * np.array(EDGES[1:])) / 1000)
    f0 = clip.f0 * 2 ** (shift / 12)
    if rng.random() < recipe.held:
        f0 = np.maximum(np.rint(np.repeat(f0[::2], 2)[: len(f0)] / 25), 3) * 25
    return replace(
        clip,
        f0=f0,
        harmonicity=clip.harmonicity * rng.uniform(0.9, 1.0),
        level=clip.level + gain,
        bands=clip.bands + gain + tilt * octaves,
    )


def rows_of(clips: list[Contours]) -> np.ndarray:
    return np.stack([as_row(functionals(clip)) for clip in clips])


def grow(
    rows: np.ndarray, labels: np.ndarray, recipe: Recipe, *, seed: int
) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=recipe.rounds,
        learning_rate=recipe.rate,
        max_leaf_nodes=recipe.leaves,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    ).fit(rows, labels)


def as_trees(model: HistGradientBoostingClassifier) -> Trees:
    """What was grown, as arrays; the nodes are scikit-learn's private ones, and a test holds both equal."""
    grown = [[tree.nodes for tree in round_] for round_ in model._predictors]  # pyright: ignore
    sizes = np.array([[len(nodes) for nodes in round_] for round_ in grown])
    roots = (np.cumsum(sizes) - sizes.ravel()).reshape(sizes.shape)
    flat = np.concatenate([nodes for round_ in grown for nodes in round_])
    own = np.arange(len(flat))
    base = np.repeat(roots.ravel(), sizes.ravel())
    leaf = flat["is_leaf"].astype(bool)
    return Trees(
        feature=np.where(leaf, 0, flat["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, 0.0, flat["num_threshold"]),
        missing_left=flat["missing_go_to_left"].astype(bool),
        left=np.where(leaf, own, base + flat["left"]).astype(np.int32),
        right=np.where(leaf, own, base + flat["right"]).astype(np.int32),
        value=np.where(leaf, flat["value"], 0.0),
        roots=roots.astype(np.int32),
        baseline=np.asarray(model._baseline_prediction, dtype=np.float64).ravel(),  # pyright: ignore
    )


def train(audio: Path, out: Path, recipe: Recipe, *, seed: int = 0) -> None:
    """Train, say how well it hears the development voices, and save."""
    rng = np.random.default_rng(seed)
    recordings = read(audio, TRAINING)
    through = np.arange(0, len(recordings), recipe.vocoded)
    heard = listen(recordings)
    heard += [contours(vocoded(recordings.waveform(clip)), SAMPLE_RATE) for clip in through.tolist()]
    votes = np.concatenate([recordings.votes, recordings.votes[through]]).cumsum(axis=1)
    rows: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for copy in range(recipe.copies * recipe.repeats):
        first = 0 if copy < recipe.copies else len(recordings)
        rows.append(rows_of([changed(clip, rng, recipe) for clip in heard[first:]]))
        # One listener of the panel is asked about each copy: over the copies the trees learn the shares of votes.
        labels.append((rng.random((len(heard) - first, 1)) > votes[first:]).sum(axis=1))
    model = grow(np.concatenate(rows), np.concatenate(labels).clip(max=len(EMOTIONS) - 1), recipe, seed=seed)
    trees = as_trees(model)
    development = read(audio, DEVELOPMENT)
    unheard = listen(development)
    for name, clips in (("as they are", unheard), ("changed", [changed(c, rng, recipe) for c in unheard])):
        said = trees.probabilities(rows_of(clips)).argmax(axis=1)
        print(
            f"development voices, {name}: UAR {recall_score(development.emotions, said, average='macro'):.3f}"
        )
    names = list(functionals(heard[0]))
    save_tensors(
        out / "model.safetensors",
        {field.name: getattr(trees, field.name) for field in fields(trees)},
        {"kind": RECIPES["toy-prosody"].kind, "version": VERSION, "emotions": EMOTIONS, "functionals": names},
    )
