"""How often p-values reject when labels say nothing, and how often they find what is there.

A made-up listener decides by gates of unequal scale, some of them planted for an emotion. One listener is like the
bundled model: its planted gates are ten times as loud as the others, and nothing else decides. Another knows a second
way that no gate carries, and its planted gates are as loud as any. Neurons are selected from clips of identification
speakers (by selectors of the package) with labels that are true or shuffled within speakers, and silenced on clips of
evaluation speakers. Two tests look at the same loss: signs flipped over speakers, own against random neurons of the
same layers (what takes the neurons as given), and permuted labels.

    python -m benchmarks.nulls                # 200 repetitions of a scene, five minutes on one core

Scenes that the results hold already, with as many repetitions, are not simulated again.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import holm, sign_flip_test
from esn_interp.files import write_json
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.rates import Rates, SingleClips, Spread
from esn_interp.neurons.relabelling import permute_within
from esn_interp.neurons.selectors import Size, cut

RESULTS = Path(__file__).parent / "results" / "nulls.json"

EMOTIONS, LAYERS, WIDTH, PLANTED = 4, 6, 100, 8
GATES = LAYERS * WIDTH
CHOSEN = round(0.05 * GATES)
SPEAKERS, SENTENCES = 6, 8
NEW_SPEAKERS, NEW_CLIPS = 10, 4
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
TESTS = ("signs", "selection", "omnibus")


@dataclass(frozen=True)
class Listener:
    """``loud`` is how much larger planted gates are than others, ``elsewhere`` what a way without gates adds."""

    loud: float
    elsewhere: float
    carried: float
    """What gates that were not planted weigh."""


LISTENERS = {"few loud gates": Listener(10.0, 0.0, 0.05), "a second way": Listener(1.0, 2.0, 0.15)}


@dataclass(frozen=True)
class Scene:
    """``strength`` is what an emotion adds to its planted gates, in standard deviations over clips.

    With a strength of 0 identification clips say nothing of emotion though their labels are true.
    """

    listener: str
    selector: str
    strength: float
    shuffled: bool
    permutations: int = 99

    @property
    def nothing(self) -> bool:
        """Whether labels say nothing, so that a p-value is to reject as often as it promises."""
        return self.shuffled or self.strength == 0


SCENES = tuple(
    [Scene(who, selector, 1.0, True) for who in LISTENERS for selector in ("mad", "cas", "cohen")]
    + [
        Scene("a second way", selector, strength, False)
        for selector in ("mad", "cas", "cohen")
        for strength in (0.0, 0.25, 0.5, 1.0)
    ]
)


def p_values(scene: Scene, seed: int) -> dict[str, float]:
    """One made-up study: the smallest p over the emotions by signs (Holm), and by permuted labels."""
    rng = np.random.default_rng([seed, *map(ord, repr(scene))])
    listener = LISTENERS[scene.listener]
    scale = np.exp(rng.standard_normal(GATES))
    planted = rng.permutation(GATES)[: EMOTIONS * PLANTED].reshape(EMOTIONS, PLANTED)
    scale[planted] *= listener.loud
    label = np.tile(np.repeat(np.arange(EMOTIONS), SENTENCES), SPEAKERS)
    speaker = np.repeat(np.arange(SPEAKERS), EMOTIONS * SENTENCES)
    gates = _gates(rng, scale, planted, label, speaker, scene.strength)
    seen = permute_within(label, speaker, rng) if scene.shuffled else label
    labels = np.stack([seen, *(permute_within(seen, speaker, rng) for _ in range(scene.permutations))])
    own, *permuted = [_selected(scene.selector, gates, one) for one in labels]
    matched = [_random_like(own, rng) for _ in range(20)]

    truth = np.tile(np.repeat(np.arange(EMOTIONS), NEW_CLIPS), NEW_SPEAKERS)
    new = np.repeat(np.arange(NEW_SPEAKERS), EMOTIONS * NEW_CLIPS)
    heard = _gates(rng, scale, planted, truth, new, max(scene.strength, 0.3))
    weight = listener.carried * rng.standard_normal((GATES, EMOTIONS)) / scale[:, None]
    for emotion, mine in enumerate(planted):
        weight[mine, emotion] += 0.5 / scale[mine]
    other_way = listener.elsewhere * np.eye(EMOTIONS)[truth] + rng.standard_normal((len(truth), EMOTIONS))
    logits = heard @ weight + other_way
    right = logits.argmax(axis=1) == truth
    # What each gate adds, by clip and emotion.
    through = (heard.T[:, :, None] * weight[:, None]).reshape(GATES, -1)

    def changes(sets: np.ndarray) -> np.ndarray:
        """Of each clip, [set, clip], when the gates of a set are silent."""
        lost = (sets.astype(np.float64) @ through).reshape(len(sets), *logits.shape)
        return ((logits - lost).argmax(axis=-1) == truth).astype(np.float64) - right

    def contrast(change: np.ndarray) -> np.ndarray:
        """Self minus cross change of each emotion's set."""
        of = np.stack([change[:, truth == emotion].mean(axis=1) for emotion in range(EMOTIONS)], axis=1)
        return np.diag(of) - (of.sum(axis=1) - np.diag(of)) / (EMOTIONS - 1)

    mine, drawn = changes(own), np.mean([changes(one) for one in matched], axis=0)
    difference = [
        [(mine - drawn)[e, (truth == e) & (new == s)].mean() for s in range(NEW_SPEAKERS)]
        for e in range(EMOTIONS)
    ]
    signs = holm(np.array([sign_flip_test(np.array(one)) for one in difference]))
    null = SelectionNull.of(
        "self minus cross change of recall",
        tuple(map(str, range(EMOTIONS))),
        contrast(mine),
        np.stack([contrast(changes(one)) for one in permuted]),
        rises=False,
        within="speaker",
        clips=len(label),
        fixed=0,
    )
    return {"signs": float(signs.min()), "selection": float(null.p_values.min()), "omnibus": null.omnibus_p}


def simulate(scene: Scene, repetitions: int) -> dict[str, Any]:
    """How often each p-value is at or under each level."""
    found = [p_values(scene, seed) for seed in range(repetitions)]
    shares = {
        name: {str(level): float(np.mean([one[name] <= level + 1e-12 for one in found])) for level in LEVELS}
        for name in TESTS
    }
    return {**vars(scene), "nothing": scene.nothing, "repetitions": repetitions, **shares}


def excess(row: dict[str, Any], test: str) -> float:
    """The most that a test rejects beyond what it promises, over the levels, in standard errors of the simulation."""
    return max(
        (share - float(level)) / np.sqrt(float(level) * (1 - float(level)) / row["repetitions"])
        for level, share in row[test].items()
    )


def _gates(
    rng: np.random.Generator,
    scale: np.ndarray,
    planted: np.ndarray,
    label: np.ndarray,
    speaker: np.ndarray,
    strength: float,
) -> np.ndarray:
    """Mean gates of clips: speakers and clips differ, and emotions do at their planted gates."""
    values = rng.standard_normal((len(label), GATES))
    values += 0.5 * rng.standard_normal((speaker.max() + 1, GATES))[speaker]
    for emotion, mine in enumerate(planted):
        values[np.ix_(label == emotion, mine)] += strength
    return values * scale


def _selected(selector: str, gates: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The package's selection from these clips, [emotion, gate]."""
    of = [gates[label == emotion] for emotion in range(EMOTIONS)]
    clips = np.array([len(one) for one in of])
    means = np.stack([one.mean(axis=0) for one in of])
    fires = np.stack([(one > 0).sum(axis=0) for one in of])
    rates = Rates(
        emotions=tuple(map(str, range(EMOTIONS))),
        frequency=fires / clips[:, None],
        mean=means,
        clips=clips,
        firings=fires,
        tokens=clips[:, None],
        pooling="clip",
        spreads=lambda: (Spread(means, np.stack([(one**2).mean(axis=0) for one in of]), clips[:, None]),),
        singles=lambda: SingleClips(label.astype(np.int32), lambda columns: gates[:, columns]),
    )
    return cut(SELECTORS[selector].score(rates), Size(count=CHOSEN), (slice(0, GATES),))


def _random_like(sets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many gates of every layer, none of them the set's own."""
    drawn = np.zeros_like(sets)
    for row, one in enumerate(sets):
        for start in range(0, GATES, WIDTH):
            free = start + np.flatnonzero(~one[start : start + WIDTH])
            drawn[row, rng.choice(free, int(one[start : start + WIDTH].sum()), replace=False)] = True
    return drawn


def main() -> None:
    """Simulate every scene and write the results, scene by scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--scenes", type=int, default=len(SCENES), help="simulate so many at most, then stop")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    before = json.loads(given.out.read_text(encoding="utf-8"))["scenes"] if given.out.exists() else []
    left = given.scenes
    for scene in SCENES:
        about = {**vars(scene), "repetitions": given.repetitions}
        known = [row for row in before if about.items() <= row.items()]
        if not known and left:
            left -= 1
            known = [simulate(scene, given.repetitions)]
            print(json.dumps(known[0]), flush=True)
        rows += known
        write_json(given.out, {"kind": "selection nulls", "version": 1, "scenes": [*rows, *before]})
    write_json(given.out, {"kind": "selection nulls", "version": 1, "scenes": rows})


if __name__ == "__main__":
    main()
