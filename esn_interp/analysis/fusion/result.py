"""What fused neurons do on a corpus that had no part in finding them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Result


@dataclass(frozen=True, eq=False)
class LeftOut(Result):
    """Effects on one corpus that was left out, by the neurons that are silenced; bounds are over its speakers."""

    kind: ClassVar[str] = "left_out"

    corpus: str
    corpus_fingerprint: str
    language: str
    clips: int
    speakers: int
    baseline_uar: Interval
    self_change: Estimates
    cross_change: Estimates
    specificity: Estimates
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fusion(Result):
    """Neurons of several corpora, fused without each of them in turn, and silenced on the one that was left out.

    ``sources`` are the fusions of the other corpora by name, then the corpus's own neurons (``own``), and random ones
    like those of the first fusion (``random``): the rows of every `LeftOut`. ``neurons[corpus, source]`` counts them,
    over all emotions. ``variance`` are shares of the variance of clip means between ``levels``, by emotion, for neurons
    that all corpora share; NaN where single clips were not kept.
    """

    kind: ClassVar[str] = "fusion"

    model: str
    fingerprint: str
    selector: str
    selection: dict[str, str]
    emotions: tuple[str, ...]
    corpora: tuple[str, ...]
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    seed: int
    neurons: Int64[np.ndarray, "corpus source"]
    left_out: tuple[LeftOut, ...]
    levels: tuple[str, ...]
    variance: Float64[np.ndarray, "emotion level"]
    notes: tuple[str, ...]

    def of(self, corpus: str, source: str) -> Interval:
        """Self minus cross change of recall on a corpus that was left out."""
        one = self.left_out[self.corpora.index(corpus)]
        return one.specificity.at(self.sources.index(source), speakers=one.speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per corpus that was left out and source of neurons."""
        return pd.DataFrame(
            [
                {
                    "left_out": one.corpus,
                    "language": one.language,
                    "source": source,
                    "neurons": int(self.neurons[row, at]),
                    "self": one.self_change.value[at],
                    "cross": one.cross_change.value[at],
                    "specificity": one.specificity.value[at],
                    "low": one.specificity.low[at],
                    "high": one.specificity.high[at],
                }
                for row, one in enumerate(self.left_out)
                for at, source in enumerate(self.sources)
            ]
        )

    def summary(self) -> str:
        """The mean over corpora of self minus cross, in points, by source; and where the variance lies."""
        told = ", ".join(
            f"{source} {100 * np.mean([one.specificity.value[at] for one in self.left_out]):+.1f}"
            for at, source in enumerate(self.sources)
        )
        shares = np.nanmean(self.variance, axis=0) if not np.isnan(self.variance).all() else None
        lies = (
            ""
            if shares is None
            else "; of the variance of shared neurons "
            + ", ".join(
                f"{share:.0%} lies between {'corpora' if level == 'corpus' else f'{level}s'}"
                for level, share in zip(self.levels, shares, strict=True)
            )
        )
        return f"Self minus cross change on the corpus that was left out, in points: {told}{lies}."
