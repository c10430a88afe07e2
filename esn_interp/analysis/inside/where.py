"""Where a neuron is read: the same selection at each site of the gates, silenced there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.sites import GATE, NEURON_SITES, SITES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect


@dataclass(frozen=True, eq=False)
class SiteComparison(Result):
    """What silencing the neurons found at each site does to recall, as signed fractions with 95 % bounds over speakers.

    ``own`` is the mean change of an emotion's recall when its own neurons are silenced, ``cross`` that of the others',
    ``random`` that of its own under random neurons of the same layers. ``shared`` is the share of each site's neurons
    that the site ``gate`` has too, emotion by emotion. Silence is the same at all three: what differs is who is found.
    """

    kind: ClassVar[str] = "site_comparison"
    drawn_by: ClassVar[str] = "where_figure.draw"

    model: str
    found_on: str
    measured_on: str
    selector: str
    selection: dict[str, Any]
    sites: tuple[str, ...]
    own: tuple[Interval, ...]
    cross: tuple[Interval, ...]
    random: tuple[Interval, ...]
    shared: Float64[np.ndarray, " site"]
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per site and kind of change."""
        rows: list[dict[str, Any]] = []
        for at, site in enumerate(self.sites):
            for name in ("own", "cross", "random"):
                one: Interval = getattr(self, name)[at]
                rows.append({"site": site, "change of": name, "value": one.value, "low": one.low, "high": one.high})
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence."""
        told = [
            f"{site} {100 * self.own[at].value:+.1f} (others {100 * self.cross[at].value:+.1f})"
            for at, site in enumerate(self.sites)
        ]
        return f"Points of recall that silencing the neurons of each site of {self.model} costs: {'; '.join(told)}."


def compare_sites(
    lm: AudioLM,
    identification: Clips,
    evaluation: Clips,
    *,
    sites: Sequence[str] = NEURON_SITES,
    selector: str = "mad",
    draws: int = 5,
    seed: int = 0,
    batch_size: int = 32,
    progress: bool = True,
    **size: Any,
) -> SiteComparison:
    """Find neurons at each site on some clips, silence them on others.

    Parameters
    ----------
    draws
        Random sets of neurons of the same layers, as the control.
    size
        As for `select`: ``top``, ``count`` or ``threshold``, by default ``top=0.02``; and its other options.

    Raises
    ------
    StatisticsError
        When no site is named, or an emotion has too few clips that are labelled correctly.
    """
    if not sites:
        raise StatisticsError(f"name at least one site of {', '.join(NEURON_SITES)}")
    size = size or {"top": 0.02}
    how: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "progress": progress}
    found = {
        site: select(collect(lm, identification, site=site, **how), selector, **size)
        for site in dict.fromkeys((*sites, GATE))
    }
    results = [ablation(lm, evaluation, found[site], draws=draws, relabellings=0, **how) for site in sites]
    first = results[0]
    return SiteComparison(
        model=lm.name,
        found_on=identification.name,
        measured_on=evaluation.name,
        selector=selector,
        selection=dict(size),
        sites=tuple(sites),
        own=tuple(one.self_change for one in results),
        cross=tuple(one.cross_change for one in results),
        random=tuple(one.random_self for one in results),
        shared=np.array([_shared(found[site], found[GATE]) for site in sites], dtype=np.float64),
        notes=first.notes,
    )


def _shared(one: NeuronSet, other: NeuronSet) -> float:
    """Share of the neurons of one set that the other has for the same emotion."""
    pairs = [(one.indices(emotion), other.indices(emotion)) for emotion in one.emotions]
    both = sum(len(np.intersect1d(mine, theirs)) for mine, theirs in pairs)
    return both / max(sum(len(mine) for mine, _ in pairs), 1)


def described(sites: Sequence[str]) -> list[str]:
    """The sites in words."""
    return [f"{site}: {SITES[site].title}" for site in sites]
