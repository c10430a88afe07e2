"""What steering does to conversions: levels and paired changes with intervals over speakers, and what was heard."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from einops import repeat
from jaxtyping import Bool, Float64

from esn_interp.analysis.conversion.effect_result import RANDOM, STEERED, ConversionEffect, Problem
from esn_interp.analysis.conversion.measures import MEASURES, NOTHING, Outcome, unchanged_note
from esn_interp.analysis.groups import GroupEffect, by_group, notes_on_groups, traits_of
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import (
    ANYWHERE,
    CHANGE,
    SpeakerMeans,
    holm,
    nan_mean,
    sign_flip_tests,
)
from esn_interp.analysis.result import standing_notes
from esn_interp.errors import StatisticsError
from esn_interp.speech.clips import Clips

TOLD = ("accuracy", "wer")
"""The measures whose changes are told by sex and by language."""


def conversion_effect(
    outcomes: Mapping[str, Sequence[Outcome]],
    *,
    targets: Sequence[str],
    voices: str,
    judge: str,
    clips: Clips | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> ConversionEffect:
    """Levels and changes of every measure, from the outcomes of each condition; the first is the unsteered one.

    All conditions hold the same clips with the same targets: an attempt that failed is an outcome too. Where the
    recordings that were converted are given as ``clips``, changes are told by sex and by language as well.

    Raises
    ------
    StatisticsError
        When there is no outcome, or a condition has other clips or targets than the first.
    """
    conditions, first = tuple(outcomes), {(o.clip, o.target): o for o in next(iter(outcomes.values()), ())}
    if not first:
        raise StatisticsError(f"no conversion of {voices} speakers to measure; give clips of the source emotions")
    pairs, table = sorted(first), list[list[Outcome]]()
    for condition in conditions:
        found = {(o.clip, o.target): o for o in outcomes[condition]}
        if found.keys() != first.keys() or len(found) != len(outcomes[condition]):
            raise StatisticsError(
                f"condition {condition!r} has other conversions than {conditions[0]!r}; run all of them on the same"
                " clips and targets"
            )
        table.append([found[pair] for pair in pairs])
    everyone = sorted({o.speaker for o in table[0]})
    of_target = np.array([[o.target == target for o in table[0]] for target in targets])
    values = np.array([[[m.of(o) for o in row] for m in MEASURES.values()] for row in table])

    def means(values: Float64[np.ndarray, "condition measure conversion"]) -> SpeakerMeans:
        """By speaker, condition, measure and target; what is not known is left out."""
        outcome = repeat(values, "... conversion -> ... target conversion", target=len(targets))
        return SpeakerMeans.over_clips(outcome, of_target & ~np.isnan(outcome), [o.speaker for o in table[0]])

    level, change = means(values), means(values - values[:1])
    limits = np.array([m.limits for m in MEASURES.values()])
    ours = [conditions.index(c) if c in conditions else 0 for c in (STEERED, RANDOM)]
    difference = means((values[ours[0]] - values[ours[1]])[None])
    # A control may well do nothing.
    steered = {name: row for name, row in zip(conditions[1:], table[1:], strict=True) if name != RANDOM}
    still = unchanged_note(table[0], steered)
    groups = () if clips is None else _groups(values, of_target, conditions, table[0], clips)
    labels = (*sorted({name for row in table for o in row for name in o.probabilities}), NOTHING)
    return ConversionEffect(
        voices=voices,
        judge=judge,
        conditions=conditions,
        targets=tuple(targets),
        measures=tuple(MEASURES),
        labels=labels,
        level=_cells(level, limits),
        change=_cells(change, _differences(limits)),
        mean_level=_over_targets(level, limits),
        mean_change=_over_targets(change, _differences(limits)),
        over_random=_cells(difference, _differences(limits))[0],
        mean_over_random=_over_targets(difference, _differences(limits))[0],
        p_holm=_p_values(difference, seed=seed, tested=STEERED in conditions and RANDOM in conditions),
        heard=np.array(
            [
                [[sum(o.target == t and o.label == name for o in row) for name in labels] for t in targets]
                for row in table
            ],
            dtype=np.int64,
        ),
        problems=_problems(dict(zip(conditions, table, strict=True))),
        clips=tuple(sorted({o.clip for o in table[0]})),
        speakers=tuple(everyone),
        notes=standing_notes(len(everyone), (), *notes, still, *notes_on_groups(groups), tests=len(targets)),
        groups=groups,
    )


def _groups(
    values: Float64[np.ndarray, "condition measure conversion"],
    of_target: Bool[np.ndarray, "target conversion"],
    conditions: Sequence[str],
    rows: Sequence[Outcome],
    clips: Clips,
) -> tuple[GroupEffect, ...]:
    """Who gains and who pays: changes of what is heard and of the words, by condition, mean over the targets."""
    told = [list(MEASURES).index(name) for name in TOLD]
    change = (values[1:] - values[:1])[:, told]
    known = of_target & ~np.isnan(change)[:, :, None]
    row_of = {name: row for row, name in enumerate(clips.column("id"))}
    return by_group(
        repeat(np.nan_to_num(change), "... conversion -> ... target conversion", target=len(of_target)),
        known,
        lambda cells: nan_mean(cells).reshape(*cells.shape[:-3], -1),
        [f"change of {MEASURES[name].title}, {condition}" for condition in conditions[1:] for name in TOLD],
        speakers=[one.speaker for one in rows],
        traits=traits_of(clips, [row_of[one.clip] for one in rows]),
    )


def _cells(means: SpeakerMeans, limits: Float64[np.ndarray, "measure side"]) -> Estimates:
    """Every condition, measure and target by itself."""
    found, (least, most) = Estimates.of(means), limits.T[:, None, :, None]
    return Estimates(found.value, np.maximum(found.low, least), np.minimum(found.high, most))


def _over_targets(means: SpeakerMeans, limits: Float64[np.ndarray, "measure side"]) -> Estimates:
    """The unweighted mean over the targets that have conversions."""
    found, (least, most) = Estimates.reduced(means, nan_mean), limits.T
    return Estimates(found.value, np.maximum(found.low, least), np.minimum(found.high, most))


def _differences(limits: Float64[np.ndarray, "measure side"]) -> Float64[np.ndarray, "measure side"]:
    """What a difference of two means can be."""
    width = limits[:, 1] - limits[:, 0]
    return np.where(np.isfinite(width)[:, None], np.array(CHANGE) * width[:, None], np.array(ANYWHERE))


def _p_values(difference: SpeakerMeans, *, seed: int, tested: bool) -> Float64[np.ndarray, " target"]:
    by_speaker = difference.per_speaker[:, 0, list(MEASURES).index("accuracy")]
    return holm(sign_flip_tests(by_speaker if tested else np.full_like(by_speaker, np.nan), seed=seed))


def _problems(table: Mapping[str, Sequence[Outcome]]) -> tuple[Problem, ...]:
    found = Counter(
        (condition, outcome.target, outcome.problem)
        for condition, row in table.items()
        for outcome in row
        if outcome.problem is not None
    )
    return tuple(Problem(*what, count) for what, count in sorted(found.items()))

