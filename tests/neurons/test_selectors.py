"""Selectors, each against a second implementation written from its formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_up_gates import EMOTIONS, heard_clips, statistics_from_rates, statistics_of

from esn_interp.errors import EsnError, StatisticsError
from esn_interp.neurons.catalogue import SELECTORS, contenders
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select

WIDTHS = (7, 4, 9)

NAMES = ("neutral", "happy", "angry", "sad")

N = sum(WIDTHS)


def places(esns: NeuronSet, emotion: str) -> list[tuple[int, int]]:
    one = esns[emotion]
    return list(zip(one.layer.tolist(), one.neuron.tolist(), strict=True))


def place(gate: int, widths=WIDTHS) -> tuple[int, int]:
    layer = 0
    while gate >= widths[layer]:
        gate -= widths[layer]
        layer += 1
    return layer, gate

# Few different values, so that ties are common; small integers, so that no rounding blurs them.
tied = arrays(np.float64, (len(NAMES), N), elements=st.integers(0, 4).map(float))


def formula(
    name: str, frequency: list[list[float]], mean: list[list[float]], e: int, n: int
) -> tuple[float, bool]:
    """Score and eligibility of one gate for one emotion, in plain Python."""
    others = [row for row in range(len(frequency)) if row != e]
    often, much = ([table[row][n] for row in others] for table in (frequency, mean))
    score = {
        "lap": frequency[e][n],
        "mad": mean[e][n] - sum(much) / len(much),
        "mad_rate": frequency[e][n] - sum(often) / len(often),
        "cas": frequency[e][n] - max(often),
    }[name]
    return score, name == "lap" or score > 0


# The others have tests of their own.
OF_RATES = [name for name in (*contenders(), "mad_rate") if name not in ("lape", "cohen")]


@pytest.mark.parametrize("name", OF_RATES)
@given(frequency=tied, mean=tied, count=st.integers(1, N), per_layer=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_highest_scores_are_selected_ties_by_layer_and_neuron(name, frequency, mean, count, per_layer):
    count = min(count, min(WIDTHS)) if per_layer else count
    stats = statistics_from_rates(frequency / 4, mean, WIDTHS, NAMES)
    esns = select(stats, name, count=count, per_layer=per_layer)
    for e, emotion in enumerate(NAMES):
        table = [formula(name, (frequency / 4).tolist(), mean.tolist(), e, n) for n in range(N)]
        ranked = sorted((-score, place(n)) for n, (score, eligible) in enumerate(table) if eligible)
        expected = [at for _, at in ranked][:count]
        if per_layer:
            expected = [at for layer in range(3) for at in [p for _, p in ranked if p[0] == layer][:count]]
        assert places(esns, emotion) == sorted(expected)
        scores = {place(n): score for n, (score, _) in enumerate(table)}
        np.testing.assert_allclose(
            esns[emotion].score, [scores[at] for at in places(esns, emotion)], rtol=1e-6
        )


@pytest.mark.parametrize("seed", range(5))
def test_mad_ranks_as_the_deviation_from_the_grand_mean(seed: int):
    mean = np.random.default_rng(seed).normal(size=(len(NAMES), N))
    deviation = mean - mean.mean(axis=0)
    esns = select(statistics_from_rates(np.zeros_like(mean), mean, WIDTHS, NAMES), "mad", count=4)
    for e, emotion in enumerate(NAMES):
        best = [n for n in np.argsort(-deviation[e]) if deviation[e, n] > 0][:4]
        assert places(esns, emotion) == sorted(place(n) for n in best)


def test_cas_belongs_to_the_top_emotion_and_tied_tops_to_none():
    frequency = np.zeros((4, N))
    frequency[:, 0] = [0.9, 0.4, 0.9, 0.0]  # tied
    frequency[:, 1] = [0.1, 0.8, 0.5, 0.2]  # happy, by 0.3
    esns = select(statistics_from_rates(frequency, frequency, WIDTHS, NAMES), "cas", top=1)
    assert [places(esns, emotion) for emotion in NAMES] == [[], [(0, 1)], [], []]
    assert esns["happy"].score[0] == pytest.approx(0.3)


def test_a_threshold_is_the_least_score():
    mean = np.zeros((4, N))
    mean[2, :5] = [3, 4, 5, 6, 7]
    stats = statistics_from_rates(mean, mean, WIDTHS, NAMES)
    assert places(select(stats, "mad", threshold=5), "angry") == [(0, 2), (0, 3), (0, 4)]
    assert len(select(stats, "mad", threshold=8)) == 0


@pytest.mark.parametrize(
    ("top", "size"), [(1.0, 20), (0.05, 1), (0.125, 2), (0.175, 4), (0.001, 1), (0.5, 10)]
)
def test_top_is_a_fraction_of_all_gates_rounded_half_to_even_but_never_nothing(top: float, size: int):
    stats = statistics_from_rates(np.ones((4, N)), np.ones((4, N)), WIDTHS, NAMES)
    assert select(stats, "lap", top=top).counts().sum(axis=1).tolist() == [size] * 4


def test_a_fraction_per_layer_is_of_that_layer():
    stats = statistics_from_rates(np.ones((4, N)), np.ones((4, N)), WIDTHS, NAMES)
    assert select(stats, "lap", top=0.5, per_layer=True).counts().tolist() == [[4, 2, 4]] * 4


def test_scope_pooling_and_filter_reach_the_scores():
    stats = statistics_of(heard_clips(40))
    for choice in ({"scope": "audio"}, {"scope": "last"}, {"pooling": "token"}, {"filter": "none"}):
        rates = stats.rates(**choice)
        others = (rates.mean.sum(axis=0) - rates.mean) / 2
        best = (rates.mean - others).argmax(axis=1)
        esns = select(stats, "mad", count=1, **choice)
        assert [esns.indices(emotion).tolist() for emotion in EMOTIONS] == [[n] for n in best]
        assert choice.items() <= esns.parameters.items()


def test_the_random_selector_draws_by_seed_anywhere_in_the_model():
    stats = statistics_from_rates(np.zeros((4, N)), np.zeros((4, N)), WIDTHS, NAMES)
    one, again, two = (select(stats, "random", count=6, seed=seed) for seed in (1, 1, 2))
    assert one.counts().sum(axis=1).tolist() == [6] * 4
    assert (one.flat == again.flat).all()
    assert (one.flat != two.flat).any()
    drawn = [select(stats, "random", count=5, seed=seed).indices("sad") for seed in range(40)]
    assert len(np.unique(drawn)) == N


def test_the_set_says_how_it_was_selected():
    stats = statistics_of(heard_clips(40))
    esns = select(stats, "cas", top=0.2, scope="audio,last")
    assert esns.selector == "cas"
    expected = {"top": 0.2, "scope": "audio,last", "pooling": "clip", "filter": "correct", "per_layer": False}
    assert expected.items() <= esns.parameters.items()
    assert esns.parameters["kept"] == stats.kept
    assert esns.parameters["seen"] == stats.seen
    assert esns.origin == stats.origin
    lape = select(stats, "lape", top=0.2, beta_rate=0.9).parameters
    assert (lape["pooling"], lape["tau_rate"], lape["beta_rate"]) == ("token", 0.95, 0.9)


@pytest.mark.parametrize(
    ("name", "options", "part"),
    [
        ("mda", {"top": 0.1}, "unknown selector 'mda'; choose from lap, lape, mad, mad_rate, cas, cohen, welch, auroc"),
        ("mad", {}, "got none"),
        ("mad", {"top": 0.1, "count": 3}, "got top and count"),
        ("mad", {"top": 0.0}, "fraction"),
        ("mad", {"top": 1.5}, "fraction"),
        ("mad", {"top": -0.1}, "fraction"),
        ("mad", {"top": float("nan")}, "fraction"),
        ("mad", {"count": 0}, "at least 1, not 0"),
        ("mad", {"count": 13}, "more than the 12 gates"),
        ("mad", {"threshold": float("nan")}, "finite"),
        ("mad", {"top": 0.1, "tau_rate": 0.5}, "'mad' has no option 'tau_rate'; it has none"),
        ("lape", {"top": 0.1, "taurate": 0.5}, "it has tau_rate, beta_rate"),
        ("lape", {"top": 0.1, "tau_rate": 0.0}, "tau_rate is a fraction"),
        ("lape", {"top": 0.1, "beta_rate": 1.2}, "beta_rate is a fraction"),
        ("mad", {"top": 0.1, "min_clips": 99}, "'neutral'"),
        ("mad", {"top": 0.1, "scope": "words"}, "unknown scope 'words'"),
    ],
)
def test_what_cannot_be_selected_is_refused_in_one_line(name: str, options: dict, part: str):
    with pytest.raises(StatisticsError) as error:
        select(statistics_of(heard_clips(40)), name, **options)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SELECTORS)
def test_every_selector_keeps_the_contract(name: str):
    stats = statistics_of(heard_clips(60), per_clip=True)
    esns = select(stats, name, top=0.25)
    assert esns.emotions == stats.emotions
    assert esns.origin == stats.origin
    assert (esns.counts().sum(axis=1) <= 3).all() or name == "lape"
    assert np.isfinite(esns.score).all()
    again = select(stats, name, top=0.25)
    assert (again.flat == esns.flat).all()
    with pytest.raises(EsnError, match="'sad'"):
        select(statistics_of(heard_clips(20), emotions=("neutral", "happy", "angry", "sad")), name, top=0.25)


@pytest.mark.parametrize("name", ["mad", "cas", "cohen", "welch", "auroc"])
def test_a_contrast_needs_two_emotions(name: str):
    stats = statistics_of(heard_clips(9, emotions=1), emotions=("angry",), per_clip=True)
    with pytest.raises(StatisticsError, match=r"two emotions or more, these statistics hold angry"):
        select(stats, name, top=0.1)
