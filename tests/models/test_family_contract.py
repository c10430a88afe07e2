"""What every family promises, on a tiny random model of its real classes, saved and reloaded offline.

One battery for all, in the manner of scikit-learn's estimator checks: what is added to `BUILDERS` is held to it.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from plain_hooks import editing, reading
from rounding import assert_close, terms_of
from tiny_models import BUILDERS
from tiny_omni import CHOICE, EMOTIONS, noise
from transformers import GenerationMixin

from esn_interp.errors import EditError, ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.columns import NotScalable
from esn_interp.models.edits import Edit
from esn_interp.models.families import FAMILIES
from esn_interp.models.families.inputs import PER_TOKEN
from esn_interp.models.gate_view import view_gates
from esn_interp.models.labels import label_tokens
from esn_interp.models.loading import load
from esn_interp.models.plans import Planner
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect
from esn_interp.tasks.protocols import protocol

CLIPS = noise(0.7, 1.3, 1.9)
TOKENS = 5
ANSWERING = [family.name for family in FAMILIES if family.answering]


@pytest.fixture(scope="module", params=ANSWERING)
def lm(request: pytest.FixtureRequest, family_folder: Any) -> AudioLM:
    return loaded(family_folder(request.param))


def loaded(folder: Path, **options: Any) -> AudioLM:
    """Some of these folders hold code of ours that stands in for code that is not in transformers."""
    return load(folder, trust_remote_code=True, **options)


def some_edits(lm: AudioLM, **options: Any) -> list[Edit]:
    last = len(lm.widths) - 1
    return [
        Edit(0, np.arange(0, lm.widths[0], 2), gain=3.0, **options),
        Edit(last, np.arange(0, lm.widths[last], 3), gain=0.0, shift=0.4, **options),
        Edit(last, np.arange(1, lm.widths[last], 3), gain=2.0, shift=-0.1, floor=0.2, **options),
    ]


def prepared(lm: AudioLM, waveforms=CLIPS, prompt: str = CHOICE):
    return lm.family.inputs(lm.processor, waveforms, prompt)


def bare_logits(lm: AudioLM, waveforms=CLIPS, prompt: str = CHOICE) -> torch.Tensor:
    with torch.no_grad():
        return lm.family.generator(lm.model)(**prepared(lm, waveforms, prompt).tensors).logits


def bare_answers(lm: AudioLM, waveforms=CLIPS) -> list[str]:
    if lm.family.clip_by_clip and len(waveforms) > 1:
        return [answer for waveform in waveforms for answer in bare_answers(lm, [waveform])]
    inputs = prepared(lm, waveforms).tensors
    with torch.no_grad():
        tokens = lm.family.generator(lm.model).generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
    texts = lm.processor.tokenizer.batch_decode(
        tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    return [text.strip() for text in texts]


def label_log_probs(lm: AudioLM, logits: torch.Tensor) -> np.ndarray:
    ids = [lm.processor.tokenizer(emotion, add_special_tokens=False)["input_ids"] for emotion in EMOTIONS]
    assert all(len(tokens) == 1 for tokens in ids)
    return logits[:, -1, [tokens[0] for tokens in ids]].float().log_softmax(-1).numpy()


def as_corpus(waveforms, folder: Path) -> Clips:
    rows = []
    for at, waveform in enumerate(waveforms):
        path = folder / f"{at}.wav"
        soundfile.write(path, waveform, 16_000)
        rows.append({"audio": str(path), "emotion": EMOTIONS[at % 2], "speaker": "x", "id": str(at)})
    return Clips.from_frame(pd.DataFrame(rows), name="noise")


def device_map(model: torch.nn.Module, on_disk: set[str], path: str = "") -> dict[str, str]:
    """Everything in memory but the modules named, at the granularity that this needs."""
    placed: dict[str, str] = {}
    for name, child in [*model.named_children(), *model.named_parameters(recurse=False)]:
        whole = f"{path}.{name}".lstrip(".")
        if any(other.startswith(f"{whole}.") for other in on_disk):
            placed |= device_map(child, on_disk, whole)
        else:
            placed[whole] = "disk" if whole in on_disk else "cpu"
    return placed


def weights(lm: AudioLM) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in lm.model.state_dict().items()}


def test_every_family_has_a_tiny_model():
    assert set(BUILDERS) == {family.name for family in FAMILIES}


def test_gates_have_the_width_that_was_read_off(lm):
    gates = lm.stacks[lm.component].gates
    assert len({id(gate.module) for gate in gates}) == len(gates) == len(lm.widths) > 1
    with reading(lm) as seen:
        bare_logits(lm)
    assert [seen[layer][0].shape[-1] for layer in seen] == [gate.width for gate in gates]
    for gate in gates:
        assert lm.model.get_submodule(gate.path) is gate.module


def test_without_edits_the_forward_is_the_bare_models_to_the_bit(lm):
    encoded = lm.encode(CLIPS, CHOICE)
    hidden = lm.family.decoder(lm.model)(**encoded.decoder_inputs).last_hidden_state
    logits = lm.family.finish(lm.model, lm.family.head(lm.model)(hidden))
    assert torch.equal(logits[:, -1], bare_logits(lm)[:, -1])


def test_without_edits_greedy_answers_are_the_bare_models(lm):
    assert lm.generate(CLIPS, CHOICE, max_new_tokens=TOKENS) == bare_answers(lm)


def test_label_scores_are_those_of_the_whole_head(lm):
    scores = lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS)
    assert_close(scores, label_log_probs(lm, bare_logits(lm)), terms=terms_of(lm.family.head(lm.model)))
    assert np.ptp(scores, axis=0).max() > 1e-3, "clips do not differ, so the test would see nothing"


def test_batches_change_nothing(lm):
    together = lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS)
    alone = np.concatenate([lm.scores(lm.encode([clip], CHOICE), EMOTIONS) for clip in CLIPS])
    assert_close(together, alone, terms=terms_of(lm.model))


def test_lettered_questions_are_answered_by_every_clip_to_its_own_options(lm):
    """Prompts of one batch differ in length and order; each clip is asked what it would be asked alone."""
    asked = protocol("authors").recognition(("neutral", "happy", "angry", "sad", "fearful"), lm=lm)
    ids = [f"clip {at}" for at in range(len(CLIPS))]
    prompts = asked.asked(ids)
    assert len(set(prompts)) == len(CLIPS)
    together = lm.scores(lm.encode(CLIPS, prompts), asked.labels)
    each = list(zip(CLIPS, prompts, strict=True))
    alone = np.concatenate([lm.scores(lm.encode([clip], words), asked.labels) for clip, words in each])
    assert_close(together, alone, terms=terms_of(lm.model))
    bare = torch.cat([bare_logits(lm, [clip], words)[:, -1] for clip, words in each])
    letters = [one[0] for one in label_tokens(lm.processor.tokenizer, asked.labels)]
    assert_close(together, bare[:, letters].float().log_softmax(-1).numpy(), terms=terms_of(lm.model))
    assert np.ptp(together, axis=0).max() > 1e-3, "prompts do not differ, so the test would see nothing"
    written = [lm.generate([clip], words, max_new_tokens=TOKENS)[0] for clip, words in each]
    assert lm.generate(CLIPS, prompts, max_new_tokens=TOKENS) == written


def test_gates_are_those_that_a_hook_sees(lm):
    with reading(lm) as seen:
        bare_logits(lm)
    tapped: dict[int, torch.Tensor] = {}

    def tap(step, layer, gate, experts=None):
        tapped[layer] = gate.clone()

    lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS, tap=tap)
    for layer, gate in tapped.items():
        assert torch.equal(gate.reshape(seen[layer][0].shape), seen[layer][0])
        assert (gate > 0).any()


def test_an_edit_changes_later_layers_only(lm):
    middle = len(lm.widths) // 2
    edits = [Edit(middle, np.arange(lm.widths[middle]), gain=3.0)]
    encoded, runs = lm.encode(CLIPS, CHOICE), []
    for chosen in ((), edits):
        gates: dict[int, torch.Tensor] = {}

        def tap(step, layer, gate, experts=None, gates=gates):
            gates[layer] = gate.clone()

        lm.scores(encoded, EMOTIONS, edits=chosen, tap=tap)
        runs.append(gates)
    for layer in range(len(lm.widths)):
        assert torch.equal(runs[0][layer], runs[1][layer]) == (layer < middle)


def test_an_edit_on_chosen_tokens_changes_nothing_before_them(lm):
    encoded = lm.encode(CLIPS, CHOICE)
    edits = [Edit(0, np.arange(lm.widths[0]), gain=4.0, positions=frozenset({"last"}))]
    decoder, seen = lm.family.decoder(lm.model), []
    for chosen in ((), edits):
        with torch.no_grad(), editing(lm, chosen, encoded.scopes):
            seen.append(decoder(**encoded.decoder_inputs).last_hidden_state)
    prompt = torch.from_numpy(encoded.scopes[:, :-1] >= 0)  # what stands in the padding is looked at by nobody
    assert torch.equal(seen[0][:, :-1][prompt], seen[1][:, :-1][prompt])
    assert not torch.equal(seen[0][:, -1], seen[1][:, -1])


@pytest.mark.parametrize("positions", [None, {"audio"}, {"text", "last"}])
def test_edited_scores_equal_plain_hooks(lm, positions):
    options = {} if positions is None else {"positions": frozenset(positions)}
    edits, encoded = some_edits(lm, **options), lm.encode(CLIPS, CHOICE)
    with editing(lm, edits, None if positions is None else encoded.scopes):
        expected = label_log_probs(lm, bare_logits(lm))
    scores = lm.scores(encoded, EMOTIONS, edits=edits)
    assert_close(scores, expected, terms=terms_of(lm.model))
    assert np.abs(scores - lm.scores(encoded, EMOTIONS)).max() > 1e-3


def test_answers_with_edits_at_every_step_equal_plain_hooks(lm):
    edits = some_edits(lm)
    with editing(lm, edits):
        expected = bare_answers(lm)
    assert lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=TOKENS) == expected
    assert expected != bare_answers(lm)


def test_scaled_columns_do_what_a_trace_does(lm):
    """Nothing else reads the gates: ``down(g * u)`` is all there is, with experts and fused projections too."""
    rng = np.random.default_rng(0)
    edits = [
        Edit(layer, np.arange(0, width, 2), gain=rng.choice([0.0, 0.3, 2.5], len(range(0, width, 2))))
        for layer, width in enumerate(lm.widths)
    ]
    held, encoded, scores, answers = weights(lm), lm.encode(CLIPS, CHOICE), [], []
    for how in ("traced", "scaled"):
        scores.append(lm.scores(encoded, EMOTIONS, edits=edits, plan=how))
        answers.append(lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=TOKENS, plan=how))
        assert lm.carried.plan == how
    assert_close(scores[0], scores[1], terms=terms_of(lm.model))
    assert answers[0] == answers[1]
    assert np.abs(scores[0] - lm.scores(encoded, EMOTIONS)).max() > 1e-3
    assert all(torch.equal(held[name], value) for name, value in lm.model.state_dict().items())


def test_conditions_that_are_swept_together_give_what_each_gives(lm):
    last, encoded = len(lm.widths) - 1, lm.encode(CLIPS, CHOICE)
    gains = [(0, 2.0), (last, 0.0), (last, 3.0)]
    conditions = [(), some_edits(lm)]
    conditions += [[Edit(layer, np.arange(0, lm.widths[layer], 2), gain=gain)] for layer, gain in gains]
    swept = lm.sweep(encoded, EMOTIONS, conditions)
    expected = [lm.scores(encoded, EMOTIONS, edits=edits, plan="traced") for edits in conditions]
    assert_close(swept.log_probs, np.stack(expected), terms=terms_of(lm.model))


def test_a_static_cache_writes_the_same(lm):
    """On an accelerator the step is compiled, which needs modules without controllers."""
    edits = [Edit(layer, np.arange(0, width, 2), gain=2.0) for layer, width in enumerate(lm.widths)]
    options = {"edits": edits, "max_new_tokens": TOKENS}
    if lm.family.clip_by_clip or not isinstance(lm.family.generator(lm.model), GenerationMixin):
        with pytest.raises(ModelError, match="can't be compiled"):
            lm.generate(CLIPS, CHOICE, **options, compiled=True)
        return
    expected = lm.generate(CLIPS, CHOICE, **options)
    assert lm.generate(CLIPS, CHOICE, **options, compiled=True) == expected
    assert lm.generate(CLIPS, CHOICE, **options, plan="traced") == expected  # controllers are back


@pytest.mark.parametrize("family", BUILDERS)
def test_gates_of_every_stack_can_be_scaled_where_they_are_read(family_folder, family):
    """All but those whose weights are chosen by the position of a code."""
    lm = loaded(family_folder(family))
    fixed = {("moshi", "depth_decoder"): "read by a MoshiFlexibleLinear, not a plain linear layer"}
    for name, stack in lm.stacks.items():
        planner = Planner(lm.model, stack, view_gates(stack))
        edits = {layer: [Edit(layer, np.arange(3), gain=0.5)] for layer in range(len(stack))}
        if (reason := fixed.get((family, name))) is None:
            planner.scaling(edits)
        else:
            with pytest.raises(NotScalable, match=reason):
                planner.scaling(edits)


def test_labels_of_several_tokens_are_scored_by_their_mean(lm):
    labels = ["happyish", "happy", "sadly", "neutralsad"]
    scores = lm.scores(lm.encode(CLIPS, CHOICE), labels)
    inputs, expected = prepared(lm), []
    for label in labels:
        tokens = lm.processor.tokenizer(label, add_special_tokens=False)["input_ids"]
        tensors = dict(inputs.tensors)
        for name, value in tensors.items():
            if name in PER_TOKEN and name != "input_ids":
                tensors[name] = torch.cat([value, value[:, -1:].expand(-1, len(tokens))], dim=1)
        answer = torch.tensor(tokens).expand(len(CLIPS), -1)
        tensors["input_ids"] = torch.cat([inputs.tensors["input_ids"], answer], dim=1)
        with torch.no_grad():
            logits = lm.family.generator(lm.model)(**tensors).logits[:, -len(tokens) - 1 : -1]
        expected.append(logits.float().log_softmax(-1).gather(-1, answer[..., None]).mean(dim=(1, 2)))
    expected = torch.stack(expected, dim=1).log_softmax(-1)
    assert_close(scores, expected, terms=terms_of(lm.model))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_mid_run_leaves_the_model_as_it_was(lm, error):
    before, encoded = bare_logits(lm), lm.encode(CLIPS, CHOICE)
    held = weights(lm)

    def tap(step, layer, gate, experts=None):
        if layer == 1:
            raise error("stop")

    with pytest.raises(error):
        lm.scores(encoded, EMOTIONS, edits=some_edits(lm), tap=tap)
    assert torch.equal(bare_logits(lm), before)
    assert all(torch.equal(held[name], value) for name, value in lm.model.state_dict().items())


def test_an_edit_that_touches_no_token_is_refused(lm):
    edits = [Edit(0, np.arange(3), gain=2.0, positions=frozenset({"generated"}))]
    with pytest.raises(EditError, match="touched no token"):
        lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS, edits=edits)


def test_two_models_side_by_side_and_a_deep_copy_do_not_meet(lm):
    twin = AudioLM(copy.deepcopy(lm.model), lm.processor, lm.family, name="twin", component=lm.component)
    edits, encoded, theirs = some_edits(lm), lm.encode(CLIPS, CHOICE), twin.encode(CLIPS, CHOICE)
    before, before_theirs = bare_logits(lm), bare_logits(twin)
    with twin.steered(edits):
        assert np.array_equal(lm.scores(encoded, EMOTIONS), lm.scores(encoded, EMOTIONS))
        edited = twin.scores(theirs, EMOTIONS)
    assert torch.equal(bare_logits(lm), before)
    assert torch.equal(bare_logits(twin), before_theirs)
    # Copied weights begin at other addresses, which for some kernels is another order of adding up.
    assert_close(edited, lm.scores(encoded, EMOTIONS, edits=edits), terms=terms_of(lm.model))
    assert_close(before_theirs, before, terms=terms_of(lm.model))


@pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")
def test_statistics_are_the_same_when_weights_are_offloaded(family_folder, lm, tmp_path):
    """Layers wait on disk and come in one by one, as `device_map` does it where memory is short."""
    middle = lm.stacks[lm.component].gates[1].path.split(".layers.")[0] + ".layers"
    on_disk = {f"{middle}.{layer}" for layer in range(1, len(lm.widths))}
    offloaded = loaded(family_folder(lm.family.name), device_map=device_map(lm.model, on_disk))
    assert any(parameter.is_meta for parameter in offloaded.model.parameters())
    assert offloaded.fingerprint == lm.fingerprint
    clips = as_corpus(CLIPS, tmp_path)
    ours, theirs = (collect(one, clips, batch_size=2, progress=False) for one in (lm, offloaded))
    assert ours.arrays().keys() == theirs.arrays().keys()
    for name, values in ours.arrays().items():
        np.testing.assert_array_equal(values, theirs.arrays()[name], err_msg=name)
