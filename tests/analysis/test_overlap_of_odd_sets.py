"""Sets that share nothing, hold nothing or everything, and those that can not be compared."""

import numpy as np
import pytest
from made_up_gates import EMOTIONS, statistics_from_rates
from overlapping_sets import A, B, random_set, statistics, where

from esn_interp.analysis.overlap.measure import overlap
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select


class TestOddSets:
    def test_an_emotion_that_one_lacks(self):
        more = random_set(3, (5, 5, 5), ("sad", "bored", "angry"), corpus="c")
        result = overlap(A, more)
        assert result.emotions == ("angry", "sad")
        assert result.pairs[0].same.tolist() == [[False, False, True], [True, False, False]]
        assert result.notes[:1] == ("emotions that all sets have: angry, sad; c have others",)
        nothing = overlap(A["angry"], B["sad"])
        assert nothing.emotions == ()
        assert np.isnan(nothing.pairs[0].same_emotion.fold)
        assert "an unknown multiple of" in nothing.summary()
        assert nothing.plot().data

    def test_an_empty_set_and_all_neurons(self):
        empty = NeuronSet.from_indices(where("c"), {"angry": np.zeros(0, np.int64), "sad": np.arange(300)})
        result = overlap(A, empty)
        pair = result.pairs[0]
        assert pair.jaccard[:, 0].tolist() == [0, 0]
        assert np.isnan(pair.fold[:, 0]).all()
        assert np.isnan(pair.p_holm[:, 0]).all()
        np.testing.assert_allclose(pair.fold[:, 1], 1)
        np.testing.assert_allclose(pair.p_values[:, 1], 1)
        np.testing.assert_allclose([pair.fold_low[:, 1], pair.fold_high[:, 1]], 1)
        assert result.notes[:1] == ("c has no neurons for angry: nothing to share there",)
        both = overlap(empty["angry"], empty["angry"], names=["x", "y"]).pairs[0]
        assert np.isnan(both.jaccard).all()
        assert result.plot().data

    def test_one_layer(self):
        home = {"widths": (50,)}
        one, two = (random_set(seed, (20,), **home, corpus=f"c{seed}") for seed in (0, 1))
        pair = overlap(one, two).pairs[0]
        np.testing.assert_allclose(pair.fold, pair.global_fold)
        np.testing.assert_allclose(pair.p_values, pair.global_p)

    def test_ties_everywhere_are_broken_alike(self):
        flat = statistics_from_rates(np.full((3, 12), 0.5), np.full((3, 12), 1.0), (5, 3, 4), EMOTIONS)
        esns = select(flat, "lap", count=4)
        pair = overlap(esns, esns, names=["x", "y"], statistics=[flat, flat], resamples=0).pairs[0]
        assert (pair.shared == 4).all()
        assert pair.rbo.min() == pytest.approx(1)
        assert np.isnan(pair.spearman).all()
        none = select(flat, "mad", count=4)
        assert np.isnan(overlap(none, none, names=["x", "y"]).pairs[0].jaccard).all()


def test_other_models_need_to_be_allowed_and_alike():
    other = random_set(4, (20, 5, 5), corpus="c", fingerprint="g", model="m-tuned")
    with pytest.raises(StatisticsError, match="come from m"):
        overlap(A, other)
    result = overlap(A, other, across_models=True)
    assert result.notes[:1] == ("m and m-tuned have different weights: compared place by place",)
    wide = random_set(4, (20, 5), corpus="c", widths=(150, 150))
    with pytest.raises(StatisticsError, match="differ in the shape of their gates"):
        overlap(A, wide, across_models=True)


def test_what_can_not_be_compared_is_refused():
    stats = statistics()
    esns = select(stats, "mad", count=5)
    for part, call in {
        "two neuron sets or more, got 1": lambda: overlap(A),
        "different names, not x, x": lambda: overlap(A, B, names=["x", "x"]),
        "2 sets need as many statistics": lambda: overlap(esns, esns, statistics=[stats]),
        "give the statistics that the sets come from": lambda: overlap(A, B, tops=[0.1]),
        "persistence is between 0 and 1, not 1": lambda: overlap(A, B, persistence=1),
        "given for set 2, do not give that set": lambda: overlap(
            esns, esns, names=["x", "y"], statistics=[stats, statistics(1)]
        ),
        "no fractions were compared": lambda: overlap(A, B).plot_curve(),
    }.items():
        with pytest.raises(StatisticsError, match=part):
            call()
