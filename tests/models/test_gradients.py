"""Gradient times gate equals autograd with plain hooks, and estimates what silencing a gate does."""

import numpy as np
import pytest
import torch
from bare_model import layers_of
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError
from esn_interp.models.edits import Edit

CLIPS = noise(0.7, 1.3, 2.6)
TARGET = np.array([0, 3, 2])


def log_odds(log_probs: np.ndarray) -> np.ndarray:
    chosen = log_probs[np.arange(len(TARGET)), TARGET].astype(np.float64)
    return chosen - np.log1p(-np.exp(chosen))


def hooked_attributions(lm, scopes: np.ndarray, codes: list[int]) -> np.ndarray:
    """The same by plain PyTorch: leaves put in by hooks, one backward pass through the bare model."""
    gates = []

    def hook(module, arguments, output):
        gates.append(output.detach().requires_grad_() if not output.requires_grad else output)
        return gates[-1]

    handles = [layer.mlp.act_fn.register_forward_hook(hook) for layer in layers_of(lm)]
    inputs = lm.family.inputs(lm.processor, CLIPS, CHOICE)
    logits = lm.model(**inputs.tensors).logits[:, -1]
    for handle in handles:
        handle.remove()
    ids = [lm.processor.tokenizer(emotion)["input_ids"][0] for emotion in EMOTIONS]
    p = logits[:, ids].softmax(-1)[torch.arange(3), torch.from_numpy(TARGET)]
    slopes = torch.autograd.grad((p.log() - torch.log1p(-p)).sum(), gates)
    where = torch.from_numpy(np.isin(scopes, codes))[..., None]
    summed = [(gate * slope * where).sum(1).detach() for gate, slope in zip(gates, slopes, strict=True)]
    return torch.cat(summed, dim=1).numpy()


@pytest.mark.parametrize(
    ("positions", "codes"),
    [({"audio"}, [0]), ({"text"}, [1]), ({"last"}, [2]), ({"audio", "text", "last"}, [0, 1, 2])],
)
def test_attributions_equal_autograd_with_plain_hooks(tiny_lm, positions, codes):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    found = tiny_lm.attributions(encoded, EMOTIONS, TARGET, positions=positions)
    expected = hooked_attributions(tiny_lm, encoded.scopes, codes)
    assert found.values.shape == (3, 72)
    assert_close(found.values, expected, terms=2 * terms_of(tiny_lm.model))  # there and back
    assert_close(found.log_probs, tiny_lm.scores(encoded, EMOTIONS), terms=terms_of(tiny_lm.model))
    assert np.abs(expected).max() > 1e-3


def test_under_no_grad_and_afterwards_all_is_as_it_was(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    before, expected = tiny_lm.scores(encoded, EMOTIONS), tiny_lm.attributions(encoded, EMOTIONS, TARGET)
    with torch.no_grad():
        found = tiny_lm.attributions(encoded, EMOTIONS, TARGET)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(tiny_lm.scores(encoded, EMOTIONS), before)
    assert all(not p.requires_grad and p.grad is None for p in tiny_lm.model.parameters())


def test_a_small_damping_changes_the_log_odds_by_the_attribution(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    values = tiny_lm.attributions(encoded, EMOTIONS, TARGET).values
    before = log_odds(tiny_lm.scores(encoded, EMOTIONS))
    for gate in np.abs(values).max(axis=0).argsort()[-5:].tolist():
        damped = tiny_lm.scores(encoded, EMOTIONS, edits=[Edit(gate // 24, np.array([gate % 24]), gain=0.99)])
        np.testing.assert_allclose(
            (before - log_odds(damped)) / 0.01, values[:, gate], rtol=0.1, atol=0.02 * np.abs(values).max()
        )


def test_an_edited_run_is_differentiated_where_it_is(tiny_lm):
    """Under steering, the gate that is attributed to is the steered one, and silenced gates get nothing."""
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    plain = tiny_lm.attributions(encoded, EMOTIONS, TARGET)
    with tiny_lm.steered([Edit(1, np.array([4, 9]), gain=0.0)]):
        silenced = tiny_lm.attributions(encoded, EMOTIONS, TARGET)
        expected = tiny_lm.scores(encoded, EMOTIONS)
    assert (silenced.values[:, [28, 33]] == 0).all()
    assert (plain.values[:, [28, 33]] != 0).any()
    assert_close(silenced.log_probs, expected, terms=terms_of(tiny_lm.model))
    assert np.abs(silenced.log_probs - plain.log_probs).max() > 1e-3


def test_labels_of_several_tokens_have_gradients_too(tiny_lm):
    encoded, labels = tiny_lm.encode(CLIPS, CHOICE), ("angry", "very angry", "sad and tired", "bored")
    found = tiny_lm.attributions(encoded, labels, TARGET)
    before = log_odds(tiny_lm.scores(encoded, labels))
    assert_close(log_odds(found.log_probs), before, terms=terms_of(tiny_lm.model))
    gate = int(np.abs(found.values).sum(axis=0).argmax())
    damped = tiny_lm.scores(encoded, labels, edits=[Edit(gate // 24, np.array([gate % 24]), gain=0.99)])
    np.testing.assert_allclose(
        (before - log_odds(damped)) / 0.01, found.values[:, gate], atol=0.05 * np.abs(found.values).max()
    )


def test_scopes_without_a_token_are_refused(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    with pytest.raises(EditError, match="no token to attribute to in scope generated"):
        tiny_lm.attributions(encoded, EMOTIONS, TARGET, positions={"generated"})
    with pytest.raises(EditError, match="unknown token scope 'middle'"):
        tiny_lm.attributions(encoded, EMOTIONS, TARGET, positions={"middle"})
