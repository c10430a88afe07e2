"""Neurons of every way of asking, and of permuted labels; ways that the model only guesses under find none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from esn_interp.analysis.asking.ways import Choosing, collecting
from esn_interp.analysis.relabelling import Null, permuted_selection
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.speech.clips import Clips
from esn_interp.tasks.chance import guesses
from esn_interp.tasks.collection import collect


@dataclass(frozen=True, eq=False)
class Found:
    """Neurons by the way they were found, in order, with their null and the correct clips of each emotion.

    ``left_out`` says of the other ways why there are none.
    """

    sets: Mapping[str, NeuronSet]
    nulls: tuple[Null, ...]
    kept: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...]


def find(
    lm: Any,
    identification: Clips,
    ways: Mapping[str, Choosing],
    selector: str,
    size: Mapping[str, Any],
    *,
    relabellings: int,
    guessed: bool,
    seed: int,
    **how: Any,
) -> Found:
    """Collect and select under each way, and from permuted labels.

    Parameters
    ----------
    size, how
        Options of `select`, and of `collect`.
    guessed
        Whether ways count under which the model does no better than guessing; else they are left out, as long as
        neurons are found on correct answers.

    Raises
    ------
    StatisticsError
        When neurons can't be found under a way that counts, or none counts.
    """
    sets: dict[str, NeuronSet] = {}
    nulls: list[Null] = []
    kept: list[tuple[int, ...]] = []
    left_out: list[str] = []
    for name, way in ways.items():
        stats = collect(
            lm, identification, protocol=collecting(way), per_clip=relabellings > 0, seed=seed, **how
        )
        lucky = not guessed and size.get("filter") == "correct"
        if lucky and (told := guesses(stats.seen, stats.kept)):
            left_out.append(f"no neurons are found by {way.title}: {told}")
            continue
        kept.append(tuple(stats.kept.values()))
        sets[name] = select(stats, selector, seed=seed, **size)
        nulls.append(permuted_selection(stats, sets[name], relabellings=relabellings, seed=seed))
    if not sets:
        raise StatisticsError(f"{getattr(lm, 'name', 'the model')}: {'; '.join(left_out) or 'no way finds neurons'}")
    return Found(sets, tuple(nulls), tuple(kept), tuple(left_out))
