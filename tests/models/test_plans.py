"""Edits in the weights: when they are, that they do what a trace does, and that nothing of them stays."""

import copy
import threading

import numpy as np
import pytest
import torch
from plain_hooks import editing
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError
from esn_interp.models import columns as columns_module
from esn_interp.models.edits import Edit
from esn_interp.models.fingerprint import weights_fingerprint
from esn_interp.models.loading import load
from esn_interp.models.plans import gains_of

CLIPS = noise(0.7, 1.3, 1.9)
EXACT = [Edit(layer, np.arange(0, 24, 2), gain=np.resize([0.0, 2.0, 0.5], 12)) for layer in range(3)]
GAINS = [Edit(layer, np.arange(layer, 24, 3), gain=1.7 - 0.4 * layer) for layer in range(3)]


def down(lm, layer):
    return lm.stacks["thinker"].gates[layer].reader


def weights(lm):
    return {name: value.clone() for name, value in lm.model.state_dict().items()}


def unchanged(lm, before):
    return all(torch.equal(before[name], value) for name, value in lm.model.state_dict().items())


def scored(lm, edits, plan=None, clips=CLIPS):
    return lm.scores(lm.encode(clips, CHOICE), EMOTIONS, edits=edits, plan=plan)


def test_pure_gains_are_scaled_and_equal_the_trace_and_plain_hooks(tiny_lm):
    before = weights(tiny_lm)
    scaled = scored(tiny_lm, GAINS)
    assert str(tiny_lm.carried) == "scaled"
    traced = scored(tiny_lm, GAINS, "traced")
    assert str(tiny_lm.carried) == "traced (asked for)"
    assert_close(scaled, traced, terms=terms_of(tiny_lm.model))
    with editing(tiny_lm, GAINS):
        hooked = scored(tiny_lm, ())
    assert_close(scaled, hooked, terms=terms_of(tiny_lm.model))
    assert np.abs(scaled - scored(tiny_lm, ())).max() > 1e-2
    assert str(tiny_lm.carried) == "none"
    assert unchanged(tiny_lm, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gains_of_nought_and_powers_of_two_are_exact_to_the_bit(tiny_folder, dtype):
    lm = load(tiny_folder, dtype=dtype)
    np.testing.assert_array_equal(scored(lm, EXACT, "scaled"), scored(lm, EXACT, "traced"))


def test_other_gains_in_bfloat16_differ_by_no_more_than_its_rounding(tiny_folder):
    """Both round every product once, at another place: the change they make is the same to a few thousandths."""
    lm = load(tiny_folder, dtype=torch.bfloat16)
    exact = load(tiny_folder)
    reference, plain = scored(exact, GAINS, "traced"), scored(lm, ())
    scaled, traced = (scored(lm, GAINS, plan) for plan in ("scaled", "traced"))
    ours, theirs = np.abs(scaled - reference).max(), np.abs(traced - reference).max()
    assert ours < 2 * theirs + 0.02
    assert np.abs(scaled - traced).max() < 0.1 * np.abs(traced - plain).max()


def test_edits_of_one_neuron_compose(tiny_lm):
    edits = [Edit(1, np.array([3, 5]), gain=2.0), Edit(1, np.array([5, 7]), gain=np.array([0.5, 3.0]))]
    neurons, gain = gains_of({1: edits})[1]
    assert neurons.tolist() == [3, 5, 7]
    assert gain.tolist() == [2.0, 1.0, 3.0]
    assert_close(scored(tiny_lm, edits), scored(tiny_lm, edits, "traced"), terms=terms_of(tiny_lm.model))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit(0, np.array([1]), gain=2.0, shift=0.1), "shifts gates"),
        (Edit(0, np.array([1]), gain=2.0, floor=0.0), "floor"),
        (Edit(0, np.array([1]), gain=np.array([[1.0], [2.0], [0.0]])), "of its own for every clip"),
        (Edit(0, np.array([1]), gain=2.0, positions=frozenset({"audio", "last"})), "acts in audio, last only"),
    ],
)
def test_what_is_not_a_scaling_everywhere_is_traced(tiny_lm, edit, reason):
    scored(tiny_lm, [edit, GAINS[1]])
    assert tiny_lm.carried.plan == "traced"
    assert reason in tiny_lm.carried.why
    with pytest.raises(EditError, match=f"plan 'scaled' can't carry out these edits: .*{reason}"):
        scored(tiny_lm, [edit], "scaled")


def test_a_plan_nobody_knows_is_refused(tiny_lm):
    with pytest.raises(EditError, match="no plan 'fast'"):
        scored(tiny_lm, GAINS, "fast")


def test_edited_gates_that_are_read_are_traced(tiny_lm):
    seen = {}
    tiny_lm.scores(
        tiny_lm.encode(CLIPS, CHOICE),
        EMOTIONS,
        edits=[Edit(1, np.array([4]), gain=0.0)],
        tap=lambda step, layer, gate: seen.update({layer: gate.clone()}),
    )
    assert str(tiny_lm.carried) == "traced (the edited gates are read)"
    assert not seen[1][..., 4].any()


def test_a_hook_sees_the_edited_gates(tiny_lm):
    seen = []
    hook = tiny_lm.stacks["thinker"].gates[1].module.register_forward_hook(lambda m, i, o: seen.append(o.clone()))
    scored(tiny_lm, GAINS)
    hook.remove()
    assert "a hook watches" in tiny_lm.carried.why
    scored(tiny_lm, GAINS)
    assert tiny_lm.carried.plan == "scaled"


def test_weights_that_something_else_uses_are_left_alone(tiny_lm):
    down(tiny_lm, 2).weight = down(tiny_lm, 0).weight
    scored(tiny_lm, GAINS)
    assert "tied to others" in tiny_lm.carried.why


def test_a_view_of_the_same_memory_counts_as_something_else(tiny_lm):
    tiny_lm.model.register_buffer("looking", down(tiny_lm, 1).weight.data[:2])
    scored(tiny_lm, GAINS)
    assert "tied to others" in tiny_lm.carried.why


def test_adapters_and_quantised_layers_are_left_alone(tiny_lm):
    class Adapted(torch.nn.Linear):
        def forward(self, input):
            return super().forward(input) + 0.1 * input[..., : self.out_features].mean()

    down(tiny_lm, 1).__class__ = Adapted
    scored(tiny_lm, GAINS)
    assert "read by a Adapted, not a plain linear layer" in tiny_lm.carried.why


def test_an_mlp_that_does_something_else_with_its_gates_is_found_out(tiny_lm):
    class Normed(type(tiny_lm.stacks["thinker"].gates[0].mlp)):
        def forward(self, x):
            gate = self.act_fn(self.gate_proj(x))
            return self.down_proj(torch.nn.functional.normalize(gate, dim=-1) * self.up_proj(x))

    for gate in tiny_lm.stacks["thinker"].gates:
        gate.mlp.__class__ = Normed
    before = weights(tiny_lm)
    scored(tiny_lm, GAINS)
    assert "Normed does not just multiply" in tiny_lm.carried.why
    assert unchanged(tiny_lm, before)


def test_steering_and_a_second_view_are_traced(tiny_lm):
    with tiny_lm.steered(GAINS):
        scored(tiny_lm, ())
        assert tiny_lm.carried.plan == "traced"
    with tiny_lm.steered(GAINS, plan="auto"):
        scored(tiny_lm, ())
        assert tiny_lm.carried.plan == "scaled"
    second = load(tiny_lm.model, processor=tiny_lm.processor)
    scored(second, GAINS)
    assert "opened before" in second.carried.why
    scored(tiny_lm, GAINS)
    assert tiny_lm.carried.plan == "scaled"


def test_a_copy_of_a_model_is_not_a_second_view(tiny_lm):
    twin = load(copy.deepcopy(tiny_lm.model), processor=tiny_lm.processor)
    scored(tiny_lm, GAINS)
    scored(twin, GAINS)
    assert twin.carried.plan == tiny_lm.carried.plan == "scaled"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("writes", [0, 1, 4])
def test_weights_are_put_back_whatever_happens(tiny_lm, monkeypatch, error, writes):
    """Interrupted in mid-run, while columns are being scaled, and while they are being put back."""
    before, encoded = weights(tiny_lm), tiny_lm.encode(CLIPS, CHOICE)
    left = [writes]
    scored(tiny_lm, GAINS)  # the MLP has been tried by now

    def stops(module, arguments):
        raise error("stop")

    def write(columns, neurons, values, real=columns_module.Columns.write):
        left[0] -= 1
        if left[0] == 0 and error is KeyboardInterrupt:
            raise error("stop")
        real(columns, neurons, values)

    if writes:
        monkeypatch.setattr(columns_module.Columns, "write", write)
    if not writes or error is ValueError:
        tiny_lm.model.model.language_model.layers[1].register_forward_pre_hook(stops)
    with pytest.raises(error):
        tiny_lm.scores(encoded, EMOTIONS, edits=GAINS)
    assert unchanged(tiny_lm, before)


def test_what_an_interruption_left_is_finished_by_the_next_run(tiny_lm):
    before, kept = weights(tiny_lm), tiny_lm._weights._kept
    tiny_lm._planner.scaling({1: [GAINS[1]]}).apply(kept)
    assert not unchanged(tiny_lm, before)
    scored(tiny_lm, ())
    assert unchanged(tiny_lm, before)


def test_the_fingerprint_is_that_of_unscaled_weights(tiny_lm):
    expected, seen = weights_fingerprint(tiny_lm.model), []
    wide = [Edit(layer, np.arange(24), gain=3.0) for layer in range(3)]

    def look(module, arguments):
        seen.append((weights_fingerprint(tiny_lm.model), tiny_lm.fingerprint))
        tiny_lm._fingerprint = None

    tiny_lm.model.model.language_model.norm.register_forward_pre_hook(look)
    edited = scored(tiny_lm, wide)
    assert tiny_lm.carried.plan == "scaled"
    assert seen[0][0] != expected  # or the question would be idle
    assert seen[0][1] == expected
    assert_close(edited, scored(tiny_lm, wide, "traced"), terms=terms_of(tiny_lm.model))


def test_a_run_inside_a_scaled_run_is_refused(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    hook = tiny_lm.model.model.language_model.norm.register_forward_pre_hook(
        lambda module, arguments: tiny_lm.scores(encoded, EMOTIONS)
    )
    with pytest.raises(EditError, match="inside another run"):
        tiny_lm.scores(encoded, EMOTIONS, edits=GAINS)
    hook.remove()
    scored(tiny_lm, GAINS)


def test_another_thread_waits_until_the_weights_are_whole(tiny_lm):
    second = load(tiny_lm.model, processor=tiny_lm.processor)
    encoded, plain = tiny_lm.encode(CLIPS, CHOICE), scored(tiny_lm, ())
    expected, wrong = scored(tiny_lm, GAINS), []

    def run(lm, edits, reference):
        scores = [lm.scores(encoded, EMOTIONS, edits=edits) for _ in range(10)]
        wrong.extend(found for found in scores if not np.array_equal(found, reference))

    threads = [threading.Thread(target=run, args=it) for it in ((tiny_lm, GAINS, expected), (second, (), plain))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_silenced_gate_that_is_infinite_stays_silent(tiny_lm):
    """Infinity times 0 is not 0, so that such a run is done again in a trace, and the next one at once."""
    scored(tiny_lm, GAINS)  # the MLP has been tried while it was whole
    gate = tiny_lm.stacks["thinker"].gates[1]
    gate.mlp.gate_proj.weight.data[4] = torch.finfo(torch.float32).max
    silent = [Edit(1, np.array([4]), gain=0.0)]
    traced = scored(tiny_lm, silent, "traced")
    assert np.isfinite(traced).all()
    np.testing.assert_array_equal(scored(tiny_lm, silent), traced)
    assert "not finite numbers" in tiny_lm.carried.why


def test_offloaded_weights_are_left_alone(tiny_lm, tiny_folder):
    layers = {f"model.language_model.layers.{layer}": "cpu" for layer in range(3)}
    rest = {"model.language_model.embed_tokens": "cpu", "model.language_model.norm": "cpu"}
    rest |= {"model.language_model.rotary_emb": "cpu", "model.audio_tower": "cpu", "lm_head": "cpu"}
    if hasattr(tiny_lm.model.model, "visual"):
        rest["model.visual"] = "cpu"
    layers["model.language_model.layers.1"] = "disk"
    lm = load(tiny_folder, device_map=layers | rest)
    scored(lm, GAINS)
    assert lm.carried.plan == "traced"
    assert "accelerate" in lm.carried.why
    assert_close(scored(lm, GAINS), scored(tiny_lm, GAINS), terms=terms_of(tiny_lm.model))


def test_generated_text_is_the_same_under_either_plan(tiny_lm):
    answers = [tiny_lm.generate(CLIPS, CHOICE, edits=GAINS, max_new_tokens=8, plan=how) for how in ("scaled", "traced")]
    assert answers[0] == answers[1] != tiny_lm.generate(CLIPS, CHOICE, max_new_tokens=8)


def test_labels_of_several_tokens_and_texts_are_the_same_under_either_plan(tiny_lm):
    labels, encoded = ("angry", "very angry", "sad and tired"), tiny_lm.encode(CLIPS, CHOICE)
    results = [
        (
            tiny_lm.scores(encoded, labels, edits=GAINS, plan=how),
            tiny_lm.text_log_probs(["It rains.", "Again."], edits=GAINS, plan=how),
        )
        for how in ("scaled", "traced")
    ]
    assert_close(results[0][0], results[1][0], terms=terms_of(tiny_lm.model))
    for ours, theirs in zip(results[0][1], results[1][1], strict=True):
        assert_close(ours, theirs, terms=terms_of(tiny_lm.model))


def test_two_thousand_scaled_runs_leave_nothing_behind(tiny_lm):
    import gc

    encoded = tiny_lm.encode(CLIPS[:1], CHOICE)

    def tensors(runs: int) -> int:
        for at in range(runs):
            tiny_lm.scores(encoded, EMOTIONS, edits=[Edit(1, np.array([at % 24]), gain=2.0)])
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    tensors(300)  # conditions stay ready on the device, up to a number
    assert tensors(300) <= tensors(300) + 5
