"""Gates of stacks that speak, read and edited while the whole tiny model says something.

A talker or a depth decoder takes no part in answering, so the contract of the answering stacks is not for it; this is
its own, smaller one, against plain hooks in the model's real generation.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_hooks import editing, reading
from tiny_models import BUILDERS
from tiny_models.speakers import PlainCodec, save_whole_omni
from tiny_omni import noise

from esn_interp.errors import EditError, ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.edits import Edit
from esn_interp.models.families import FAMILIES
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Live, SpeechRequest, SpeechRun, Spoken
from esn_interp.models.loading import load

(CLIP,) = noise(0.7)
SHORT = Manner(max_new_tokens=5, max_seconds=0.4)
WHOLE: dict[str, Callable[[Path], Path]] = {**BUILDERS, "qwen2.5-omni": save_whole_omni}
STACKS = {
    "qwen2.5-omni": ("thinker", "talker"),
    "qwen3-omni": ("thinker", "talker", "talker_shared_expert", "talker_code_predictor"),
    "csm": ("thinker", "depth_decoder"),
    "moshi": ("thinker", "depth_decoder"),
    "higgs-audio-v2": ("thinker", "thinker_audio_mlp"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    loaded: dict[str, AudioLM] = {}

    def whole(family: str) -> AudioLM:
        if family not in loaded:
            folder = WHOLE[family](tmp_path_factory.mktemp("checkpoint") / family)
            loaded[family] = load(folder, component=STACKS[family][-1])
            if family == "higgs-audio-v2":
                loaded[family].processor = dataclasses.replace(loaded[family].processor, whole=PlainCodec())
        return loaded[family]

    return whole


@pytest.fixture(
    scope="module", params=[(family, stack) for family, stacks in STACKS.items() for stack in stacks], ids="-".join
)
def lm(request: pytest.FixtureRequest, models: Any) -> AudioLM:
    """One stack of a model that is loaded once."""
    family, component = request.param
    whole = models(family)
    return load(whole.model, processor=whole.processor, component=component)


def request_of(lm: AudioLM) -> tuple[Any, str]:
    """What is said to the model: most hear a clip and an instruction."""
    return {"moshi": (CLIP, ""), "higgs-audio-v2": (None, "Hello.")}.get(lm.family.name, (CLIP, "Say hello."))


def bare(lm: AudioLM) -> Spoken:
    """What the model says without us: its own generation, under the same seed."""
    clip, prompt = request_of(lm)
    request = SpeechRequest([clip], prompt, [0], SHORT)
    inputs = lm.family.speech_inputs(lm.processor, request)
    torch.manual_seed(0)
    with torch.no_grad():
        (said,) = lm.family.speak(SpeechRun(lm.model, lm.processor, request, inputs, Live(1)))
    return said


def some_edits(lm: AudioLM, **options: Any) -> list[Edit]:
    last = len(lm.widths) - 1
    return [
        Edit(0, np.arange(0, lm.widths[0], 2), gain=3.0, **options),
        Edit(last, np.arange(lm.widths[last]), gain=0.0, shift=4.0, **options),
        Edit(last, np.arange(0, lm.widths[last], 3), gain=0.5, floor=0.2, **options),
    ]


def same(one: Spoken, other: Spoken) -> bool:
    return one.text == other.text and np.array_equal(one.waveform, other.waveform)


def test_every_model_that_speaks_is_held_to_this():
    speaking = {family.name for family in FAMILIES if family.info.capability == "speak"}
    assert speaking - {family.name for family in FAMILIES if family.info.tested == "a stand-in"} == set(STACKS)


def test_stacks_are_those_that_their_roles_describe(models):
    for family, stacks in STACKS.items():
        whole = models(family)
        assert tuple(whole.stacks) == stacks
        assert set(whole.family.info.roles) == set(stacks)


def test_gates_at_every_step_are_those_that_a_hook_sees(lm):
    with reading(lm) as seen:
        expected = bare(lm)
    tapped: dict[int, list[torch.Tensor]] = {layer: [] for layer in range(len(lm.widths))}

    def tap(step, layer, gate, experts=None):
        assert len(tapped[layer]) == step
        tapped[layer].append(gate.clone())

    said = lm.speak(*request_of(lm), tap=tap, manner=SHORT)
    assert same(said, expected)
    assert np.ptp(said.waveform) > 1e-3
    for layer, gates in tapped.items():
        assert len(gates) == len(seen[layer]) > 0
        for ours, theirs in zip(gates, seen[layer], strict=True):
            assert torch.equal(ours.reshape(theirs.shape), theirs)
        assert any((gate > 0).any() for gate in gates)


def test_edits_at_every_step_equal_plain_hooks(lm):
    edits = some_edits(lm)
    with editing(lm, edits):
        expected = bare(lm)
    assert same(lm.speak(*request_of(lm), edits=edits, manner=SHORT), expected)
    assert not same(bare(lm), expected)


def test_without_edits_the_same_seed_says_the_same(lm):
    said = lm.speak(*request_of(lm), manner=SHORT)
    assert same(said, bare(lm))
    assert said.sampling_rate == 24_000
    assert len(said.waveform)
    assert np.isfinite(said.waveform).all()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_mid_speech_leaves_the_model_as_it_was(lm, error):
    before = bare(lm)
    held = {name: value.clone() for name, value in lm.model.state_dict().items()}

    def tap(step, layer, gate, experts=None):
        if layer == 1:
            raise error("stop")

    with pytest.raises(error):
        lm.speak(*request_of(lm), edits=some_edits(lm), tap=tap, manner=SHORT)
    assert same(bare(lm), before)
    assert all(torch.equal(held[name], value) for name, value in lm.model.state_dict().items())


def test_scopes_are_those_of_the_tokens_that_a_stack_sees(lm):
    generated = some_edits(lm, positions=frozenset({"generated"}))
    prompted = some_edits(lm, positions=frozenset({"audio", "text", "last"}))

    def said(edits: list[Edit]) -> Spoken:
        return lm.speak(*request_of(lm), edits=edits, manner=SHORT)

    everywhere = said(some_edits(lm))
    reads_on = ("thinker", "talker") if lm.family.name == "qwen2.5-omni" else ("thinker",)
    if lm.component in reads_on and lm.family.name != "higgs-audio-v2":
        assert not same(said(generated), everywhere)
        assert not same(said(prompted), bare(lm))
        return
    # Other talkers and depth decoders see nothing but speech; Higgs Audio's text MLPs nothing but the prompt.
    seen, unseen = (prompted, generated) if lm.component == "thinker" else (generated, prompted)
    assert same(said(seen), everywhere)
    with pytest.raises(EditError, match="touched no token"):
        said(unseen)


def test_voices_differ_and_unknown_ones_are_refused(models):
    lm = models("qwen2.5-omni")
    manners = [dataclasses.replace(SHORT, voice=voice) for voice in ("Chelsie", "Ethan")]
    assert not same(*(lm.speak(*request_of(lm), manner=manner) for manner in manners))
    with pytest.raises(ModelError, match="no voice 'Nobody'; the model has Chelsie, Ethan"):
        lm.speak(*request_of(lm), manner=dataclasses.replace(SHORT, voice="Nobody"))


def test_speech_needs_more_than_the_thinker(models, tmp_path):
    thinker = load(save_whole_omni(tmp_path / "omni"))
    with pytest.raises(ModelError, match="only the thinker is loaded"):
        thinker.speak(CLIP, "Say hello.")


def test_models_without_answers_say_so(models):
    for family in ("csm", "moshi"):
        with pytest.raises(ModelError, match="does not answer questions"):
            models(family).encode([CLIP], "Who is it?")
    with pytest.raises(ModelError, match="Moshi has no voices to choose from"):
        models("moshi").speak(CLIP, manner=Manner("Nobody"))
    with pytest.raises(ModelError, match="reads no instruction"):
        models("moshi").speak(CLIP, "Say hello.")
    assert len(models("csm").speak(None, "Hello.", manner=SHORT).waveform)
