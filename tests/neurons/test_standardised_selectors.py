"""Selectors that look at single clips, against plain loops over them; and which care for a gate's scale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import EMOTIONS, HeardClip, heard_clips, statistics_of
from scipy import stats as tests

from esn_interp.errors import StatisticsError
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.scores import auroc, cohen, welch
from esn_interp.neurons.selectors import select

GATES = 12
SCOPE = {"audio": [0], "text": [1], "last": [2], "all": [0, 1, 2]}


def clip_means(clips: list[HeardClip], scope: str, *, kept_only: bool = True) -> list[np.ndarray]:
    """The mean gate of each clip that counts, ``[clip, gate]`` by emotion, from whole activations."""
    by_emotion: list[list[np.ndarray]] = [[] for _ in EMOTIONS]
    for clip in clips:
        if clip.kept or not kept_only:
            gates = np.concatenate(clip.gates, axis=1).astype(np.float64)
            by_emotion[clip.emotion].append(gates[np.isin(clip.scopes, SCOPE[scope])].mean(axis=0))
    return [np.array(means) for means in by_emotion]


def loud_clips(n: int, scales: np.ndarray, **options) -> list[HeardClip]:
    """Clips whose gates are multiplied by ``scales``, gate by gate."""
    parts = np.split(scales, np.cumsum([5, 3]))
    return [
        replace(clip, gates=[gates * part.astype(gates.dtype) for gates, part in zip(clip.gates, parts, strict=True)])
        for clip in heard_clips(n, **options)
    ]


def of(clips: list[HeardClip], **choice):
    return statistics_of(clips, per_clip=True).rates(**choice)


@pytest.mark.parametrize("scope", ["all", "audio", "last"])
@pytest.mark.parametrize("filter", ["correct", "none"])
def test_cohen_is_the_difference_in_units_of_the_pooled_deviation_within_emotions(scope: str, filter: str):
    clips = heard_clips(40, dtype=np.float64)
    groups = clip_means(clips, scope, kept_only=filter == "correct")
    ours = cohen(of(clips, scope=scope, filter=filter))
    freedom = sum(len(group) - 1 for group in groups)
    pooled = sum(((group - group.mean(axis=0)) ** 2).sum(axis=0) for group in groups) / freedom
    for e, group in enumerate(groups):
        others = np.mean([other.mean(axis=0) for o, other in enumerate(groups) if o != e], axis=0)
        np.testing.assert_allclose(ours.score[e], (group.mean(axis=0) - others) / np.sqrt(pooled), rtol=1e-9)
    assert (ours.eligible == (ours.score > 0)).all()


def test_of_two_emotions_welch_is_the_t_of_welchs_test_and_cohen_that_of_students():
    clips = [clip for clip in heard_clips(40, dtype=np.float64) if clip.emotion < 2]
    one, two = clip_means(clips, "all")[:2]
    rates = statistics_of(clips, emotions=EMOTIONS[:2]).rates(scope="all")
    np.testing.assert_allclose(welch(rates).score[0], tests.ttest_ind(one, two, equal_var=False).statistic, rtol=1e-9)
    d = tests.ttest_ind(one, two).statistic * np.sqrt(1 / len(one) + 1 / len(two))
    np.testing.assert_allclose(cohen(rates).score[0], d, rtol=1e-9)


def test_welch_of_several_emotions_has_the_error_of_its_contrast():
    clips = heard_clips(40, dtype=np.float64)
    groups = clip_means(clips, "audio")
    weights = np.array([[1.0 if e == o else -0.5 for o in range(3)] for e in range(3)])
    ours = welch(of(clips, scope="audio")).score
    for e in range(3):
        value = sum(w * group.mean(axis=0) for w, group in zip(weights[e], groups, strict=True))
        error = sum(w**2 * group.var(axis=0, ddof=1) / len(group) for w, group in zip(weights[e], groups, strict=True))
        np.testing.assert_allclose(ours[e], value / np.sqrt(error), rtol=1e-9)


def test_auroc_counts_pairs_of_clips():
    clips = heard_clips(40)
    groups = clip_means(clips, "last")
    ours = auroc(of(clips, scope="last")).score
    for e, group in enumerate(groups):
        others = np.concatenate([other for o, other in enumerate(groups) if o != e])
        above = (group[:, None] > others).mean(axis=(0, 1)) + (group[:, None] == others).mean(axis=(0, 1)) / 2
        np.testing.assert_allclose(ours[e], above, atol=1e-12)


def test_several_scopes_count_alike():
    clips = heard_clips(40)
    for score in (cohen, welch):
        each = [score(of(clips, scope=scope)).score for scope in ("audio", "last")]
        np.testing.assert_allclose(score(of(clips, scope="audio,last")).score, np.mean(each, axis=0), rtol=1e-12)
    means = [np.concatenate(clip_means(clips, scope)) for scope in ("audio", "last")]
    singles = of(clips, scope="audio,last").singles()
    order = np.argsort(singles.emotion, kind="stable")
    np.testing.assert_allclose(singles.means(slice(None))[order], np.mean(means, axis=0), atol=1e-6)


powers = st.lists(st.integers(-20, 20), min_size=GATES, max_size=GATES).map(lambda some: 2.0 ** np.array(some))


@pytest.mark.parametrize("name", [name for name, one in SELECTORS.items() if one.scale_free])
@given(scales=powers)
@settings(max_examples=15, deadline=None)
def test_what_promises_it_selects_the_same_whatever_a_gate_is_multiplied_by(name: str, scales: np.ndarray):
    # Powers of two, by which nothing is rounded otherwise: so the same neurons to the last tie.
    plain, loud = (
        select(statistics_of(clips, per_clip=True), name, count=4)
        for clips in (heard_clips(30), loud_clips(30, scales))
    )
    assert plain.to_frame().equals(loud.to_frame())


def test_mad_does_not_promise_it_and_prefers_the_loud_gates():
    scales = np.ones(GATES)
    scales[[1, 6]] = 1e3
    esns = select(statistics_of(loud_clips(30, scales)), "mad", count=1)
    assert set(esns.flat.tolist()) <= {1, 6}
    assert not SELECTORS["mad"].scale_free


@pytest.mark.parametrize("name", ["cohen", "welch", "auroc"])
def test_a_gate_that_never_moves_is_never_selected(name: str):
    scales = np.ones(GATES)
    scales[[0, 7]] = 0.0
    clips = loud_clips(30, scales)
    esns = select(statistics_of(clips, per_clip=True), name, top=1.0)
    assert not set(esns.flat.tolist()) & {0, 7}
    assert np.isfinite(esns.score).all()


def test_a_gate_that_never_differs_within_an_emotion_has_a_finite_score():
    clips = [
        replace(clip, gates=[np.full_like(gates, 1 + (clip.emotion == 1)) for gates in clip.gates])
        for clip in heard_clips(30)
    ]
    scores = cohen(statistics_of(clips).rates())
    assert np.isfinite(scores.score).all()
    assert (scores.score[1] > 1e3).all()


@pytest.mark.parametrize(
    ("name", "clips", "choice", "message"),
    [
        ("cohen", 30, {"pooling": "token"}, "compares clips, so pooling is clip, not token"),
        ("auroc", 30, {"pooling": "token"}, "compares clips"),
        ("auroc", 30, {}, "collect them with per_clip=True"),
    ],
)
def test_what_cannot_be_compared_clip_by_clip_is_refused(name: str, clips: int, choice: dict, message: str):
    with pytest.raises(StatisticsError, match=message):
        select(statistics_of(heard_clips(clips)), name, count=2, **choice)


def test_single_clips_of_each_emotion_have_no_spread():
    single = [next(c for c in heard_clips(30) if c.emotion == e and c.kept) for e in range(3)]
    with pytest.raises(StatisticsError, match="every emotion has one"):
        select(statistics_of(single), "cohen", count=2)
