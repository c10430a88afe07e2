"""Many conditions at once give what each gives by itself, however they are packed."""

import numpy as np
import pytest
import torch
from rounding import assert_apart, assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError
from esn_interp.models import sweeping
from esn_interp.models.edits import Edit
from esn_interp.models.sweeping import can_repeat, repeated, row_gains, worth_sharing

CLIPS = noise(0.7, 1.3, 1.9)


def gains(layer, gain, *, start=0):
    return Edit(layer, np.arange(start, 24, 2), gain=gain)


CONDITIONS = [
    (),
    [gains(0, 0.0)],
    [gains(2, 3.0)],
    [gains(1, 0.5), gains(2, 2.0, start=1)],
    [Edit(1, np.array([3]), gain=2.0, shift=0.5)],  # more than a gain
    [gains(2, 0.0)],
    [gains(1, 4.0), Edit(1, np.array([2, 5]), gain=np.array([0.5, 2.0]))],
    [Edit(1, np.array([0, 1]), gain=0.0, positions=frozenset({"audio"}))],
    [Edit(1, np.array([1]))],  # changes nothing
]


def one_by_one(lm, encoded, labels, conditions):
    return np.stack([lm.scores(encoded, labels, edits=edits, plan="traced") for edits in conditions])


@pytest.mark.parametrize("tokens", [None, 0, 700, 100_000])
def test_conditions_together_give_what_each_gives_alone(tiny_lm, tokens):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    swept = tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS, tokens=tokens)
    expected = one_by_one(tiny_lm, encoded, EMOTIONS, CONDITIONS)
    assert_close(swept.log_probs, expected, terms=terms_of(tiny_lm.model))
    assert_apart(expected[1:-1], expected[0], terms=terms_of(tiny_lm.model))  # every edit shows
    gains_only, plans = (1, 2, 3, 5, 6), list(swept.plans)
    assert [plans[at] for at in (0, 4, 7, 8)] == ["none", "traced", "traced", "none"]
    together = max(1, (1024 if tokens is None else tokens) // encoded.scopes.size)
    left_alone = 5 if together == 1 else int(5 % together == 1)
    assert [plans[at] for at in gains_only].count("scaled") == left_alone
    assert [plans[at] for at in gains_only].count("packed") == 5 - left_alone


def test_layers_before_the_first_edit_run_once(tiny_lm):
    encoded, seen = tiny_lm.encode(CLIPS, CHOICE), []
    late = [(), [gains(2, 0.0)], [gains(2, 2.0)], [gains(1, 2.0)]]
    expected = one_by_one(tiny_lm, encoded, EMOTIONS, late)
    tiny_lm.sweep(encoded, EMOTIONS, late, tokens=1)  # whether runs can be taken up was tried by now
    layers = tiny_lm.model.model.language_model.layers
    for at, layer in enumerate(layers):
        layer.mlp.gate_proj.register_forward_hook(lambda module, inputs, output, at=at: seen.append(at))
    swept = tiny_lm.sweep(encoded, EMOTIONS, late, tokens=1)
    assert_close(swept.log_probs, expected, terms=terms_of(tiny_lm.model))
    assert [seen.count(at) for at in range(3)] == [1, 2, 4]


def test_a_model_whose_runs_cannot_be_taken_up_is_run_whole(tiny_lm, monkeypatch):
    """Layers that remember something of an earlier one, such as its keys and values."""
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    expected = one_by_one(tiny_lm, encoded, EMOTIONS, CONDITIONS)

    def wrong(view, fn, batch, start):
        result = fn(**batch)
        result.last_hidden_state = result.last_hidden_state + 1
        return result

    monkeypatch.setattr(sweeping, "resumed_run", wrong)
    swept = tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS)
    assert tiny_lm._resumes is False
    assert_close(swept.log_probs, expected, terms=terms_of(tiny_lm.model))


def test_labels_of_several_tokens_and_steered_models_are_swept_one_by_one(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    labels = ("angry", "very angry")
    swept = tiny_lm.sweep(encoded, labels, CONDITIONS)
    assert_close(swept.log_probs, one_by_one(tiny_lm, encoded, labels, CONDITIONS), terms=terms_of(tiny_lm.model))
    with tiny_lm.steered([gains(0, 2.0)]):
        swept = tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS[:3])
        expected = one_by_one(tiny_lm, encoded, EMOTIONS, CONDITIONS[:3])
    assert_close(swept.log_probs, expected, terms=terms_of(tiny_lm.model))
    assert set(swept.plans) == {"traced"}


def test_the_plan_that_is_asked_for_holds(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    tiny_lm.plan = "scaled"
    assert set(tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS[:4]).plans) == {"none", "scaled"}
    with pytest.raises(EditError, match="plan 'scaled'"):
        tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS)
    tiny_lm.plan = "traced"
    assert set(tiny_lm.sweep(encoded, EMOTIONS, CONDITIONS).plans) == {"none", "packed", "traced"}


def test_rows_are_condition_by_condition():
    one = {0: (np.array([1, 4]), np.array([0.0, 2.0], np.float32))}
    two = {0: (np.array([2, 4]), np.array([3.0, 0.5], np.float32)), 3: (np.array([7]), np.array([5.0], np.float32))}
    first, second = row_gains([one, two], clips=2)
    assert (first.layer, first.neurons.tolist()) == (0, [1, 2, 4])
    assert np.asarray(first.gain).tolist() == [[0, 1, 2], [0, 1, 2], [1, 3, 0.5], [1, 3, 0.5]]
    assert (second.layer, np.asarray(second.gain).tolist()) == (3, [[1], [1], [5], [5]])


def test_inputs_of_a_decoder_are_repeated_where_their_clips_are():
    inputs = {"inputs_embeds": torch.rand(2, 5, 4), "position_ids": torch.rand(3, 2, 5), "use_cache": False}
    assert can_repeat(inputs, 2)
    longer = repeated(inputs, 3)
    assert longer["inputs_embeds"].shape == (6, 5, 4)
    assert torch.equal(longer["inputs_embeds"][4], inputs["inputs_embeds"][0])
    assert torch.equal(longer["position_ids"][:, 3], inputs["position_ids"][:, 1])
    assert not can_repeat(inputs | {"masks": {"full": torch.ones(2)}}, 2)
    assert not can_repeat(inputs | {"cache_position": torch.arange(5)}, 2)


def test_an_unedited_run_is_made_where_it_saves_more_than_it_costs():
    assert worth_sharing([2, 2], 4, unedited=True)
    assert not worth_sharing([0, 0], 4, unedited=True)
    assert not worth_sharing([2, 2], 4, unedited=False)
    assert worth_sharing([2, 2, 2], 4, unedited=False)
