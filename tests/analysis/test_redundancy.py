"""Redundancy of planted neurons: those that add up, those that stand in for each other, those in line."""

import numpy as np
import pytest
from planted_listener import BIAS, EMOTIONS, PlantedListener, evidence_for, planted_clips, planted_set
from planted_mechanism import DuplicateListener, InLineListener
from scipy import stats

from esn_interp.analysis.redundancy.measure import redundancy
from esn_interp.analysis.redundancy.result import Redundancy
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips

LEAKS = [0.0, 0.1, 0.2, 0.05, 0.3, 0.0, 0.15]


def planted_log_odds(emotion: str, leak: float, left: float = 1.0) -> float:
    """Log-odds of an emotion on its own clip of a speaker, when this share of its evidence is left."""
    scores = np.array(evidence_for(emotion, leak)) + BIAS
    at = EMOTIONS.index(emotion)
    scores[at] -= 1 - left
    others = np.delete(scores, at)
    return float(scores[at] - np.logaddexp.reduce(others))


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(speakers=len(LEAKS), leaks=LEAKS)


@pytest.fixture(scope="module")
def added(clips) -> Redundancy:
    return redundancy(
        PlantedListener(), clips, planted_set(), draws=2, validation=fresh(), greedy=2, progress=False
    )


def fresh() -> Clips:
    frame = (other := planted_clips(speakers=2)).to_frame()
    frame["audio"] = other.column("audio")
    frame["id"], frame["speaker"] = "v-" + frame["id"], "v-" + frame["speaker"]
    return Clips.from_frame(frame, name="validation")


def test_the_curve_is_the_formula_worked_out_by_hand(added):
    assert added.sizes.tolist() == [1, 2, 4]
    for k, size in enumerate(added.sizes.tolist()):
        for s, emotion in enumerate(EMOTIONS):
            changes = [
                planted_log_odds(emotion, leak, 1 - size / 4) - planted_log_odds(emotion, leak)
                for leak in LEAKS
            ]
            # What is planted is heard through 16-bit audio, so nearly.
            assert added.curve.value[k, s] == pytest.approx(np.mean(changes), abs=2e-3)
            half = stats.t.ppf(0.975, len(LEAKS) - 1) * stats.sem(changes)
            assert added.curve.high[k, s] - added.curve.value[k, s] == pytest.approx(half, abs=2e-3)
    # Random sets may hold neurons of other emotions, of which a clip has a leak at most.
    np.testing.assert_allclose(added.random.value, 0, atol=0.03)
    assert added.half_effect == 2


def test_neurons_that_add_up_show_no_more_together(added):
    np.testing.assert_allclose(added.halves.value, 0, atol=1e-4)
    np.testing.assert_allclose(added.halves_share.value, 0, atol=1e-3)
    np.testing.assert_allclose(added.random_halves.value, 0, atol=1e-3)


@pytest.mark.parametrize(("listener", "share"), [(DuplicateListener, 1.0), (InLineListener, -1.0)])
def test_duplicates_and_links_of_a_chain_do_not_add_up(clips, listener, share):
    found = redundancy(listener(), clips, planted_set(), splits=3, draws=1, progress=False)
    np.testing.assert_allclose(found.halves_share.value, share, atol=1e-3)
    whole = found.curve.value[-1]
    np.testing.assert_allclose(found.halves.value, share * whole, atol=1e-3)
    assert (whole < -0.5).all()
    # Redundant neurons lose more together than apart (below 0), those in line less (above).
    bounds = found.halves.high if share > 0 else found.halves.low
    assert (np.sign(bounds) == -share).all()
    assert (np.abs(found.random_halves.value) < np.abs(found.halves.value) / 5).all()
    few = found.curve.value[0]
    np.testing.assert_allclose(few, 0 if share > 0 else whole, atol=1e-3)


def test_the_same_neurons_in_two_sets_overlap(clips):
    """Without shared neurons two sets add up, as an emotion's neurons do nothing on others' clips without leaks."""
    plain = planted_clips(speakers=6)
    found = redundancy(PlantedListener(), plain, planted_set(), draws=1, progress=False)
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(found.pairs[off], 0, atol=1e-3)
    assert np.isnan(found.pairs[~off]).all()
    assert found.pairs_mean.value == pytest.approx(0, abs=1e-3)
    origin = planted_set().origin
    angry = planted_set().indices("angry")
    twice = NeuronSet.from_indices(origin, {"angry": angry, "sad": angry})
    same = redundancy(
        PlantedListener(), plain.where(emotion=["angry", "sad"]), twice, draws=0, progress=False
    )
    assert same.shared.tolist() == [[4, 4], [4, 4]]
    assert same.pairs[0, 1] == pytest.approx(-same.curve.value[-1, 0], abs=1e-4)  # the union is each of them


def test_greedy_finds_what_the_scores_do_not_know(clips):
    """A set whose highest scores go to neurons that do nothing: greedy takes the planted ones first."""
    origin, planted = planted_set().origin, planted_set().indices("sad")
    idle = np.array([20, 21, 22])
    index = np.sort(np.concatenate([idle, planted]))
    score = np.isin(index, idle).astype(np.float64)
    both = NeuronSet.from_indices(origin, {"sad": index}, scores={"sad": score})
    found = redundancy(PlantedListener(), clips, both, draws=0, validation=fresh(), greedy=3, progress=False)
    assert found.greedy_order.tolist() == [planted[:3].tolist()]
    at = [found.sizes.tolist().index(size) for size in (1, 2, 3)]
    np.testing.assert_allclose(found.curve.value[at, 0], 0, atol=1e-6)
    assert (np.diff(found.greedy.value[at, 0], prepend=0) < -0.2).all()
    assert found.curve.value[-1, 0] < -0.8


def test_odd_sets_and_clips(clips):
    origin, planted = planted_set().origin, planted_set()
    every = np.arange(origin.n_gates)
    odd = NeuronSet.from_indices(
        origin, {"neutral": every, "happy": every[:0], "angry": every[4:5], "sad": planted.indices("sad")}
    )
    found = redundancy(
        PlantedListener(), clips.where(emotion=["neutral", "angry"]), odd, draws=2, progress=False
    )
    assert found.draws == 0
    assert any("no random control: layer 0: 'neutral' holds 24 of 24 neurons" in note for note in found.notes)
    assert "no neurons for happy: nothing was silenced there" in found.notes
    assert "no clip is happy, sad: their sets are only tried together with others" in found.notes
    assert "angry: one neuron has no halves" in found.notes
    assert np.isnan(found.halves.value[1:]).all()
    assert np.isfinite(found.halves.value[0])
    assert np.isfinite(found.pairs[0, [2, 3]]).all()
    assert np.isfinite(found.halves.mean)
    alone = redundancy(PlantedListener(), clips.where(speaker="s00"), planted, draws=0, progress=False)
    assert np.isnan(alone.curve.low).all()
    assert np.isfinite(alone.curve.value).all()
    assert alone.notes[0].startswith("one speaker only")
    assert "no random control was drawn" in alone.notes


def test_what_cannot_be_done_is_refused(clips):
    planted = planted_set()
    empty = NeuronSet.from_indices(planted.origin, {"angry": np.zeros(0, int), "sad": np.zeros(0, int)})
    with pytest.raises(StatisticsError, match="the sets of angry, sad are all empty"):
        redundancy(PlantedListener(), clips, empty, progress=False)
    with pytest.raises(StatisticsError, match="validation clips are among the evaluated ones"):
        redundancy(PlantedListener(), clips, planted, validation=clips, progress=False)
    with pytest.raises(StatisticsError, match="splits 0, draws 4, greedy 4"):
        redundancy(PlantedListener(), clips, planted, splits=0, progress=False)
    half = NeuronSet.from_indices(planted.origin, {"angry": np.zeros(0, int), "sad": planted.indices("sad")})
    with pytest.raises(CorpusError, match="no clip of an emotion that has neurons"):
        redundancy(PlantedListener(), clips.where(emotion="angry"), half, progress=False)


def test_tables_figures_and_files_hold_the_same_numbers(added, tmp_path):
    added.save(tmp_path / "redundancy.json")
    loaded = Redundancy.load(tmp_path / "redundancy.json")
    assert loaded.to_dict() == added.to_dict()
    frame = added.to_frame()
    sad = frame[(frame.quantity == "curve") & (frame["set"] == "sad")]
    np.testing.assert_allclose(sad.value, added.curve.value[:, 3])
    assert len(frame[frame.quantity == "pairs"]) == 20
    assert f"{added.curve.mean[-1]:+.2f}" in added.summary()
    assert "half of which 2 do" in added.summary()
    figure = added.plot()
    curves = {trace.name: trace for trace in figure.data if trace.name}
    np.testing.assert_allclose(curves["angry"].y, added.curve.value[:, 2])
    np.testing.assert_allclose(curves["chosen greedily"].y, added.greedy.mean[:2])
    np.testing.assert_allclose(curves["random neurons"].y, added.random.mean)
    (pairs,) = [trace for trace in figure.data if trace.type == "heatmap"]
    assert pairs.zmin == -pairs.zmax


class DeafListener(PlantedListener):
    """Gives every label the same score, whatever it hears and whatever is edited."""

    def _run(self, encoded, edits):
        totals, gates = super()._run(encoded, edits)
        return np.zeros_like(totals), gates


def test_ties_everywhere_are_no_effect(clips):
    found = redundancy(
        DeafListener(), clips, planted_set(), draws=1, validation=fresh(), greedy=2, progress=False
    )
    for table in (found.curve, found.recall, found.random, found.halves, found.random_halves):
        assert (np.nan_to_num(table.value) == 0).all()
    assert np.isnan(found.halves_share.value).all()
    assert found.half_effect == 0
    # Among equals the first, so the order of the scores.
    np.testing.assert_array_equal(found.greedy_order[2], planted_set().indices("angry")[:2])
    assert "half of which" not in found.summary()
    assert found.plot().data
