"""Patching: gates of one run written into another equal what plain PyTorch hooks write."""

import numpy as np
import pytest
import torch
from bare_model import bare_logits, label_log_probs, layers_of
from rounding import assert_apart, assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError
from esn_interp.interventions.patching import patch, recorded_neurons
from esn_interp.models.edits import Edit
from esn_interp.models.recording import PROMPT_SCOPES, Recorder, Recording
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin

CLIPS = noise(0.7, 1.3, 2.6)
OTHERS = noise(0.7, 1.6, 2.6, seed=1)  # as long as the clips, but for the second
CHOSEN = {"angry": np.array([1, 5, 24 + 3]), "sad": np.array([5, 48 + 7])}


def neurons(lm) -> NeuronSet:
    origin = Origin(lm.name, lm.fingerprint, lm.component, lm.widths, "noise", "0")
    return NeuronSet.from_indices(origin, CHOSEN)


def record(lm, encoded, *sets) -> Recording:
    recorder = Recorder(recorded_neurons(*sets))
    lm.scores(encoded, EMOTIONS, tap=recorder)
    return recorder.recording(encoded.scopes)


def hooked_gates(lm, waveforms) -> list[torch.Tensor]:
    seen = []
    handles = [
        layer.mlp.act_fn.register_forward_hook(lambda m, i, output: seen.append(output.clone()))
        for layer in layers_of(lm)
    ]
    bare_logits(lm, waveforms)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("positions", [{"audio"}, {"text"}, {"last"}, {"audio", "text", "last"}])
def test_a_patched_run_equals_plain_hooks_that_write_the_other_runs_gates(tiny_lm, positions):
    esns = neurons(tiny_lm)["angry"]
    encoded, other = tiny_lm.encode(CLIPS, CHOICE), tiny_lm.encode(OTHERS, CHOICE)
    recording = record(tiny_lm, other, esns)
    averaged = recording.unequal(encoded.scopes, np.arange(3))
    assert averaged.tolist() == [[False] * 3, [True, False, False], [False] * 3]
    seated = recording.seated(encoded.scopes, np.arange(3), averaged)
    scores = tiny_lm.scores(encoded, EMOTIONS, edits=patch(esns, seated, positions=positions))

    donor = hooked_gates(tiny_lm, OTHERS)

    def write(layer: int, chosen: list[int]):
        def hook(module, arguments, output):
            output = output.clone()
            for clip in range(3):
                for scope in positions:
                    code = PROMPT_SCOPES.index(scope)
                    to = np.flatnonzero(encoded.scopes[clip] == code)
                    values = donor[layer][clip, np.flatnonzero(other.scopes[clip] == code)][:, chosen]
                    if len(values) != len(to):
                        values = values.mean(0, keepdim=True).expand(len(to), -1)
                    output[clip, to[:, None], chosen] = values
            return output

        return layers_of(tiny_lm)[layer].mlp.act_fn.register_forward_hook(hook)

    handles = [write(0, [1, 5]), write(1, [3])]
    try:
        expected = label_log_probs(tiny_lm, bare_logits(tiny_lm))
    finally:
        for handle in handles:
            handle.remove()
    assert_close(scores, expected, terms=terms_of(tiny_lm.model))
    assert_apart(scores[None], tiny_lm.scores(encoded, EMOTIONS)[None], terms=terms_of(tiny_lm.model))


def test_a_patch_with_a_runs_own_gates_changes_nothing(tiny_lm):
    esns, encoded = neurons(tiny_lm), tiny_lm.encode(CLIPS, CHOICE)
    own = record(tiny_lm, encoded, esns)
    same = own.seated(encoded.scopes, np.arange(3), np.zeros((3, 3), dtype=np.bool_))
    for layer, gates in same.gates.items():
        where = encoded.scopes >= 0
        np.testing.assert_array_equal(gates[where], own.gates[layer][where])
    patched = tiny_lm.scores(encoded, EMOTIONS, edits=patch(esns, same))
    np.testing.assert_array_equal(patched, tiny_lm.scores(encoded, EMOTIONS))


def test_a_patch_acts_in_labels_of_several_tokens_and_in_generation(tiny_lm):
    esns, encoded = neurons(tiny_lm), tiny_lm.encode(CLIPS, CHOICE)
    recording = record(tiny_lm, tiny_lm.encode(OTHERS, CHOICE), esns)
    averaged = recording.unequal(encoded.scopes, np.arange(3))
    edits = patch(esns, recording.seated(encoded.scopes, np.arange(3), averaged))
    labels = ("angry", "quite extraordinarily bored")
    changed = tiny_lm.scores(encoded, labels, edits=edits) - tiny_lm.scores(encoded, labels)
    assert np.abs(changed).max() > 1e-4
    assert len(tiny_lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=3)) == 3
    beyond = [Edit(e.layer, e.neurons, gain=0.0, shift=e.shift) for e in edits]
    with pytest.raises(EditError, match="leave out positions 'generated'"):
        tiny_lm.generate(CLIPS, CHOICE, edits=beyond, max_new_tokens=3)


def test_means_are_taken_over_the_tokens_of_a_scope():
    scopes = np.array([[-1, 0, 0, 1, 2], [0, 0, 0, 1, 2]], dtype=np.int8)
    gates = np.arange(10, dtype=np.float32).reshape(2, 5, 1)
    gates[0, 0] = np.nan  # padding means nothing
    recording = Recording({3: np.array([7])}, {3: gates}, scopes)
    np.testing.assert_array_equal(recording.means(3)[..., 0], [[1.5, 3, 4], [6, 8, 9]])
    assert recording.tokens.tolist() == [[2, 1, 1], [3, 1, 1]]


def test_patches_that_do_not_fit_are_refused(tiny_lm):
    esns, encoded = neurons(tiny_lm), tiny_lm.encode(CLIPS, CHOICE)
    recording = record(tiny_lm, encoded, esns["sad"])
    with pytest.raises(EditError, match="layer 0: the recording lacks some of these neurons"):
        patch(esns["angry"], recording)
    with pytest.raises(EditError, match="no neuron to patch: the set of angry is empty"):
        patch(esns["angry"] - esns["angry"], recording)
    with pytest.raises(EditError, match=r"shifts of 3 clips and .* tokens for a run of 2"):
        tiny_lm.scores(tiny_lm.encode(CLIPS[:2], CHOICE), EMOTIONS, edits=patch(esns["sad"], recording))
    silent = Recording(recording.neurons, recording.gates, np.where(encoded.scopes == 0, 1, encoded.scopes))
    with pytest.raises(EditError, match="the other run has no audio token"):
        silent.seated(encoded.scopes, np.arange(3), np.zeros((3, 3), dtype=np.bool_))
    with pytest.raises(EditError, match="shift must be finite"):
        Edit(0, np.array([1]), gain=0.0, shift=np.full((3, 5, 1), np.nan))
