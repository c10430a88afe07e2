"""The codec: one token for every 40 ms, chosen by content, pitch and energy.

A code is a triple: one of a few dozen spectral shapes (k-means over the frames of the code, with their voicing, after
the voice's own mean and the code's energy are taken away), its pitch on the lattice, and one of a few levels of energy.
Only triples that occur are given a token; the rest are sent to the nearest one that does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import dct
from sklearn.cluster import MiniBatchKMeans

from toy_omni.speaking.frames import FRAMES_PER_CODE, HIGHEST, MELS
from toy_omni.speaking.output_voices import Said

PAD, BOS, EOS, MASK = range(4)
SPECIAL = 4
SHAPES_VOICED, SHAPES_UNVOICED = 160, 48
LEVELS_VOICED, LEVELS_UNVOICED = 6, 4
CEPSTRA = 13
VOICING_WEIGHT = 1.5
RAREST = 4  # triples that occur less often share a token with a neighbour


@dataclass(frozen=True)
class Codec:
    """How frames become tokens. ``triples[token - 4]`` is (shape, pitch, level)."""

    means: Float[np.ndarray, "voice mel"]
    voiced: Float[np.ndarray, "shape feature"]
    unvoiced: Float[np.ndarray, "shape feature"]
    level_edges: Float[np.ndarray, " edge"]
    level_edges_unvoiced: Float[np.ndarray, " edge"]
    triples: Int[np.ndarray, "token triple"]

    @property
    def vocabulary(self) -> int:
        return SPECIAL + len(self.triples)

    def triples_of(self, said: Said) -> Int[np.ndarray, "code triple"]:
        """(shape, pitch, level) of every code; the shapes of unvoiced codes follow those of voiced ones."""
        features, energy = features_of(said, self.means)
        pitched = said.pitch > 0
        shape = np.where(
            pitched,
            nearest(features, self.voiced),
            SHAPES_VOICED + nearest(features, self.unvoiced),
        )
        level = np.where(
            pitched, np.digitize(energy, self.level_edges), np.digitize(energy, self.level_edges_unvoiced)
        )
        return np.stack([shape, said.pitch, level], axis=1)

    def encode(self, said: Said) -> Int[np.ndarray, " code"]:
        """Tokens of a clip."""
        return tokens_of(self.triples)[tuple(self.triples_of(said).T)]


def tokens_of(triples: Int[np.ndarray, "token triple"]) -> Int[np.ndarray, "shape pitch level"]:
    """The token of every triple. One without a token of its own goes to that of the same shape with the nearest pitch
    and level; voiced shapes stay voiced."""
    sizes = (SHAPES_VOICED + SHAPES_UNVOICED, HIGHEST + 1, max(LEVELS_VOICED, LEVELS_UNVOICED))
    table = np.zeros(sizes, dtype=np.int64)
    pitch, level = np.meshgrid(np.arange(sizes[1]), np.arange(sizes[2]), indexing="ij")
    for shape in range(sizes[0]):
        mine = np.flatnonzero(triples[:, 0] == shape)
        far = 2 * np.abs(pitch[..., None] - triples[mine, 1]) + np.abs(level[..., None] - triples[mine, 2])
        table[shape] = SPECIAL + mine[far.argmin(axis=-1)]
    return table


def features_of(
    said: Said, means: Float[np.ndarray, "voice mel"]
) -> tuple[Float[np.ndarray, "code feature"], Float[np.ndarray, " code"]]:
    """Spectral shape and voicing of each code, and its energy (log amplitude)."""
    codes = len(said.pitch)
    mel = said.frames[:, :MELS].reshape(codes, FRAMES_PER_CODE, MELS)
    energy = np.log(np.exp(2 * mel).sum(axis=2).mean(axis=1)) / 2
    cepstra = dct(mel - means[said.voice], norm="ortho", axis=2)[:, :, :CEPSTRA]
    cepstra[:, :, 0] -= cepstra[:, :, 0].mean(axis=1, keepdims=True)  # loudness is the level's business
    voicing = VOICING_WEIGHT * said.voiced.reshape(codes, FRAMES_PER_CODE)
    return np.concatenate([cepstra.reshape(codes, -1), voicing], axis=1), energy


def nearest(
    features: Float[np.ndarray, "code feature"], centres: Float[np.ndarray, "shape feature"]
) -> Int[np.ndarray, " code"]:
    distance = (centres**2).sum(axis=1)[None] - 2 * features @ centres.T
    return distance.argmin(axis=1)


def fit(clips: Sequence[Said], *, seed: int = 0) -> Codec:
    voices = max(said.voice for said in clips) + 1
    means = np.stack(
        [
            np.concatenate([s.frames[:, :MELS] for s in clips if s.voice == v]).mean(axis=0)
            for v in range(voices)
        ]
    )
    pairs = [features_of(said, means) for said in clips]
    features = np.concatenate([f for f, _ in pairs])
    energy = np.concatenate([e for _, e in pairs])
    pitched = np.concatenate([said.pitch for said in clips]) > 0

    def centres(rows: Float[np.ndarray, "code feature"], count: int) -> Float[np.ndarray, "shape feature"]:
        means = MiniBatchKMeans(count, batch_size=4096, n_init=3, max_iter=60, random_state=seed)
        return means.fit(rows).cluster_centers_

    def edges(values: Float[np.ndarray, " code"], count: int) -> Float[np.ndarray, " edge"]:
        return np.linspace(*np.quantile(values, (0.05, 0.95)), count + 1)[1:-1]

    codec = Codec(
        means,
        centres(features[pitched], SHAPES_VOICED),
        centres(features[~pitched], SHAPES_UNVOICED),
        edges(energy[pitched], LEVELS_VOICED),
        edges(energy[~pitched], LEVELS_UNVOICED),
        np.zeros((0, 3), dtype=np.int64),
    )
    seen = Counter(tuple(t) for said in clips for t in codec.triples_of(said).tolist())
    kept = sorted(triple for triple, count in seen.items() if count >= RAREST)
    return Codec(**{**vars(codec), "triples": np.array(kept, dtype=np.int64)})
