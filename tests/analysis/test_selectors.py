"""Selectors side by side on planted neurons: who finds them is known, and every figure equals an ablation's."""

import numpy as np
import pytest
from made_up_gates import statistics_from_rates
from planted_demo import StudiedListener
from planted_listener import EMOTIONS, WIDTHS, elsewhere, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.selectors.measure import compare_selectors
from esn_interp.analysis.selectors.result import SelectorComparison
from esn_interp.errors import StatisticsError
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect

TOPS = (0.02, 0.075)
LEAKS = [0.1, 0.3, 0.5, 0.7, 0.2, 0.6]


@pytest.fixture(scope="module")
def statistics() -> GateStatistics:
    return elsewhere(
        collect(StudiedListener(), planted_clips(speakers=4, takes=3, leaks=LEAKS[:4]), progress=False)
    )


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(speakers=6, leaks=LEAKS)


@pytest.fixture(scope="module")
def result(statistics, clips) -> SelectorComparison:
    return compare_selectors(
        StudiedListener(), clips, statistics, selectors=("lap", "mad"), tops=TOPS, draws=2, progress=False
    )


def known_rates() -> GateStatistics:
    """Neurons whose kind is known: four for each emotion that fire (and are high) more on it, the rest alike.

    Half of the rest always fire, which is what fools `lap`; the others hardly do.
    """
    gates = sum(WIDTHS)
    frequency, mean = np.full((5, gates), 0.02), np.full((5, gates), 0.1)
    flat = {e: planted_set().indices(e) for e in EMOTIONS}
    rest = np.setdiff1d(np.arange(gates), np.concatenate(list(flat.values())))
    frequency[:, rest[: len(rest) // 2]] = 0.98
    mean[:, rest[: len(rest) // 2]] = 3.0
    for row, emotion in enumerate(EMOTIONS):
        frequency[:, flat[emotion]], mean[:, flat[emotion]] = 0.05, 0.2
        frequency[row, flat[emotion]], mean[row, flat[emotion]] = 0.6, 1.0
    return statistics_from_rates(frequency, mean, WIDTHS, EMOTIONS)


@pytest.mark.parametrize("name", ["mad", "cas", "lape"])
def test_a_selector_of_differences_recovers_what_was_planted(name):
    # lape cuts over the whole model, twenty neurons; the order statistics lie below what is planted.
    options = (
        {"count": 20, "pooling": "clip", "tau_rate": 0.6, "beta_rate": 0.6}
        if name == "lape"
        else {"count": 4}
    )
    found = select(known_rates(), name, **options)  # pyright: ignore[reportArgumentType]
    hits = {e: set(found.indices(e)) & set(planted_set().indices(e)) for e in EMOTIONS}
    assert all(len(hit) == 4 for hit in hits.values())
    if name != "lape":
        assert len(found) == 20


def test_frequency_is_fooled_by_neurons_that_always_fire():
    found = select(known_rates(), "lap", count=4)
    assert all(not set(found.indices(e)) & set(planted_set().indices(e)) for e in EMOTIONS)
    assert len({tuple(found.indices(e)) for e in EMOTIONS}) == 1


def test_contrast_finds_what_is_planted_and_frequency_does_not(result):
    assert result.best == ("mad", 0.075)
    mad, lap = (result.selectors.index(name) for name in ("mad", "lap"))
    assert result.own.specificity.value[mad, 1] < -0.5
    # Gates that always fire come first by flat index: silencing them costs nobody anything.
    assert np.abs(result.own.self_change.value[lap]).max() < 0.3
    assert "mad" in result.summary().split("clips: ")[1].split(",")[0]


def test_every_cell_equals_an_ablation_of_its_own(result, statistics, clips):
    for s, selector in enumerate(result.selectors):
        for t, top in enumerate(TOPS):
            alone = ablation(
                StudiedListener(),
                clips,
                select(statistics, selector, top=top),
                draws=2,
                seed=0,
                progress=False,
            )
            np.testing.assert_array_equal(result.predicted[s, t], alone.predicted[1:])
            assert tuple(result.neurons[s, t]) == alone.neurons
            for ours, theirs in (
                (result.own.self_change, alone.self_change),
                (result.own.cross_change, alone.cross_change),
                (result.own.specificity, alone.specificity),
                (result.random.self_change, alone.random_self),
                (result.random.cross_change, alone.random_cross),
                (result.own_minus_random, alone.self_minus_random),
            ):
                got = (ours.value[s, t], ours.low[s, t], ours.high[s, t])
                assert got == pytest.approx((theirs.value, theirs.low, theirs.high))


def test_each_batch_is_heard_once(statistics, clips):
    listener = StudiedListener()
    compare_selectors(listener, clips, statistics, tops=TOPS, draws=1, batch_size=20, progress=False)
    assert len(listener.encoded) == 3
    assert sum(map(len, listener.encoded)) == len(clips)


def test_frame_and_file_hold_the_same_numbers(result, tmp_path):
    frame = result.to_frame()
    assert len(frame) == 2 * 2 * 2 * 3
    cell = frame[(frame.selector == "mad") & (frame.top == 0.075) & (frame.neurons == "own")].set_index(
        "quantity"
    )
    assert cell.value["specificity"] == pytest.approx(result.own.specificity.value[1, 1])
    assert cell["count"].iloc[0] == 4
    result.save(tmp_path / "r.json")
    loaded = SelectorComparison.load(tmp_path / "r.json")
    assert loaded.to_dict() == result.to_dict()
    assert loaded.best == result.best


def test_the_figure_shows_the_curves_and_the_control(result):
    figure = result.plot()
    own = [t for t in figure.data if t.name == "mad"]
    assert len(own) == 3
    np.testing.assert_allclose(own[0].y, 100 * result.own.specificity.value[1])
    np.testing.assert_allclose(
        np.array(own[0].y) + own[0].error_y.array, 100 * result.own.specificity.high[1]
    )
    random = [t for t in figure.data if t.name.startswith("random")]
    assert len(random) == 6
    assert sum(bool(t.showlegend) for t in random) == 1


def test_selections_without_neurons_or_without_room_for_a_control_are_noted(statistics, clips):
    found = compare_selectors(
        StudiedListener(),
        clips,
        statistics,
        selectors=("lape", "mad"),
        tops=(0.02, 1.0),
        draws=1,
        progress=False,
    )
    text = " ".join(found.notes)
    assert "lape leaves emotions without neurons at top 0.02" in text
    assert (
        "mad, top 1: no random control: layer 0" in text or np.isfinite(found.random.self_change.value).all()
    )
    everything = compare_selectors(
        StudiedListener(), clips, statistics, selectors=("lap",), tops=(1.0,), draws=1, progress=False
    )
    assert np.isnan(everything.random.self_change.value).all()
    assert "lap, top 1: no random control: layer 0: 'neutral' holds 24 of 24 neurons" in " ".join(
        everything.notes
    )
    assert "random" not in everything.summary()
    assert everything.plot().data


def test_one_speaker_and_a_missing_emotion_are_noted(statistics):
    clips = planted_clips(speakers=1, without=[(0, "sad")])
    found = compare_selectors(
        StudiedListener(), clips, statistics, selectors=("mad",), tops=TOPS, draws=1, progress=False
    )
    text = " ".join(found.notes)
    assert "one speaker only" in text
    assert "no clip is sad" in text
    assert np.isnan(found.own.specificity.low).all()
    assert np.isfinite(found.own.specificity.value).all()
    assert "no interval" in found.summary()
    assert found.plot().data


def test_wrong_requests_are_one_clear_line(statistics, clips):
    listener = StudiedListener()
    with pytest.raises(StatisticsError, match="at least one selector and one size"):
        compare_selectors(listener, clips, statistics, selectors=(), progress=False)
    with pytest.raises(StatisticsError, match="unknown selector 'best'"):
        compare_selectors(listener, clips, statistics, selectors=("best",), progress=False)
    with pytest.raises(StatisticsError, match="compared by zero or mean"):
        compare_selectors(listener, clips, statistics, how="resample", progress=False)
    listener.fingerprint = "other"  # type: ignore[misc]
    with pytest.raises(StatisticsError, match="the statistics come from"):
        compare_selectors(listener, clips, statistics, progress=False)
