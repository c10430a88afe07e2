"""What listeners preferred: shares and strengths with intervals, the listener being the unit."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from esn_interp.analysis.inference.bradley_terry import connected, strength_bounds
from esn_interp.analysis.inference.proportion import effective_answers, share_bounds
from esn_interp.analysis.inference.significance import MIN_SPEAKERS
from esn_interp.analysis.listening.answers import SIDES, read_answers
from esn_interp.analysis.listening.result import ALL, Comparison, Heard, Preference, Strength
from esn_interp.analysis.result import told
from esn_interp.errors import StatisticsError
from esn_interp.speech.labels import emotion_order

LEAST_CHECKS = 0.8
"""A listener who gets a smaller share of the catch trials right is left out. Our choice: whoever guesses passes 4
checks of 5 with probability 0.19, and 8 of 10 with 0.05."""










def preference(
    *answers: str | Path, interval: str = "wilson", least_checks: float = LEAST_CHECKS
) -> Preference:
    """Score a listening test from the files that listeners saved.

    The listener is the unit: with several, intervals say what further listeners would prefer on recordings like
    these; with one, what this listener would.

    Parameters
    ----------
    answers
        One .csv or more, of one or more listeners; see `listening_answers.COLUMNS`.
    interval
        ``wilson`` or ``clopper-pearson``; see `share_bounds`.
    least_checks
        Listeners with a smaller share of right catch trials are left out, and named. Catch trials count for
        nothing else.

    Raises
    ------
    EsnError
        When a file is missing or malformed; see `read_answers`.
    StatisticsError
        When nobody's answers are left, or ``least_checks`` is no share.
    """
    if not 0 <= least_checks <= 1:
        raise StatisticsError(f"the least share of right catch trials is between 0 and 1, not {least_checks:g}")
    table = read_answers(answers)
    listeners = _listeners(table, least_checks)
    kept = [heard.listener for heard in listeners if heard.kept]
    table = table[(table["catch"] == "") & table["listener"].isin(kept)]
    if table.empty:
        out = sum(not heard.kept for heard in listeners)
        raise StatisticsError(
            f"no answers are left: {out} of {len(listeners)} listeners failed the catch trials, and the others"
            " answered nothing else"
        )
    kept = [name for name in kept if (table["listener"] == name).any()]
    conditions = tuple(sorted({*table["left"], *table["right"]}, key=_rank))
    emotions = emotion_order(table["emotion"])
    # [listener, emotion, a, b]: how often a was preferred to b.
    wins = np.zeros((len(kept), len(emotions), len(conditions), len(conditions)), dtype=np.int64)
    chosen = np.where(table["choice"] == "left", table["left"], table["right"])
    other = np.where(table["choice"] == "left", table["right"], table["left"])
    where = [
        [names.index(value) for value in column]
        for names, column in zip(
            (kept, emotions, conditions, conditions), (table["listener"], table["emotion"], chosen, other), strict=True
        )
    ]
    np.add.at(wins, tuple(where), 1)
    cells = [(ALL, wins.sum(axis=1)), *((name, wins[:, at]) for at, name in enumerate(emotions) if len(emotions) > 1)]
    sides = np.stack(
        [[((table["listener"] == name) & (table["choice"] == side)).sum() for name in kept] for side in SIDES]
    )
    left = _comparison(sides[0], sides[1], *SIDES, ALL, interval)
    comparisons = tuple(
        _comparison(won[:, a, b], won[:, b, a], conditions[a], conditions[b], emotion, interval)
        for a, b in combinations(range(len(conditions)), 2)
        for emotion, won in cells
        if (won[:, a, b] + won[:, b, a]).any()
    )
    strengths = tuple(
        one for emotion, won in cells if len(conditions) > 2 for one in _strengths(won, conditions, emotion)
    )
    tied = len(conditions) < 3 or connected(wins.sum(axis=(0, 1)))
    return Preference(
        question=str(table["question"].iloc[0]),
        interval=interval,
        least_checks=least_checks,
        conditions=conditions,
        emotions=emotions,
        listeners=listeners,
        comparisons=comparisons,
        strengths=strengths,
        left=left,
        notes=_notes(listeners, left, least_checks, tied=tied),
    )


def _listeners(table: pd.DataFrame, least_checks: float) -> tuple[Heard, ...]:
    heard: list[Heard] = []
    for name, rows in table.groupby("listener", sort=True):
        checks = rows[rows["catch"] != ""]
        right = int((checks["choice"] == checks["catch"]).sum())
        passed = not len(checks) or right >= least_checks * len(checks) - 1e-9
        heard.append(Heard(str(name), len(rows) - len(checks), right, len(checks), passed))
    return tuple(heard)


def _rank(condition: str) -> tuple[int, str]:
    """Steered conditions are told of first, and against the unsteered one, which comes last."""
    return (0 if condition.startswith("steered") else 2 if condition == "unsteered" else 1), condition


def _comparison(
    won: Int[np.ndarray, " listener"],
    lost: Int[np.ndarray, " listener"],
    first: str,
    second: str,
    emotion: str,
    interval: str,
) -> Comparison:
    answers = won + lost
    asked: Bool[np.ndarray, " listener"] = answers > 0
    share = np.array(won.sum() / answers.sum())
    worth = effective_answers(won[asked], answers[asked])
    low, high = share_bounds(share, worth, method=interval)
    alone = share_bounds(share, np.array(float(answers.sum())), method=interval)
    shares = np.divide(won, answers, out=np.full(len(won), np.nan), where=asked)
    return Comparison(
        first=first,
        second=second,
        emotion=emotion,
        chosen=int(won.sum()),
        answers=int(answers.sum()),
        listeners=int(asked.sum()),
        share=float(share),
        low=float(low),
        high=float(high),
        worth=float(worth),
        alone_low=float(alone[0]),
        alone_high=float(alone[1]),
        shares=tuple(shares.tolist()),
    )


def _strengths(
    won: Int[np.ndarray, "listener condition condition"], conditions: tuple[str, ...], emotion: str
) -> list[Strength]:
    asked = won[won.any(axis=(1, 2))]
    return [
        Strength(condition, emotion, float(value), float(low), float(high))
        for condition, value, low, high in zip(conditions, *strength_bounds(asked), strict=True)
    ]


def _notes(listeners: Sequence[Heard], left: Comparison, least_checks: float, *, tied: bool) -> tuple[str, ...]:
    out = [heard for heard in listeners if not heard.kept]
    failed = ", ".join(f"{heard.listener} ({heard.right} of {heard.checks})" for heard in out)
    kept = [heard for heard in listeners if heard.kept and heard.answers]
    unchecked = [heard.listener for heard in kept if not heard.checks]
    return told(
        f"left out {len(out)} of {len(listeners)} listeners, under {least_checks:g} of catch trials right: {failed}"
        if out
        else None,
        f"attention not checked, no catch trials: {', '.join(unchecked)}" if unchecked else None,
        "one listener only: the interval speaks of this listener, not of others"
        if len(kept) == 1
        else f"only {len(kept)} listeners: wide, rough intervals"
        if len(kept) < MIN_SPEAKERS
        else None,
        f"the left recording was chosen in {100 * left.share:.0f} %"
        f" [{100 * left.low:.0f}, {100 * left.high:.0f}]: listeners lean to a side, which weakens any preference"
        if left.low > 0.5 or left.high < 0.5
        else None,
        None if tied else "no strengths: some conditions were never compared with the others",
    )
