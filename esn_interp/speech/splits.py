"""Who is for choosing settings, who for finding neurons, who for the final figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.labels import SPLITS

SHARES = (0.2, 0.3, 0.5)  # validation, identification, evaluation: as in the bundled corpora


def how_to_split(splits: Sequence[str], speakers: Sequence[str]) -> str:
    """The unit: "corpus" where its own column is complete, "speaker" with three or more, else "sentence"."""
    if set(splits) == set(SPLITS):
        return "corpus"
    known = {speaker for speaker in speakers if speaker}
    return "speaker" if len(known) >= len(SPLITS) and all(speakers) else "sentence"


def assign_splits(frame: pd.DataFrame, *, by: str, seed: int, name: str) -> np.ndarray:
    """The split of every row, as an array of strings. Clips of one speaker (or sentence) stay together."""
    if by == "corpus":
        return frame["split"].to_numpy(dtype=object)
    named: list[str] = frame[by].tolist()
    clips: list[str] = frame["id"].tolist()
    units = [unit or clip for unit, clip in zip(named, clips, strict=True)]
    sexes: dict[str, str] = dict(zip(units, frame["sex"].tolist(), strict=True)) if by == "speaker" else {}
    dealt = _deal(sorted(set(units)), sexes, np.random.default_rng(seed))
    if len(dealt) < len(SPLITS):
        raise CorpusError(
            f"corpus {name}: {len(dealt)} {by}s cannot be divided into {', '.join(SPLITS)}; "
            "add clips or a 'split' column"
        )
    return np.array([dealt[unit] for unit in units], dtype=object)


def _deal(units: list[str], sexes: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """Deals units out, one sex after the other, always to the split that lacks most of its share."""
    # Sorting is stable: within a sex the order stays the drawn one.
    shuffled = [units[index] for index in rng.permutation(len(units)).tolist()]
    places = sorted(range(len(units)), key=lambda place: sexes.get(shuffled[place], ""))
    given = np.zeros(len(SPLITS))
    dealt: dict[str, str] = {}
    for number, place in enumerate(places, start=1):
        lacking = np.asarray(SHARES) * len(units) - given
        if number > len(units) - int((given == 0).sum()):
            lacking[given > 0] = -np.inf  # the last ones go where nobody is yet
        choice = int(np.argmax(lacking / np.asarray(SHARES)))
        given[choice] += 1
        dealt[shuffled[place]] = SPLITS[choice]
    return dealt
