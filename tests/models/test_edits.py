"""An edit is `max(floor, gain * gate + shift)` on chosen neurons and positions, and refuses nonsense."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from overlapping_sets import where as home
from rounding import assert_close

from esn_interp.errors import EditError
from esn_interp.models.edits import Edit, as_edits, edits_by_layer
from esn_interp.neurons.neuron_set import NeuronSet


def gates(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(seed))


finite = st.floats(-5, 5, width=32)


@given(
    neurons=st.lists(st.integers(0, 5), unique=True, min_size=1),
    gain=st.floats(0, 5, width=32),
    shift=finite,
    floor=st.none() | finite,
)
def test_an_edit_is_the_formula_on_its_neurons_and_nothing_elsewhere(neurons, gain, shift, floor):
    before = gates()
    with torch.no_grad():
        after = Edit(0, np.array(neurons), gain, shift, floor).apply(before.clone(), None)
    expected = before.numpy().copy()
    expected[..., neurons] = np.float32(gain) * expected[..., neurons] + np.float32(shift)
    if floor is not None:
        expected[..., neurons] = np.maximum(expected[..., neurons], np.float32(floor))
    assert_close(after, expected, terms=2, magnitude=float(5 * before.abs().max() + 5))


@pytest.mark.parametrize("gain", [2.0, 0.0])
def test_positions_limit_an_edit(gain):
    where = torch.zeros(2, 4, dtype=torch.bool)
    where[1, 2] = True
    with torch.no_grad():
        after = Edit(0, np.array([3]), gain=gain).apply(gates(), where)
    changed = (after != gates()).nonzero().tolist()
    assert changed == [[1, 2, 3]]


@given(
    along=st.lists(st.floats(0.125, 5, width=32), min_size=3, max_size=3),
    gain=st.floats(0, 5, width=32),
    shift=finite,
    floor=st.none() | finite,
    everywhere=st.booleans(),
)
def test_an_edit_along_a_direction_is_the_formula_on_its_component_and_nothing_else(
    along, gain, shift, floor, everywhere
):
    before, where = gates(), torch.zeros(2, 4, dtype=torch.bool)
    where[0, 1] = where[1, 3] = True
    edit = Edit(0, np.array([0, 2, 5]), gain, shift, floor, along=np.array(along))
    with torch.no_grad():
        after = edit.apply(before.clone(), None if everywhere else where).double().numpy()
    unit, expected = np.array(along) / np.linalg.norm(along), before.double().numpy()
    for place in np.ndindex(2, 4):
        if everywhere or where[place]:
            component = expected[place][[0, 2, 5]] @ unit
            new = gain * component + shift
            expected[place][[0, 2, 5]] += (new if floor is None else max(new, floor)) * unit - component * unit
    assert_close(after, expected, terms=8, magnitude=float(10 * before.abs().max() + 10))


def test_zero_gain_writes_the_shift_even_over_infinity():
    broken = torch.tensor([[[float("inf"), float("nan"), 1.0]]])
    with torch.no_grad():
        after = Edit(0, np.array([0, 1]), gain=0.0, shift=0.5).apply(broken, None)
    assert after.tolist() == [[[0.5, 0.5, 1.0]]]


def test_each_clip_can_have_gains_of_its_own():
    gains = np.array([[2.0, 0.0], [1.0, 3.0]])
    with torch.no_grad():
        together = Edit(0, np.array([1, 4]), gain=gains, shift=np.array([0.0, 0.5])).apply(gates(), None)
        for clip, gain in enumerate(gains):
            alone = Edit(0, np.array([1, 4]), gain=gain, shift=np.array([0.0, 0.5]))
            assert torch.equal(together[[clip]], alone.apply(gates()[[clip]], None))
        with pytest.raises(EditError, match="gains of 2 clips for a batch of 1"):
            Edit(0, np.array([1, 4]), gain=gains).apply(gates()[:1], None)


def test_shifts_by_clip_and_token_go_over_the_prompt_and_no_further():
    shifts = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)  # clips, tokens of the prompt, neurons
    behind = torch.ones(2, 4, dtype=torch.bool)
    behind[:, 3] = False
    edit, expected = Edit(0, np.array([1, 4]), shift=shifts), gates()
    expected[:, :3, [1, 4]] += torch.from_numpy(shifts)
    with torch.no_grad():
        assert torch.equal(edit.apply(gates(), behind), expected)
        assert torch.equal(edit.apply(gates()[:, :3].clone(), None), expected[:, :3])
        routed = gates()[:, :, None].repeat(1, 1, 2, 1)  # to two experts
        over_experts = edit.apply(routed, behind[:, :, None].repeat(1, 1, 2))
        assert torch.equal(over_experts, expected[:, :, None].repeat(1, 1, 2, 1))
        for wrong, where in ((gates(), None), (gates()[:1], behind[:1]), (gates()[:, :2], None)):
            with pytest.raises(EditError, match="shifts of 2 clips and 3 tokens for a run of"):
                edit.apply(wrong.clone(), where)


def test_gradients_pass_through_an_edit():
    start = gates().requires_grad_()
    Edit(0, np.array([1]), gain=3.0).apply(start * 1.0, None).sum().backward()
    assert start.grad is not None
    assert start.grad[0, 0].tolist() == [1.0, 3.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "arguments",
    [
        dict(layer=-1, neurons=[0]),
        dict(layer=0, neurons=[-1]),
        dict(layer=0, neurons=[1, 1]),
        dict(layer=0, neurons=[1], gain=float("nan")),
        dict(layer=0, neurons=[1], gain=-0.5),
        dict(layer=0, neurons=[1], shift=float("inf")),
        dict(layer=0, neurons=[1], positions=frozenset({"everywhere"})),
        dict(layer=0, neurons=[1], gain=2e30),
        dict(layer=0, neurons=[1], shift=-1e30),
    ],
)
def test_nonsense_is_refused(arguments):
    with pytest.raises(EditError, match="edit at layer"):
        Edit(**{**arguments, "neurons": np.array(arguments["neurons"])})


def test_a_plan_drops_identities_and_orders_layers():
    edits = [Edit(2, np.array([0]), gain=2.0), Edit(0, np.array([1])), Edit(1, np.array([1]), shift=1.0)]
    assert list(edits_by_layer(edits, (4, 4, 4))) == [1, 2]


@pytest.mark.parametrize(("layer", "neuron"), [(3, 0), (0, 4)])
def test_a_plan_refuses_what_the_model_does_not_have(layer, neuron):
    with pytest.raises(EditError):
        edits_by_layer([Edit(layer, np.array([neuron]), gain=0.0)], (4, 4, 4))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["gain", "shift", "floor"])
def test_values_that_are_not_one_for_each_neuron_are_refused(name: str):
    with pytest.raises(EditError, match=f"edit at layer 0: {name} has 3 values for 2 neurons"):
        Edit(0, np.array([1, 2]), **{name: np.array([2.0, 2.0, 2.0])})


def test_alpha_goes_with_neurons_alone_and_with_some():
    with pytest.raises(EditError, match="alpha goes with neurons; ready-made edits carry their own gain"):
        as_edits([Edit(0, np.array([1]), gain=2.0)], 2.0)
    with pytest.raises(EditError, match="nothing to steer, the set of neurons is empty"):
        as_edits([], None)
    neurons = NeuronSet.from_indices(home(widths=(4, 4)), {"angry": np.array([1, 6]), "sad": np.array([6, 7])})
    with pytest.raises(EditError, match="say how much, for example alpha=2"):
        as_edits(neurons, None)
    first, second = as_edits(neurons, 2.0)
    assert (first.layer, first.neurons.tolist(), first.gain) == (0, [1], 3.0)
    assert (second.layer, second.neurons.tolist(), second.gain) == (1, [2, 3], 3.0)
