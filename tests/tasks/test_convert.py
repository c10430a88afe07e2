"""One recording with another emotion, from Python and from the command line, on the tiny model that speaks."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from command_line import esn, write_wave
from puppet_model import sources
from rounding import assert_close, terms_of
from tiny_models.speakers import save_whole_omni
from tiny_omni import noise

from esn_interp.errors import AudioError, CorpusError, EditError, EsnError, ModelError, StatisticsError
from esn_interp.interventions.edits import steer
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.conversion import ConversionPrompt, conversion_prompt, convert
from esn_interp.models.families.manner import Manner
from esn_interp.models.loading import bundled_path, load, load_speaking
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.speech.playable import Speech
from esn_interp.tasks.conversion import conversions
from esn_interp.tasks.conversion_record import conversion_seed

SHORT = Manner(greedy=True, max_new_tokens=4, max_seconds=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whole_omni(tmp_path_factory.mktemp("checkpoint") / "omni")


@pytest.fixture(scope="module")
def lm(folder: Path) -> AudioLM:
    return load_speaking(folder)


@pytest.fixture(scope="module")
def wave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wave(tmp_path_factory.mktemp("sound") / "hello.wav", noise(0.6)[0])


def neurons_of(lm: AudioLM) -> NeuronSet:
    halves = {"angry": np.arange(0, lm.n_gates, 2), "sad": np.arange(1, lm.n_gates, 2)}
    return NeuronSet.from_indices(Origin.of(lm), halves)


def test_speech_is_what_the_model_says_steered_or_not(lm, wave):
    prompt, system = conversion_prompt(lm).about("angry")
    assert "virtual human" in (system or ""), "what this kind of model is told before it speaks"
    esns = neurons_of(lm)["angry"]
    plain = convert(lm, wave, to="angry", manner=SHORT)
    (said,) = lm.speak_all(noise(0.6), prompt, seeds=[0], system=system, manner=SHORT)
    np.testing.assert_array_equal(plain.waveform, said.waveform)
    assert plain.text == said.text
    assert plain.problem == "never ended"
    steered = convert(lm, wave, to="angry", neurons=esns, alpha=20.0, manner=SHORT)
    (edited,) = lm.speak_all(
        noise(0.6), prompt, seeds=[0], system=system, manner=SHORT, edits=steer(esns, 20.0)
    )
    np.testing.assert_array_equal(steered.waveform, edited.waveform)
    assert not np.array_equal(steered.waveform, plain.waveform)


def test_what_would_change_nothing_or_is_no_emotion_is_refused(lm, wave):
    esns = neurons_of(lm)["angry"]
    with pytest.raises(EditError, match="alpha 0 changes nothing"):
        convert(lm, wave, to="angry", neurons=esns, manner=SHORT)
    with pytest.raises(CorpusError, match=r"no emotion 'hapy'; did you mean happy\?"):
        convert(lm, wave, to="hapy", manner=SHORT)
    with pytest.raises(CorpusError, match="no emotion 'hapy'; did you mean happy"):
        conversions(lm, sources("angry"), ["hapy"], progress=False)


@pytest.mark.parametrize(
    "text", ["{emotion.__class__}", "{emotion!r}", "{emotion:>9}", "{}", "{0}", "{mood}", "{emotion[0]}", "a { brace"]
)
@pytest.mark.parametrize("part", ["prompt", "system"])
def test_prompts_are_filled_by_name_only(text, part):
    parts = {"prompt": "Say it.", "system": None} | {part: text}
    with pytest.raises(ModelError, match=r"the request '.*': (only {emotion} and {article} may stand|.* brace)"):
        ConversionPrompt(**parts)
    assert ConversionPrompt("{{}} {article} {emotion}").about("angry")[0] == "{} an angry"


def test_the_door_on_the_model_is_the_same(lm, wave, monkeypatch):
    given: dict[str, Any] = {}

    def converted(model, audio, **options):
        given.update(options, model=model, audio=audio)
        return Speech(noise(0.1)[0], 24_000, "hi")

    monkeypatch.setattr("esn_interp.models.speaking.convert", converted)
    esns = neurons_of(lm)["sad"]
    assert lm.convert(wave, to="sad", neurons=esns, alpha=2.0, voice="Ethan", seed=4).text == "hi"
    assert given == {
        "model": lm, "audio": wave, "to": "sad", "neurons": esns, "alpha": 2.0, "manner": Manner("Ethan"), "seed": 4,
    }  # fmt: skip


def test_the_request_lies_beside_the_weights_whatever_the_model_is_called(folder, tmp_path):
    taught, own = tmp_path / "taught", ConversionPrompt("Say it again.", system="{emotion} voice")
    shutil.copytree(folder, taught)
    own.save(taught)
    mine = load_speaking(taught, name="mine")
    assert conversion_prompt(mine) == own
    assert conversion_prompt(load(mine.model, processor=mine.processor, name="theirs")) == own
    assert conversion_prompt(load_speaking(taught, component="thinker")) == own
    assert conversion_prompt(load_speaking(folder, name="taught")).prompt.startswith("Repeat exactly")
    toy = bundled_path("toy-omni")
    assert ConversionPrompt.beside(toy) == ConversionPrompt("Transcribe the speech.", system="{emotion} voice")
    (taught / "conversion.json").write_text('{"kind": "heard", "version": 1}')
    with pytest.raises(EsnError, match=r"conversion\.json: .*heard"):
        load_speaking(taught)


def test_a_model_refuses_neurons_of_another(lm, tmp_path):
    """At any door: neurons by hand, and edits that were made of them."""
    other = neurons_of(lm)
    other = replace(other, origin=replace(other.origin, fingerprint="0123", model="another"))
    with pytest.raises(StatisticsError, match="the neurons come from another"), lm.steered(other, alpha=4):
        raise AssertionError("the block is not entered")
    assert lm.standing == ()
    edits = steer(other, 4.0)
    for say in (
        lambda: lm.speak(noise(0.6)[0], "Hello.", edits=edits, manner=SHORT),
        lambda: conversions(lm, sources("neutral"), ["sad"], edits_for=lambda to: edits, manner=SHORT, progress=False),
    ):
        with pytest.raises(StatisticsError, match="the neurons of an edit come from another"):
            say()
    with pytest.raises(StatisticsError, match="the neurons of an edit come from another"), lm.steered(edits):
        raise AssertionError("the block is not entered")
    for given in ((other, 4.0), (edits, None)):
        with pytest.raises(StatisticsError, match="come from another"):
            lm.bake(given[0], tmp_path / "baked", alpha=given[1])
    assert not (tmp_path / "baked").exists()


def test_a_thinkers_neurons_are_known_to_be_those_of_the_speaking_model(folder, wave, tmp_path):
    alone, speaking = load(folder), load_speaking(folder, component="thinker")
    assert alone.fingerprint != speaking.fingerprint
    for found, used in ((alone, speaking), (speaking, alone), (speaking, speaking)):
        esns = neurons_of(found)
        esns.save(tmp_path / "esns.safetensors")
        NeuronSet.load(tmp_path / "esns.safetensors").check(used)
        esns.random_like(0).check(used)
        assert len(esns | neurons_of(used)) == len(esns)
    outcome = esn(
        "convert", "--model", folder, "--in", wave, "--to", "sad", "--neurons", tmp_path / "esns.safetensors",
        "--greedy", "--max-seconds", "0.1", "--out", tmp_path / "b.wav", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.content["component"] == "thinker"
    other = load(folder)
    with torch.no_grad():
        next(other.model.parameters()).add_(1.0)
    for used in (alone, speaking):
        with pytest.raises(StatisticsError, match="the neurons come from"):
            neurons_of(other).check(used)
    with pytest.raises(StatisticsError, match="the neurons come from"):
        neurons_of(load_speaking(folder)).check(speaking)


def test_what_the_speaking_models_thinker_was_called_before_is_still_known(folder):
    """Files of 0.1 name the whole model's weights alone, and nothing of its parts."""
    speaking = load_speaking(folder, component="thinker")
    header = Origin.of(speaking).header()
    assert header.pop("part_fingerprint") == load(folder).fingerprint
    Origin.from_header(header, where="made").check(speaking, "the neurons")
    assert "part_fingerprint" not in Origin.of(load(folder)).header()


def test_what_cannot_be_steered_is_refused(lm, wave):
    with pytest.raises(EditError, match="alpha 1 says by how much"):
        convert(lm, wave, to="sad", alpha=1.0)
    other = load_speaking_thinker(lm)
    with pytest.raises(StatisticsError, match="the neurons come from"):
        convert(other, wave, to="sad", neurons=neurons_of(lm), alpha=1.0)


def load_speaking_thinker(lm: AudioLM) -> AudioLM:
    return load(lm.model, processor=lm.processor, component="thinker")


def test_batches_and_seeds_of_conversions_on_the_model_itself(lm):
    """Batch 1 equals batch 4, codes to the bit, drawn as well as greedy; the gates are summed alike."""
    for greedy in (True, False):
        manner = Manner(greedy=greedy, max_new_tokens=4, max_seconds=0.1)
        one, four = (
            conversions(lm, sources("neutral"), ["sad"], manner=manner, gates=True, batch_size=size, progress=False)
            for size in (1, 4)
        )
        for first, second in zip(one.conversions, four.conversions, strict=True):
            assert first.seed == conversion_seed(0, first.clip, "sad")
            np.testing.assert_array_equal(first.codes, second.codes)
            assert_close(first.waveform, second.waveform, terms=terms_of(lm.model))
        assert one.reductions is not None
        assert four.reductions is not None
        for first, second in zip(one.reductions, four.reductions, strict=True):
            assert first is not None
            assert second is not None
            for name, values in first.sums.items():
                assert_close(values, second.sums[name], terms=terms_of(lm.model))


class TestSpeech:
    def test_it_plays_in_a_notebook_and_is_saved(self, tmp_path):
        speech = Speech(0.5 * noise(0.2)[0], 24_000, "a <b>", "never ended")
        shown = speech._repr_html_()
        assert "a &lt;b&gt; (never ended)" in shown
        assert 'src="data:audio/wav;base64,UklGR' in shown
        speech.save(tmp_path / "new" / "b.wav")
        wave, rate = soundfile.read(tmp_path / "new" / "b.wav", dtype="float32")
        assert rate == 24_000
        np.testing.assert_allclose(wave, speech.waveform, atol=1e-4)
        assert speech.seconds == pytest.approx(3_200 / 24_000)

    def test_no_sound_is_said_to_be_none(self, tmp_path):
        speech = Speech(np.zeros(0, np.float32), 24_000, "", "nothing said")
        assert speech._repr_html_().endswith(">(no words) (nothing said): no sound</p>")
        with pytest.raises(AudioError, match="no sound to play or save: nothing said"):
            speech.save(tmp_path / "b.wav")
        assert not list(tmp_path.iterdir())


class TestCommand:
    def test_it_writes_speech_and_says_what_it_did(self, folder, lm, wave, tmp_path):
        esns, out = tmp_path / "esns.safetensors", tmp_path / "b.wav"
        neurons_of(lm).save(esns)
        outcome = esn(
            "convert", "--model", folder, "--in", wave, "--to", "angry", "--neurons", esns, "--alpha", "3",
            "--voice", "Ethan", "--greedy", "--max-seconds", "0.1", "--seed", "5", "--out", out, "--json",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        content = outcome.content
        assert (content["component"], content["neurons"], content["alpha"], content["seed"]) == ("talker", 20, 3.0, 5)
        wave_made, rate = soundfile.read(out)
        assert rate == content["sampling_rate"] == 24_000
        assert len(wave_made) / rate == pytest.approx(content["seconds"], abs=1e-3)
        assert content["problem"] == "never ended"
        assert "never ended" in outcome.err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--out", "b.mp3"), "the file is a .wav file; call it b.wav"),
            (("--alpha", "1"), "say what, with --neurons"),
            (("--in", "missing.wav"), "missing.wav: no such file"),
            (("--model", "toy-omnibus"), "unknown model 'toy-omnibus'"),
        ],
    )
    def test_what_cannot_be_done_is_refused_before_the_model_is_loaded(self, folder, wave, tmp_path, words, message):
        given = {"--model": str(folder), "--in": str(wave), "--to": "angry", "--out": str(tmp_path / "b.wav")}
        given |= dict([words])
        outcome = esn("convert", *[word for pair in given.items() for word in pair])
        assert message in outcome.refusal
        assert not (tmp_path / "b.wav").exists()

    def test_a_checkpoint_that_only_writes_is_refused(self, tiny_folder, wave, tmp_path):
        outcome = esn("convert", "--model", tiny_folder, "--in", wave, "--to", "sad", "--out", tmp_path / "b.wav")
        assert "holds the thinker only, which writes and does not speak" in outcome.refusal

    def test_a_voice_that_is_not_there_is_refused(self, folder, wave, tmp_path):
        outcome = esn(
            "convert", "--model", folder, "--in", wave, "--to", "sad", "--voice", "Nobody", "--out", tmp_path / "b.wav"
        )
        assert "no voice 'Nobody'; the model has Chelsie, Ethan" in outcome.refusal

