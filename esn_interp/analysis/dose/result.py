"""What steering with each dose does: curves over the doses, and what is fitted to them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.dose.breaking import Losses
from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.estimates import Curves
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.sigmoid import Sigmoid
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfSets
from esn_interp.errors import EditError, StatisticsError

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure


AXES = ("alpha", "top", "scope", "band")
"""What doses can differ in."""


@dataclass(frozen=True, eq=False)
class DoseResponse(OfSets):
    """What steering with each dose does; the gates of a set are multiplied by ``1 + alpha``.

    The doses differ along ``axis``: in ``alpha``, in the ``top`` fraction of gates selected, in the token
    ``scope`` that is edited, or in the ``band`` of layers whose neurons are used. ``doses`` holds the amounts
    (for scopes and bands just their numbers), ``labels`` what to call them.

    ``flip`` is the share of clips of other emotions that are labelled as the target (the set's own emotion),
    ``recall`` the share of the target's clips that are, ``log_prob`` the mean log-probability (nats) of the
    target on clips of other emotions, and ``random_flip`` the flip rate under layer-matched random sets,
    pooled over the draws. ``random_draws`` holds each draw's mean flip rate over the sets. ``unedited_flip``
    is the mean flip rate without an edit: how often the model makes these mistakes by itself.

    Where the doses are amounts, ``spearman`` is the rank correlation of the mean flip rate with them (NaN
    when it never changes), ``page_p`` the p-value of Page's trend test over speakers (NaN with fewer than six
    speakers or three doses), and ``sigmoid`` the fit to the mean flip rate, ``set_sigmoids`` that of each set.
    ``groups`` is the flip rate at each dose by sex and by language, where the corpus knows these.
    ``flip_null`` is the flip rate at one gain, set by set, beside that of neurons which were selected by permuted
    labels, where that could be done.
    ``lost`` tells what else is lost, where that was asked for. ``predicted`` indexes ``emotions``, per clip.
    """

    kind: ClassVar[str] = "dose_response"
    version: ClassVar[int] = 2

    axis: str
    labels: tuple[str, ...]
    doses: Float64[np.ndarray, " dose"]
    alphas: Float64[np.ndarray, " dose"]
    positions: tuple[tuple[str, ...], ...]
    tokens_touched: Int64[np.ndarray, " dose"]
    neurons: Int64[np.ndarray, "set dose"]
    flip: Curves
    recall: Curves
    log_prob: Curves
    random_flip: Curves
    random_draws: Float64[np.ndarray, "draw dose"]
    unedited_flip: Interval
    spearman: float
    page_p: float
    sigmoid: Sigmoid | None
    set_sigmoids: tuple[Sigmoid, ...]
    lost: Losses | None
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "set dose clip"]
    groups: tuple[GroupEffect, ...] = ()
    flip_null: SelectionNull | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axis not in AXES:
            raise StatisticsError(f"doses differ along {', '.join(AXES)}, not along {self.axis!r}")

    @property
    def null_alpha(self) -> float:
        """The gain of ``flip_null``; NaN without one."""
        return float(self.flip_null.effect.rpartition(" ")[2]) if self.flip_null else float("nan")

    @property
    def draws(self) -> int:
        """The number of random sets per emotion."""
        return len(self.random_draws)

    @property
    def best(self) -> int:
        """Position of the dose with the highest mean flip rate on these clips; among equals, the first."""
        return int(np.argmax(np.nan_to_num(self.flip.mean, nan=-1.0)))

    @property
    def best_alpha(self) -> float:
        """The alpha of the dose with the highest mean flip rate."""
        return float(self.alphas[self.best])

    @property
    def broken(self) -> tuple[str, ...]:
        """Labels of the doses at which the model breaks (see `Losses`); none where that was not asked."""
        if self.lost is None:
            return ()
        return tuple(label for label, lost in zip(self.labels, self.lost.broken, strict=True) if lost)

    def flip_rate(self, dose: float | int | str) -> Interval:
        """Mean flip rate over the sets at one dose, given by its amount or its label."""
        return self.flip.at(self._find(dose))

    def random_flip_rate(self, dose: float | int | str | None = None) -> Interval:
        """Mean flip rate of the random sets at one dose; by default at the one where it is highest."""
        if not self.draws:
            return Interval(float("nan"), float("nan"), float("nan"), self.n_speakers)
        if dose is None:
            return self.random_flip.at(int(np.argmax(np.nan_to_num(self.random_flip.mean, nan=-1.0))))
        return self.random_flip.at(self._find(dose))

    def _find(self, dose: float | int | str) -> int:
        if isinstance(dose, str):
            found = [at for at, label in enumerate(self.labels) if label == dose]
        else:
            found = np.flatnonzero(np.isclose(self.doses, dose)).tolist()
        if not found:
            given = dose if isinstance(dose, str) else f"{dose:g}"
            raise EditError(f"{self.axis} {given} was not run; there are {', '.join(self.labels)}")
        return found[0]

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, set (or ``mean``) and dose."""
        quantities = {
            "flip": self.flip,
            "recall": self.recall,
            "log_prob": self.log_prob,
            "random_flip": self.random_flip,
            **({f"loss of {name}": curves for name, curves in self.lost.curves.items()} if self.lost else {}),
        }
        rows = [
            {
                "quantity": name,
                "set": label,
                self.axis: self.doses[k] if self._ordered else self.labels[k],
                "value": value[k],
                "low": low[k],
                "high": high[k],
            }
            for name, curves in quantities.items()
            for label, value, low, high in (
                *zip(self.sets, curves.value, curves.low, curves.high, strict=True),
                ("mean", curves.mean, curves.mean_low, curves.mean_high),
            )
            for k in range(len(self.doses))
        ]
        return pd.DataFrame(rows)

    @property
    def _ordered(self) -> bool:
        return self.axis in ("alpha", "top")

    def summary(self) -> str:
        """The result in one sentence; flip rates in percent with 95 % intervals."""
        best = self.labels[self.best]
        where = f"alpha {best}" if self.axis == "alpha" else f"{self.axis} {best} (alpha {self.best_alpha:g})"
        control = f", random neurons of the same layers at most {self.random_flip_rate():.1%}"
        trend = ""
        if self._ordered and np.isfinite(self.spearman):
            trend = (
                f"; flip rate and {self.axis} correlate by {self.spearman:.2f}"
                f" (Spearman, {len(self.doses)} doses)"
            )
        if self.sigmoid and not np.isnan(self.sigmoid.ec50.value):
            trend += f", half of the effect is there at {self.axis} {self.sigmoid.ec50:.3g}"
        if self.sigmoid and self.sigmoid.note.startswith("no EC50"):
            trend += f", {self.sigmoid.note}"
        if self.flip_null:
            at = self.flip_null.effect.removeprefix("flip rate ")
            trend += f"; {at} {self.flip_null.told(spec='.1f', unit='%')}"
        if self.broken:
            trend += f"; more than 10 points are lost elsewhere at {self.axis} {', '.join(self.broken)}"
        return (
            f"Amplifying an emotion's own neurons turns {self.flip.at(self.best):.1%} of the other emotions'"
            f" clips into it at {where}"
            + (", the best of the doses, chosen on these clips" if len(self.doses) > 1 else "")
            + (control if self.draws else "")
            + f"{trend}; on {len(self.clips)} clips of {self.n_speakers} speakers{self.reservation}."
        )

    def plot(self, **look: Unpack["Look"]) -> "Figure":
        """The curves over the doses, with their intervals and the random control."""
        return self._drawn("figure.draw" if self._ordered else "figure.draw_points", **look)

