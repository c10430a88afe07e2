"""AudioLM on a tiny model of the real classes: parity with the bare model and with plain PyTorch hooks."""


import numpy as np
import pytest
import soundfile
import torch
from bare_model import bare_generate, bare_logits, label_log_probs, layers_of, plain_hooks
from rounding import assert_apart, assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise, save_tiny

from esn_interp.errors import EditError, ModelError
from esn_interp.models.continuation import can_continue
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load
from esn_interp.speech.audio import AudioWarning

CLIPS = noise(0.7, 1.3, 2.6)
EDITS = [
    Edit(0, np.array([1, 5]), gain=3.0),
    Edit(2, np.array([0, 7, 9]), gain=0.0, shift=0.4),
    Edit(2, np.array([7, 11]), gain=2.0, shift=-0.1, floor=0.2),
]


def test_without_edits_forward_equals_the_bare_model_bit_for_bit(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    with torch.no_grad():
        hidden = tiny_lm.family.decoder(tiny_lm.model)(**encoded.decoder_inputs).last_hidden_state
        logits = tiny_lm.family.head(tiny_lm.model)(hidden)
    assert torch.equal(logits, bare_logits(tiny_lm))


def test_without_edits_generate_equals_the_bare_model(tiny_lm):
    tokens = bare_generate(tiny_lm)
    start = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE).tensors["input_ids"].shape[1]
    expected = tiny_lm.processor.tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
    assert tiny_lm.generate(CLIPS, CHOICE, max_new_tokens=6) == [text.strip() for text in expected]


def test_label_scores_equal_the_full_head(tiny_lm):
    scores = tiny_lm.scores(tiny_lm.encode(CLIPS, CHOICE), EMOTIONS)
    assert_close(scores, label_log_probs(tiny_lm, bare_logits(tiny_lm)), terms=terms_of(tiny_lm.model.lm_head))
    assert np.ptp(scores, axis=0).max() > 0.01  # clips differ, or the test would see nothing


def test_edited_scores_equal_plain_hooks(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    scores = tiny_lm.scores(encoded, EMOTIONS, edits=EDITS)
    with plain_hooks(tiny_lm, EDITS):
        expected = label_log_probs(tiny_lm, bare_logits(tiny_lm))
    assert_close(scores, expected, terms=terms_of(tiny_lm.model))
    assert np.abs(scores - tiny_lm.scores(encoded, EMOTIONS)).max() > 1e-2


@pytest.mark.parametrize("positions", [{"audio"}, {"text"}, {"last"}, {"audio", "last"}])
def test_scoped_edits_equal_plain_hooks_at_those_positions(tiny_lm, positions):
    edits = [Edit(1, np.arange(10), gain=4.0, positions=frozenset(positions))]
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    with plain_hooks(tiny_lm, edits, encoded.scopes):
        expected = label_log_probs(tiny_lm, bare_logits(tiny_lm))
    scores = tiny_lm.scores(encoded, EMOTIONS, edits=edits)
    assert_close(scores, expected, terms=terms_of(tiny_lm.model))
    assert_apart(scores[None], tiny_lm.scores(encoded, EMOTIONS)[None], terms=terms_of(tiny_lm.model))


def test_generation_with_edits_at_every_step_equals_plain_hooks(tiny_lm):
    with plain_hooks(tiny_lm, EDITS):
        tokens = bare_generate(tiny_lm)
    start = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE).tensors["input_ids"].shape[1]
    expected = tiny_lm.processor.tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
    edited = tiny_lm.generate(CLIPS, CHOICE, edits=EDITS, max_new_tokens=6)
    assert edited == [text.strip() for text in expected]
    assert edited != tiny_lm.generate(CLIPS, CHOICE, max_new_tokens=6)


def test_generated_scope_leaves_the_first_word_alone(tiny_lm):
    edits = [Edit(layer, np.arange(24), gain=0.0, positions=frozenset({"generated"})) for layer in range(3)]
    inputs = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE)
    with plain_hooks(tiny_lm, edits, inputs.scopes.tolist()):
        expected = bare_generate(tiny_lm)
    plain = bare_generate(tiny_lm)
    start = inputs.tensors["input_ids"].shape[1]
    assert torch.equal(expected[:, start], plain[:, start])
    texts = tiny_lm.processor.tokenizer.batch_decode(expected[:, start:], skip_special_tokens=True)
    assert tiny_lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=6) == [text.strip() for text in texts]


def test_the_tap_sees_what_a_hook_sees(tiny_lm):
    hooked, tapped = [], []
    handles = [
        layer.mlp.act_fn.register_forward_hook(lambda m, i, output: hooked.append(output.clone()))
        for layer in layers_of(tiny_lm)
    ]
    bare_logits(tiny_lm)
    for handle in handles:
        handle.remove()
    tiny_lm.scores(
        tiny_lm.encode(CLIPS, CHOICE),
        EMOTIONS,
        tap=lambda step, layer, gate: tapped.append((step, layer, gate.clone())),
    )
    assert [(step, layer) for step, layer, _ in tapped] == [(0, 0), (0, 1), (0, 2)]
    for expected, (_, _, gate) in zip(hooked, tapped, strict=True):
        assert torch.equal(expected, gate)


def test_an_edit_changes_its_own_and_later_layers_only(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)

    def gates(edits=()):
        seen = []
        tiny_lm.scores(
            encoded, EMOTIONS, edits=edits, tap=lambda step, layer, gate: seen.append(gate.clone())
        )
        return seen

    before, after = gates(), gates([Edit(1, np.array([3]), shift=2.0)])
    changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert changed == [False, True, True]
    others = np.delete(np.arange(24), 3)
    assert torch.equal(before[1][..., others], after[1][..., others])


@pytest.mark.parametrize("label_sets", [EMOTIONS, ("angry", "quite extraordinarily bored")])
def test_a_clip_scores_the_same_alone_and_in_a_padded_batch(tiny_lm, label_sets):
    together = tiny_lm.scores(tiny_lm.encode(CLIPS, CHOICE), label_sets, edits=EDITS)
    alone = [tiny_lm.scores(tiny_lm.encode([clip], CHOICE), label_sets, edits=EDITS)[0] for clip in CLIPS]
    assert_close(together, np.stack(alone), terms=terms_of(tiny_lm.model))


def test_labels_of_several_tokens_are_scored_by_their_mean_log_probability(tiny_lm):
    labels = ["angry", "very angry", "sad and tired"]
    scores = tiny_lm.scores(tiny_lm.encode(CLIPS[:1], CHOICE), labels)
    inputs = tiny_lm.family.inputs(tiny_lm.processor, CLIPS[:1], CHOICE).tensors
    means = []
    for label in labels:
        ids = torch.tensor([tiny_lm.processor.tokenizer(label)["input_ids"]])
        longer = {
            **inputs,
            "input_ids": torch.cat([inputs["input_ids"], ids], dim=1),
            "attention_mask": torch.cat([inputs["attention_mask"], torch.ones_like(ids)], dim=1),
        }
        with torch.no_grad():
            logits = tiny_lm.model(**longer).logits[0, -ids.shape[1] - 1 : -1].log_softmax(-1)
        means.append(logits.gather(1, ids.T).mean())
    assert_close(scores[0], torch.stack(means).log_softmax(-1), terms=terms_of(tiny_lm.model))


def test_features_equal_the_extractors_own_padding(tiny_lm):
    """The published processor pads every clip to its longest input and masks the rest."""
    extractor = tiny_lm.processor.feature_extractor
    full = extractor(
        CLIPS, sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="np"
    )
    ours = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE).tensors
    for row in range(len(CLIPS)):
        frames = int(full["attention_mask"][row].sum())
        assert int(ours["feature_attention_mask"][row].sum()) == frames
        assert_close(
            ours["input_features"][row, :, :frames],
            full["input_features"][row, :, :frames],
            terms=extractor.n_fft,
        )


def test_scopes_are_disjoint_and_cover_the_prompt(tiny_lm):
    inputs = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE)
    scopes, mask = inputs.scopes, inputs.tensors["attention_mask"]
    assert ((scopes >= 0) == (mask == 1)).all()
    assert (scopes[:, -1] == 2).all()
    assert int((scopes == 2).sum()) == len(CLIPS)
    audio = (
        inputs.tensors["input_ids"] == tiny_lm.processor.tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    ).sum(1)
    assert (scopes == 0).sum(1).tolist() == audio.tolist()
    assert audio.tolist() == [17, 32, 65]  # 25 tokens a second


def test_steering_ends_with_its_block_even_when_it_fails(tiny_lm):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    before = tiny_lm.scores(encoded, EMOTIONS)

    def interrupted():
        with tiny_lm.steered(EDITS):
            assert not np.allclose(tiny_lm.scores(encoded, EMOTIONS), before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert np.array_equal(tiny_lm.scores(encoded, EMOTIONS), before)


def test_steering_multiplies_by_one_plus_alpha(tiny_lm):
    class Three:
        layer = np.array([0, 0, 2], dtype=np.int32)
        in_layer = np.array([4, 9, 1], dtype=np.int64)

        def check(self, lm):
            """Found in any model."""

    encoded = tiny_lm.encode(CLIPS, CHOICE)
    edits = [Edit(0, np.array([4, 9]), gain=3.0), Edit(2, np.array([1]), gain=3.0)]
    expected = tiny_lm.scores(encoded, EMOTIONS, edits=edits, plan="traced")
    with tiny_lm.steered(Three(), alpha=2):
        assert np.array_equal(tiny_lm.scores(encoded, EMOTIONS), expected)
    with pytest.raises(EditError, match="how much"), tiny_lm.steered(Three()):
        pass


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_a_run_that_breaks_leaves_the_model_as_it_was(tiny_lm, interruption):
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    before = tiny_lm.scores(encoded, EMOTIONS)

    def tap(step, layer, gate):
        if layer == 1:
            raise interruption("in the middle")

    with pytest.raises(interruption):
        tiny_lm.scores(encoded, EMOTIONS, edits=EDITS, tap=tap)
    assert np.array_equal(tiny_lm.scores(encoded, EMOTIONS), before)
    assert torch.equal(bare_logits(tiny_lm), bare_logits(load(tiny_lm.name)))


def test_an_edit_that_finds_no_token_is_an_error(tiny_lm):
    with pytest.raises(EditError, match="touched no token"):
        tiny_lm.scores(
            tiny_lm.encode(CLIPS, CHOICE),
            EMOTIONS,
            edits=[Edit(0, np.array([0]), gain=2.0, positions=frozenset({"generated"}))],
        )


def test_two_models_side_by_side_do_not_interfere(tiny_lm, tmp_path):
    other = load(save_tiny(tmp_path / "other", seed=1))
    first, second = tiny_lm.encode(CLIPS, CHOICE), other.encode(CLIPS, CHOICE)
    before = other.scores(second, EMOTIONS)
    with tiny_lm.steered(EDITS):
        tiny_lm.scores(first, EMOTIONS)
        assert np.array_equal(other.scores(second, EMOTIONS), before)
    assert tiny_lm.fingerprint != other.fingerprint
    assert tiny_lm.fingerprint == load(tiny_lm.name).fingerprint


def test_gates_are_named_and_shaped(tiny_lm):
    activations = tiny_lm.gates(CLIPS[0], CHOICE)
    assert len(activations) == 3
    assert activations[1].shape == (len(activations.tokens), 24)
    assert [
        token for token, audio in zip(activations.tokens, activations.where("audio"), strict=True) if audio
    ] == ["<|AUDIO|>"] * 17
    rates = activations.firing_rate("audio")
    np.testing.assert_array_equal(rates[2], (activations[2][activations.scopes == 0] > 0).mean(0))


def test_the_open_door_reads_and_writes_a_gate(tiny_lm):
    plain = bare_logits(tiny_lm, CLIPS[:1])
    with torch.no_grad(), tiny_lm.trace(CLIPS[0], CHOICE) as tracer:
        gate = tiny_lm.layers[1].gate.output.clone().save()
        tiny_lm.layers[2].gate.output[..., :10] = 0
        logits = tracer.result.logits.save()
    np.testing.assert_array_equal(gate[0].numpy(), tiny_lm.gates(CLIPS[0], CHOICE)[1])
    with plain_hooks(tiny_lm, [Edit(2, np.arange(10), gain=0.0)]):
        assert torch.equal(logits, bare_logits(tiny_lm, CLIPS[:1]))
    assert not torch.equal(logits, plain)


def test_answer_is_greedy_text_or_the_likeliest_option(tiny_lm):
    assert tiny_lm.answer(CLIPS[0], CHOICE) == tiny_lm.generate(CLIPS[:1], CHOICE)[0]
    best = EMOTIONS[int(tiny_lm.scores(tiny_lm.encode(CLIPS[:1], CHOICE), EMOTIONS)[0].argmax())]
    assert tiny_lm.answer(CLIPS[0], CHOICE, options=EMOTIONS) == best


def test_a_thousand_traces_leave_nothing_behind(tiny_lm):
    import gc

    encoded = tiny_lm.encode(CLIPS[:1], CHOICE)

    def tensors(runs: int) -> int:
        for _ in range(runs):
            tiny_lm.scores(encoded, EMOTIONS, edits=EDITS)
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    tensors(20)
    assert tensors(200) <= tensors(200) + 5


def test_unknown_models_are_refused_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="no model 'nothing-like-that'") as caught:
        load("nothing-like-that")
    assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="text-only"):
        load(tmp_path)


def test_a_loaded_model_needs_its_processor(tiny_lm):
    with pytest.raises(ModelError, match="processor"):
        load(tiny_lm.model)
    again = load(tiny_lm.model, processor=tiny_lm.processor, name="mine")
    encoded = tiny_lm.encode(CLIPS, CHOICE)
    assert np.array_equal(again.scores(encoded, EMOTIONS), tiny_lm.scores(encoded, EMOTIONS))


def test_printed_it_shows_what_was_found(tiny_lm):
    title, line = str(tiny_lm).splitlines()
    assert title == repr(tiny_lm)
    where = "model.language_model.layers.*.mlp.act_fn"
    assert line == f"  thinker, layers 0 to 2: relu(gate_proj(x)), 24 gates a layer, at {where}"


def test_a_recording_that_is_converted_is_told_of(tiny_lm, tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([noise(1.0)[0]] * 2, axis=1).repeat(2, axis=0), 32_000)
    with pytest.warns(AudioWarning, match=r"stereo\.wav: stereo at 32000 Hz, heard as mono at 16000 Hz"):
        tiny_lm.answer(path, CHOICE, options=EMOTIONS)
    soundfile.write(path, noise(1.0)[0], 16_000)
    tiny_lm.answer(path, CHOICE, options=EMOTIONS)  # warnings are errors here


@pytest.mark.parametrize(
    ("beside", "can"),
    [
        ({}, True),
        ({"past_key_values": None, "use_cache": None, "attention_mask": torch.ones(2, 3)}, True),
        ({"position_ids": torch.ones(3, 2, 3), "cache_position": torch.arange(3)}, True),
        ({"attention_mask": torch.ones(2, 1, 3, 3)}, False),
        ({"attention_mask": {"full_attention": torch.ones(2, 1, 3, 3)}}, False),
        ({"visual": torch.ones(2, 3)}, False),
        ({"position_ids": {}}, False),
        ({"cache": None}, False),  # what transformers 5.24 calls it
    ],
)
def test_a_decoder_goes_on_from_its_cache_where_all_that_it_is_given_is_known(beside, can):
    assert can_continue({"inputs_embeds": torch.ones(2, 3, 4), **beside}) is can
