"""Choosing how to steer, and cross-emotion steering, on outcomes whose effects are planted."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_conversions import TARGETS, condition, heard_as

from esn_interp.analysis.conversion.cross import conversion_cross
from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.analysis.conversion.settings import conversion_grid
from esn_interp.analysis.conversion.settings_result import ConversionGrid, SteeringSetting
from esn_interp.errors import StatisticsError

SPEAKERS = 4
BEFORE = condition(lambda speaker, clip, target: clip == 0, speakers=SPEAKERS)
GAINS = {"mad": 2, "cas": 1, "lap": 0, "random": 0}


def tried(selector: str, alpha: float, **changed):
    """The gain grows with alpha, but so does the cost in words."""
    gained = GAINS[selector] * (alpha >= 2) + (selector == "mad" and alpha >= 4)
    rows = condition(lambda s, clip, t: clip <= gained, speakers=SPEAKERS, wer=0.1 + 0.03 * (alpha >= 2), **changed)
    return rows if alpha < 4 else [replace(o, wer=0.4) for o in rows]


SETTINGS = [
    SteeringSetting(selector, top, alpha, filtered)
    for selector in GAINS
    for filtered in ((True,) if selector == "random" else (True, False))
    for top in (0.01, 0.02)
    for alpha in (1.0, 2.0, 4.0)
]


def grid(settings=SETTINGS, **options) -> ConversionGrid:
    neurons = options.pop("neurons", {one: [5, 5, 5, 5] for one in settings})
    given = {"targets": TARGETS, "judge": "scorer", "filter_judge": "sieve", **options}
    return conversion_grid(BEFORE, {one: tried(one.selector, one.alpha) for one in settings}, neurons, **given)


@pytest.fixture(scope="module")
def chosen() -> ConversionGrid:
    return grid()


def test_the_best_that_keeps_the_words_is_chosen(chosen):
    assert chosen.setting == SteeringSetting("mad", 0.01, 2.0, True)
    at = chosen.chosen
    assert chosen.change_of("accuracy", at).value == pytest.approx(2 / 4)
    assert chosen.change_of("wer", at).value == pytest.approx(0.03)
    assert "mad, 1.00% of the gates, alpha 2, filter on" in chosen.summary()
    assert "scorer has no part in the choice" in chosen.rule


def test_words_may_cost_more_when_that_is_allowed():
    assert grid(most_wer=0.5).setting.alpha == 4


def test_where_all_cost_too_much_the_cheapest_is_chosen_and_that_is_said():
    found = grid([one for one in SETTINGS if one.alpha >= 2], most_wer=0.01)
    assert found.setting.alpha == 2
    assert any("every setting raises" in note for note in found.notes)


def test_the_judge_that_scores_has_no_part_in_the_choice():
    """The filter's judge hears nothing under mad; the scorer hears it best."""
    deaf = {
        one: [
            replace(o, filter_probabilities=heard_as("neutral")) if one.selector == "mad" else o
            for o in tried(one.selector, one.alpha)
        ]
        for one in SETTINGS
    }
    neurons = {one: [5] * 4 for one in SETTINGS}
    found = conversion_grid(BEFORE, deaf, neurons, targets=TARGETS, judge="scorer", filter_judge="sieve")
    assert found.setting.selector == "cas"


def test_random_neurons_are_compared_with_and_never_chosen():
    assert grid([one for one in SETTINGS if one.selector in ("random", "lap")]).setting.selector == "lap"
    with pytest.raises(StatisticsError, match="no setting has neurons"):
        grid([one for one in SETTINGS if one.selector == "random"])


def test_a_setting_without_neurons_for_a_target_is_passed_over():
    neurons = {one: [5, 0, 5, 5] if one.selector == "mad" else [5, 5, 5, 5] for one in SETTINGS}
    assert grid(neurons=neurons).setting.selector == "cas"


def test_the_filter_off_is_chosen_only_where_there_is_nothing_else():
    off = [one for one in SETTINGS if not one.filtered]
    found = grid(off)
    assert found.setting == SteeringSetting("mad", 0.01, 2.0, False)
    assert any("filter on" in note for note in found.notes)


def test_sources_without_words_can_be_steered_too():
    silent = [replace(o, wer=np.nan, cer=np.nan) for o in BEFORE]
    rows = {one: [replace(o, wer=np.nan) for o in tried(one.selector, one.alpha)] for one in SETTINGS}
    neurons = {one: [5] * 4 for one in SETTINGS}
    found = conversion_grid(silent, rows, neurons, targets=TARGETS, judge="scorer", filter_judge="sieve")
    assert found.setting.selector == "mad"
    assert found.setting.alpha == 4


def test_the_grid_survives_its_file_and_is_a_table(chosen, tmp_path):
    chosen.save(tmp_path / "grid.json")
    again = ConversionGrid.load(tmp_path / "grid.json")
    assert again.to_dict() == chosen.to_dict()
    frame = again.to_frame()
    assert len(frame) == len(SETTINGS)
    assert frame[frame.chosen].selector.tolist() == ["mad"]
    assert set(frame.filtered) == {True, False}


def test_the_figure_of_the_choice_begins_unsteered(chosen):
    figure = chosen.plot()
    lines = {t.name: t for t in figure.data if t.mode == "lines+markers"}
    selectors = ("mad", "cas", "lap")
    assert set(lines) == {*selectors, *(f"{name}, filter off" for name in selectors), "random neurons"}
    accuracy = next(t for t in figure.data if t.name == "mad" and t.yaxis == "y")
    np.testing.assert_allclose(accuracy.y, [25, 25, 75, 100])
    assert accuracy.customdata[:, 0].tolist() == [0, 1, 2, 4]
    ring = next(t for t in figure.data if t.name == "chosen" and t.yaxis == "y")
    assert ring.y == (75,)


# ---------------------------------------------------------------- one asked for, another's neurons


def pulled(neurons: str):
    """An emotion's neurons help its own request, and turn one clip in four of another's into their own emotion."""
    rows = condition(lambda s, clip, t: clip <= 2 * (t == neurons), speakers=8)
    return [
        replace(o, probabilities=heard_as(neurons)) if o.clip.endswith("-3") and o.target != neurons else o
        for o in rows
    ]


@pytest.fixture(scope="module")
def crossed() -> ConversionCross:
    before = condition(lambda s, clip, t: clip == 0, speakers=8)
    return conversion_cross(before, {name: pulled(name) for name in TARGETS}, targets=TARGETS, judge="scorer")


def test_the_matrix_holds_what_was_planted(crossed):
    np.testing.assert_allclose(crossed.as_requested, np.where(np.eye(4), 1 / 2, 0))
    np.testing.assert_allclose(crossed.as_edited, np.where(np.eye(4), 1 / 2, 1 / 4))
    assert crossed.own.value == pytest.approx(1 / 2)
    assert crossed.other.value == 0
    assert crossed.pulled.value == pytest.approx(1 / 4)
    assert crossed.labels == (*TARGETS, "neutral")
    assert "+50.0" in crossed.summary()


def test_shares_add_up(crossed):
    np.testing.assert_allclose(crossed.share.value.sum(axis=-1), 1)
    np.testing.assert_allclose(crossed.unsteered.value.sum(axis=-1), 1)
    np.testing.assert_allclose(
        crossed.change.value, crossed.share.value - crossed.unsteered.value[:, None], atol=1e-12
    )


def test_the_cross_survives_its_file_and_its_figure_outlines_the_diagonal(crossed, tmp_path):
    crossed.save(tmp_path / "cross.json")
    again = ConversionCross.load(tmp_path / "cross.json")
    assert again.to_dict() == crossed.to_dict()
    assert len(again.to_frame()) == 4 * 4 * 5
    figure = again.plot()
    np.testing.assert_allclose(figure.data[0].z, 100 * crossed.as_requested)
    np.testing.assert_allclose(figure.data[1].z, 100 * crossed.as_edited)
    assert len(figure.layout.shapes) == 8


def test_every_emotions_neurons_meet_the_same_conversions(crossed):
    before = condition(lambda s, clip, t: True)
    tables = dict.fromkeys(TARGETS, before)
    with pytest.raises(StatisticsError, match="neurons of sad"):
        conversion_cross(before, tables | {"sad": before[1:]}, targets=TARGETS, judge="scorer")
    del tables["angry"]
    with pytest.raises(StatisticsError, match="neurons of angry"):
        conversion_cross(before, tables, targets=TARGETS, judge="scorer")
