"""The edits that neuron sets become, against the affine clamp written out on dense gates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import EMOTIONS, WIDTHS, heard_clips, origin, statistics_of
from rounding import assert_close

from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.edits import (
    at_random,
    deactivate,
    distinct_alphas,
    floor,
    mean_ablate,
    resample_ablate,
    shift,
    steer,
)
from esn_interp.models.edits import SCOPES, Edit
from esn_interp.neurons.neuron_set import NeuronSet

N = sum(WIDTHS)
STATS = statistics_of(heard_clips(60))
RATES = STATS.rates(scope="all")
some = st.sets(st.integers(0, N - 1), min_size=1).map(sorted)


def neurons(*gates: int, second: tuple[int, ...] = ()) -> NeuronSet:
    return NeuronSet.from_indices(
        STATS.origin, {"angry": np.array(gates), "happy": np.array(second, dtype=np.int64)}
    )


def dense(edits: list[Edit]) -> np.ndarray:
    """What the edits make of some gates: [token, gate] over all layers."""
    layers = [layer.clone() for layer in gates()]
    for edit in edits:
        layers[edit.layer] = edit.apply(layers[edit.layer][None], None)[0]
    return torch.cat(layers, dim=1).numpy()


def gates() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, width, generator=generator) for width in WIDTHS]


BEFORE = torch.cat(gates(), dim=1).numpy()


@given(some)
@settings(max_examples=25, deadline=None)
def test_every_verb_is_its_formula_on_the_chosen_gates_and_nothing_elsewhere(chosen: list[int]):
    esns = neurons(*chosen)
    mu = RATES.mean[EMOTIONS.index("angry")].astype(np.float32)
    grand = RATES.mean.mean(axis=0).astype(np.float32)
    for edits, formula in (
        (deactivate(esns), np.zeros_like(BEFORE)),
        (steer(esns, 2), 3 * BEFORE),
        (steer(esns, -0.5), 0.5 * BEFORE),
        (steer(esns, -1), np.zeros_like(BEFORE)),
        (mean_ablate(esns, STATS), np.broadcast_to(grand, BEFORE.shape)),
        (floor(esns, STATS, "angry"), np.maximum(BEFORE, mu)),
        (shift(esns, STATS, "angry", 1.5), BEFORE + 1.5 * (mu - grand)),
        (shift(esns, STATS, "angry", -1), BEFORE - (mu - grand)),
    ):
        expected = np.where(np.isin(np.arange(N), chosen), formula, BEFORE)
        assert_close(dense(edits), expected, terms=2)
        layers = [edit.layer for edit in edits]
        assert layers == sorted(set(layers))
        assert sum(len(edit.neurons) for edit in edits) == len(chosen)


def test_a_neuron_of_two_emotions_is_edited_once():
    both = neurons(1, 2, 9, second=(2, 9, 10))
    np.testing.assert_allclose(
        dense(steer(both, 1)), np.where(np.isin(np.arange(N), [1, 2, 9, 10]), 2, 1) * BEFORE
    )


def test_one_emotion_of_a_set():
    both = neurons(1, 2, 9, second=(2, 9, 10))
    np.testing.assert_allclose(
        dense(deactivate(both["happy"])), np.where(np.isin(np.arange(N), [2, 9, 10]), 0, BEFORE)
    )


def test_gates_that_are_not_finite_do_not_survive_an_ablation():
    edit = deactivate(neurons(0))[0]
    gate = torch.tensor([[[float("inf")] * 5, [float("nan")] * 5]])
    assert edit.apply(gate, None)[0, :, 0].tolist() == [0, 0]


@pytest.mark.parametrize("scope", ["audio", "last", "audio,text"])
@pytest.mark.parametrize("pooling", ["clip", "token"])
def test_means_are_of_the_named_scope_and_pooling(scope: str, pooling: str):
    esns, rates = neurons(*range(N)), STATS.rates(scope=scope, pooling=pooling)
    options = {"scope": scope, "pooling": pooling}
    assert_close(dense(mean_ablate(esns, STATS, **options))[0], rates.mean.mean(axis=0), terms=1)
    assert_close(dense(floor(esns, STATS, "happy", **options)), np.maximum(BEFORE, rates.mean[1]), terms=1)
    difference = dense(shift(esns, STATS, "happy", 1, **options)) - BEFORE
    assert_close(difference[2], rates.mean[1] - rates.grand_mean, terms=2, magnitude=np.abs(BEFORE).max())


def test_positions_are_everywhere_unless_named():
    esns = neurons(3)
    for verb in (
        lambda **options: deactivate(esns, **options),
        lambda **options: steer(esns, 1, **options),
        lambda **options: mean_ablate(esns, STATS, **options),
        lambda **options: floor(esns, STATS, "angry", **options),
        lambda **options: shift(esns, STATS, "angry", 1, **options),
    ):
        assert verb()[0].positions == frozenset(SCOPES)
        assert verb(positions=["last", "generated"])[0].positions == {"last", "generated"}
        with pytest.raises(EditError, match="unknown token scope 'word'"):
            verb(positions=["word"])


def test_alpha_zero_changes_nothing_and_says_so():
    assert all(edit.identity for edit in steer(neurons(1, 8), 0))
    assert not any(edit.identity for edit in steer(neurons(1, 8), 0.1))


@pytest.mark.parametrize("alpha", [-1.01, float("nan"), float("inf")])
def test_an_alpha_out_of_range_is_refused(alpha: float):
    with pytest.raises(EditError, match="alpha"):
        steer(neurons(1), alpha)


def test_a_beta_that_is_not_finite_is_refused():
    with pytest.raises(EditError, match="beta"):
        shift(neurons(1), STATS, "angry", float("inf"))


def test_an_empty_set_has_nothing_to_edit():
    for make in (deactivate, lambda one: steer(one, 1), lambda one: mean_ablate(one, STATS)):
        with pytest.raises(EditError, match="no neuron to edit: the set of happy is empty"):
            make(neurons(1)["happy"])


def test_an_unknown_emotion_is_refused():
    with pytest.raises(
        StatisticsError, match="unknown emotion 'bored'; these statistics hold neutral, happy, angry"
    ):
        floor(neurons(1), STATS, "bored")


def test_statistics_of_another_model_are_refused():
    esns = NeuronSet.from_indices(origin(fingerprint="xyz", model="other"), {"angry": np.array([1])})
    with pytest.raises(StatisticsError, match=r"the statistics come from tiny.*not from other"):
        mean_ablate(esns, STATS)


def test_resampling_writes_the_donors_means_scope_by_scope():
    stats = statistics_of(heard_clips(9), per_clip=True)
    donor = heard_clips(9)[4]
    esns = neurons(1, 4, 6, second=(6, 9))
    edits = resample_ablate(esns, stats, donor.id)
    assert {edit.positions for edit in edits} == {
        frozenset({"audio"}),
        frozenset({"text"}),
        frozenset({"last", "generated"}),
    }
    for edit in edits:
        code = {"audio": 0, "text": 1, "last": 2}[min(edit.positions - {"generated"})]
        expected = donor.gates[edit.layer][donor.scopes == code].mean(axis=0)[edit.neurons]
        assert_close(edit.shift, expected, terms=len(donor.scopes))
        assert edit.gain == 0
    only = resample_ablate(esns, stats, donor.id, positions={"audio"})
    assert {edit.positions for edit in only} == {frozenset({"audio"})}
    with pytest.raises(StatisticsError, match="no clip 'nobody' in the statistics"):
        resample_ablate(esns, stats, "nobody")
    with pytest.raises(StatisticsError, match="per_clip=True"):
        resample_ablate(esns, STATS, donor.id)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_edits_on_random_neurons_keep_all_but_the_neurons(seed: int):
    edits = [
        Edit(0, np.array([3, 1]), gain=np.array([2.0, 3.0]), positions=frozenset({"audio"})),
        Edit(0, np.array([1]), floor=0.5),
        Edit(2, np.array([0]), gain=0.0, shift=1.0),
    ]
    moved = at_random(edits, WIDTHS, seed=seed)
    for old, new in zip(edits, moved, strict=True):
        assert (old.layer, old.shift, old.floor, old.positions) == (
            new.layer,
            new.shift,
            new.floor,
            new.positions,
        )
        np.testing.assert_array_equal(old.gain, new.gain)
    assert not {1, 3} & set(moved[0].neurons.tolist())
    assert moved[2].neurons[0] != 0
    assert moved[0].neurons[1] == moved[1].neurons[0]  # both act on neuron 1
    with pytest.raises(StatisticsError, match="layer 1: the edits name 2 of 3 neurons, too many"):
        at_random([Edit(1, np.array([0, 2]), gain=0.0)], WIDTHS, seed=0)


def test_gains_to_be_tried_run_from_minus_one_upwards_and_are_not_all_zero():
    assert distinct_alphas([2, -1, 0.5, 2, 0]).tolist() == [-1, 0, 0.5, 2]
    assert distinct_alphas([0.5]).tolist() == [0.5]
    for wrong, told in (([-1.001, 2], "-1.001, 2"), ([float("nan")], "nan"), ([float("inf")], "inf"), ([], "none")):
        with pytest.raises(EditError, match=f"one or more finite numbers from -1 upwards, not {told}$"):
            distinct_alphas(wrong)
    with pytest.raises(EditError, match="alpha 0 changes nothing"):
        distinct_alphas([0, 0.0])
