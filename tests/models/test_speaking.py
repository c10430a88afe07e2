"""Speaking in batches: every clip as if it were alone, to the bit, on the tiny random Qwen2.5-Omni that speaks."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from plain_hooks import reading
from rounding import assert_close, terms_of, tolerance
from tiny_models.speakers import save_whole_omni
from tiny_omni import noise

from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.edits import Edit
from esn_interp.models.families import qwen2_5_speech
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Live, Spoken
from esn_interp.models.loading import load
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.speech_tap import SpeechTap

CLIPS = noise(0.7, 1.3, 1.9, 0.5)
SEEDS = (11, 12, 13, 14)
PROMPT = "happy"
STEPS = 2  # of the vocoder: fewer than its default take less time
LIMITS: dict[str, Any] = {"max_new_tokens": 6, "max_seconds": 0.16}


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> AudioLM:
    lm = load(save_whole_omni(tmp_path_factory.mktemp("checkpoint") / "omni"), component="talker")
    lm.model.generation_config.token2wav_num_steps = STEPS
    return lm


@pytest.fixture(scope="module", params=["thinker", "talker"])
def lm(request: pytest.FixtureRequest, talker: AudioLM) -> AudioLM:
    return load(talker.model, processor=talker.processor, component=request.param)


@pytest.fixture
def endings(talker: AudioLM, monkeypatch: pytest.MonkeyPatch) -> AudioLM:
    """Words and speech that end after different lengths, by taking what is chosen often for the end."""
    inputs = talker.family.inputs(talker.processor, CLIPS, PROMPT).tensors
    with torch.no_grad():
        replies = talker.model.thinker.generate(**inputs, do_sample=False, max_new_tokens=6)
    words = Counter(replies[:, inputs["input_ids"].shape[1] :].flatten().tolist())
    ((end, _),) = words.most_common(1)
    monkeypatch.setattr(talker.model.thinker.generation_config, "eos_token_id", end)
    said = talker.speak_all(CLIPS, PROMPT, seeds=SEEDS, manner=Manner(**LIMITS))
    codes = Counter(code for one in said if one.codes is not None for code in one.codes[2:].tolist())
    ((end, _),) = codes.most_common(1)
    monkeypatch.setattr(talker.model.talker, "codec_eos_token", end)
    return talker


def together(lm: AudioLM, manner: Manner, **options: Any) -> list[Spoken]:
    return lm.speak_all(CLIPS, PROMPT, seeds=SEEDS, manner=manner, **options)


def alone(lm: AudioLM, manner: Manner, row: int, **options: Any) -> Spoken:
    (said,) = lm.speak_all([CLIPS[row]], PROMPT, seeds=[SEEDS[row]], manner=manner, **options)
    return said


def padded(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same prompt behind one token of padding."""
    behind = {name: torch.nn.functional.pad(inputs[name], (1, 0)) for name in ("input_ids", "attention_mask")}
    return inputs | behind


def plain(lm: AudioLM, row: int, *, greedy: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's own generation of one clip, without us; padded, or else transformers drops the mask."""
    inputs, whole = padded(lm.family.inputs(lm.processor, [CLIPS[row]], PROMPT).tensors), lm.model
    torch.manual_seed(SEEDS[row])
    with torch.no_grad():
        tokens, waveform = whole.generate(
            **inputs, speaker="Chelsie", thinker_max_new_tokens=6, thinker_do_sample=False,
            token2wav_num_steps=STEPS, talker_max_new_tokens=8, talker_do_sample=not greedy,
            talker_eos_token_id=[whole.talker.codec_pad_token, whole.talker.codec_eos_token],
        )  # fmt: skip
    return tokens[0, inputs["input_ids"].shape[1] :], waveform


def same(one: Spoken, other: Spoken) -> bool:
    codes = (one.codes is None) == (other.codes is None) and np.array_equal(one.codes, other.codes)
    return codes and one.text == other.text and np.array_equal(one.waveform, other.waveform)


@pytest.mark.parametrize("greedy", [True, False])
def test_a_batch_says_what_each_clip_alone_would_and_that_is_the_models_own(endings, greedy):
    manner = Manner(greedy=greedy, **LIMITS)
    said = together(endings, manner)
    assert len({one.words for one in said}) > 2, "replies are of like length, so the test would see nothing"
    for row, one in enumerate(said):
        assert same(one, alone(endings, manner, row))
        if one.words and len(one.codes):  # on the others the model itself stumbles
            tokens, waveform = plain(endings, row, greedy=greedy)
            assert len(tokens) == one.words + 1 or one.words == 6
            np.testing.assert_array_equal(one.waveform, waveform.numpy())


def test_a_reply_that_ends_at_once_is_silence_in_any_batch(endings):
    said = together(endings, Manner(**LIMITS))
    silent = [row for row, one in enumerate(said) if one.words == 0]
    assert silent
    for one in (said[silent[0]], alone(endings, Manner(**LIMITS), silent[0])):
        assert (one.silent, one.text, one.codes) == (True, "", None)


def test_seeds_are_of_the_clip_and_change_what_is_drawn(talker):
    manner = Manner(**LIMITS)
    first, other = (
        talker.speak_all([CLIPS[0]] * 2, PROMPT, seeds=seeds, manner=manner) for seeds in ((1, 2), (2, 1))
    )
    assert same(first[0], other[1])
    assert same(first[1], other[0])
    assert not same(first[0], first[1])
    state = torch.get_rng_state()
    together(talker, manner)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("positions", [{"audio"}, {"last"}, {"generated"}, {"audio", "text", "last", "generated"}])
def test_edits_of_a_batch_are_those_of_each_clip_alone(lm, positions):
    edits = [Edit(0, np.arange(0, lm.widths[0]), gain=20.0, positions=frozenset(positions))]
    manner = Manner(greedy=True, max_new_tokens=4, max_seconds=0.06)
    said = together(lm, manner, edits=edits)
    assert all(same(said[row], alone(lm, manner, row, edits=edits)) for row in (0, 3))
    assert not all(same(*pair) for pair in zip(said, together(lm, manner), strict=True))


@pytest.mark.parametrize("component", ["thinker", "talker"])
def test_gates_are_summed_by_clip_and_scope_as_plain_hooks_see_them(endings, component):
    """Each clip alone, by hooks; the batch by our tap: padding, and rows that have ended, must not count."""
    lm = load(endings.model, processor=endings.processor, component=component)
    origin, taps = Origin.of(lm), []

    def tap_for(scopes: np.ndarray, live: np.ndarray) -> SpeechTap:
        taps.append(SpeechTap(origin, scopes, live))
        return taps[-1]

    said = together(lm, Manner(greedy=True, **LIMITS), tap_for=tap_for)
    (tap,) = taps
    assert len({one.words if component == "thinker" else len(one.codes) for one in said if one.words}) > 1
    for row, one in enumerate(said):
        summed = tap.clip(row, id=str(row), speaker="x", emotion=0)
        if not one.words or not len(one.codes):
            continue
        with reading(lm) as seen:
            plain(lm, row, greedy=True)
        gates = [[gate[0].double().numpy() for gate in steps] for steps in seen.values()]
        scopes = np.array([-1, *lm.family.inputs(lm.processor, [CLIPS[row]], PROMPT).scopes[0].tolist()])
        if component == "talker":
            scopes = np.concatenate([np.where(scopes == 2, 1, scopes), [1, 2]])
        if len(gates[0]) == 1:
            assert summed is None
            continue
        assert summed is not None
        for code, scope in enumerate(("audio", "text", "last", "generated")):
            here = [
                np.concatenate(steps[1:]) if scope == "generated" else steps[0][scopes == code] for steps in gates
            ]
            assert int(summed.tokens[scope][0]) == len(here[0])
            terms = terms_of(lm.model)
            # A gate that is 0 but for rounding may be counted as firing or not.
            near = [tolerance(terms, np.abs(gate).max(initial=0.0)) for gate in here]
            least, most = (
                np.concatenate([(gate > at).sum(0) for gate, at in zip(here, bounds, strict=True)])
                for bounds in (near, [-at for at in near])
            )
            firings = summed.sums[f"{scope}/firings"][0]
            assert ((least <= firings) & (firings <= most)).all()
            for name, expected in {
                "sum": [gate.sum(0) for gate in here],
                "sum_sq": [(gate**2).sum(0) for gate in here],
                "sum_abs": [np.abs(gate).sum(0) for gate in here],
            }.items():
                values = summed.sums[f"{scope}/{name}"][0]
                assert_close(values, np.concatenate(expected), terms=terms)


def test_a_vocoder_that_fails_fails_for_its_clip_alone(talker, monkeypatch):
    own, calls = talker.model.token2wav.code2wav_bigvgan_model.forward, []

    def broken(mel, **rest):
        calls.append(mel)
        if len(calls) == 2:
            raise RuntimeError("no power\nat all")
        return own(mel, **rest)

    before = together(talker, Manner(**LIMITS))
    monkeypatch.setattr(talker.model.token2wav.code2wav_bigvgan_model, "forward", broken)
    said = together(talker, Manner(**LIMITS))
    assert said[1].failure == "RuntimeError: no power at all"
    assert len(said[1].waveform) == 0
    assert len(said[1].codes) == 8
    assert [same(*pair) for pair in zip(said, before, strict=True)] == [True, False, True, True]
    assert "forward" not in vars(talker.model.token2wav)
    assert "prepare_inputs_for_generation" not in vars(talker.model.talker)
    calls[:] = [None]
    with pytest.raises(ModelError, match="no power at all"):
        talker.speak(CLIPS[0], PROMPT, manner=Manner(**LIMITS))


def test_how_codes_are_chosen_can_be_told(talker):
    def codes(**told: Any) -> list[int]:
        return list(alone(talker, Manner(**told, **LIMITS), 0).codes)

    own, greedy = codes(), codes(greedy=True)
    assert codes(temperature=0.9, top_k=40, top_p=0.8, repetition_penalty=1.05) == own
    assert codes(top_k=1) == greedy != own
    assert codes(temperature=5.0, top_p=1.0) != own
    assert codes(greedy=True, repetition_penalty=3.0) != greedy


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"greedy": True, "top_k": 3}, "greedy speech draws none"),
        ({"temperature": 0.0}, "temperature 0: it must be above 0"),
        ({"top_p": 1.5}, "top_p 1.5: it must be above 0 and at most 1"),
        ({"max_seconds": float("inf")}, "max_seconds inf"),
    ],
)
def test_manners_that_make_no_sense_are_refused(told, message):
    with pytest.raises(ModelError, match=message):
        Manner(**told)


def test_the_length_is_counted_in_the_vocoders_own_codes(talker):
    assert qwen2_5_speech.codes_per_second(talker.model) == 50
    (said,) = talker.speak_all([CLIPS[0]], PROMPT, seeds=[0], manner=Manner(max_new_tokens=3, max_seconds=0.3))
    assert len(said.codes) == 15
    assert len(said.waveform) == round(0.3 * 24_000)
    assert not said.ended


def test_what_the_checkpoint_says_of_speaking_is_done(talker, monkeypatch):
    manner, settings = Manner(max_new_tokens=3, max_seconds=0.08), talker.model.generation_config
    own = alone(talker, manner, 0)
    with monkeypatch.context() as changed:
        changed.setattr(settings, "token2wav_num_steps", 4, raising=False)
        rough = alone(talker, manner, 0)
    assert np.array_equal(rough.codes, own.codes)
    assert not np.array_equal(rough.waveform, own.waveform)
    monkeypatch.setattr(settings, "talker_temperature", 7.0, raising=False)
    hot = alone(talker, manner, 0)
    assert same(hot, alone(talker, replace(manner, temperature=7.0), 0))
    assert not np.array_equal(hot.codes, own.codes)
    assert same(own, alone(talker, replace(manner, temperature=0.9), 0))


def test_the_live_clips_of_a_stack_are_its_own():
    live = Live(2)
    live.rows("thinker")[0] = False
    assert live.rows("talker").all()
    assert live.rows("thinker").tolist() == [False, True]
