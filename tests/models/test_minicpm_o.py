"""MiniCPM-o, on a stand-in of the code that comes with it: what the shared contract does not ask.

The reference is the published way of asking it, its ``chat``.
"""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from puppet_model import sources
from tiny_models import BUILDERS
from tiny_omni import CHOICE, noise

from esn_interp.errors import AudioError, ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.conversion import convert
from esn_interp.models.edits import Edit
from esn_interp.models.families.clip_by_clip import ClipByClip
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.minicpm_o import MiniCPMO
from esn_interp.models.families.spoken import SpeechRequest
from esn_interp.models.loading import load
from esn_interp.tasks.conversion import conversions

CLIP, OTHER = noise(0.7, 1.1)
WORDS = 9
WORDY = Manner(max_new_tokens=WORDS)
BRIEF = Manner(max_new_tokens=WORDS, max_seconds=1.6)


@pytest.fixture(scope="module")
def minicpm(tmp_path_factory: pytest.TempPathFactory) -> AudioLM:
    folder = BUILDERS["minicpm-o"](tmp_path_factory.mktemp("checkpoint") / "minicpm")
    return load(folder, trust_remote_code=True)


def everywhere(lm: AudioLM, stack: str, gain: float = 3.0) -> list[Edit]:
    return [Edit(layer, np.arange(width), gain=gain) for layer, width in enumerate(lm.stacks[stack].widths)]


def chat(lm: AudioLM, waveform: np.ndarray, **options: Any) -> str:
    messages = [{"role": "user", "content": [waveform, CHOICE]}]
    return lm.model.chat(msgs=messages, do_sample=False, num_beams=1, max_new_tokens=WORDS, **options)


class TestMiniCPMO:
    def test_answers_are_those_of_chat(self, minicpm):
        for waveform in (CLIP, OTHER):
            tokens = minicpm.processor.tokenizer(chat(minicpm, waveform))["input_ids"]
            expected = minicpm.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            assert minicpm.generate([waveform], CHOICE, max_new_tokens=WORDS) == [expected]

    def test_an_answer_ends_where_speech_would(self, minicpm, monkeypatch):
        stop = minicpm.processor.tokenizer.convert_tokens_to_ids("<|tts_eos|>")
        clip = minicpm.family.one(minicpm.family.inputs(minicpm.processor, [CLIP], CHOICE).tensors, 0)
        whole = minicpm.family.answer(minicpm.model, clip, max_new_tokens=WORDS)
        assert len(whole) > 3

        def generate(**inputs):
            texts, output = type(minicpm.model).generate(minicpm.model, **inputs)
            output.sequences = torch.cat([output.sequences[:, :3], torch.full((1, 2), stop)], dim=1)
            return texts, output

        monkeypatch.setattr(minicpm.model, "generate", generate)
        assert torch.equal(minicpm.family.answer(minicpm.model, clip, max_new_tokens=WORDS), whole[:3])

    def test_a_batch_is_padded_behind_nothing(self, minicpm):
        """Padding would reach the encoder's last frames: each clip is encoded as if it were alone."""
        together = minicpm.encode([CLIP, OTHER], CHOICE)
        alone = minicpm.encode([CLIP], CHOICE)
        embedded, length = together.decoder_inputs["inputs_embeds"][0], alone.scopes.shape[1]
        assert torch.equal(embedded[-length:], alone.decoder_inputs["inputs_embeds"][0])

    def test_a_clip_longer_than_the_encoder_is_refused(self, minicpm):
        with pytest.raises(AudioError, match="longer than the 30 s"):
            minicpm.encode(noise(30.5), CHOICE)

    def test_it_speaks(self, minicpm):
        said = minicpm.speak(CLIP, CHOICE, manner=WORDY)
        assert said.text == chat(minicpm, CLIP).strip()
        assert said.sampling_rate == 24_000
        assert np.ptp(said.waveform) > 0.1
        short = minicpm.speak(CLIP, CHOICE, manner=replace(WORDY, max_seconds=0.01))
        np.testing.assert_array_equal(short.waveform, said.waveform[:240])

    def test_edits_of_the_tts_change_the_sound_alone(self, minicpm):
        plain = minicpm.speak(CLIP, CHOICE, manner=WORDY)
        tts = load(minicpm.model, processor=minicpm.processor, component="tts")
        edited = tts.speak(CLIP, CHOICE, edits=everywhere(tts, "tts", 30.0), manner=WORDY)
        assert edited.text == plain.text
        assert not np.array_equal(edited.waveform, plain.waveform)
        llm = minicpm.speak(CLIP, CHOICE, edits=everywhere(minicpm, "thinker"), manner=WORDY)
        assert llm.text != plain.text

    def test_speech_that_was_not_written_is_an_error(self, minicpm, monkeypatch, capsys):
        def broken(codes):
            raise RuntimeError("no vocoder")

        monkeypatch.setattr(minicpm.model.tts, "audio_tokenizer", broken)
        with pytest.raises(ModelError, match="wrote no speech"):
            minicpm.speak(CLIP, CHOICE, manner=WORDY)
        assert "no vocoder" in capsys.readouterr().out

    def test_it_converts_and_counts_speech_that_was_not_written(self, minicpm, monkeypatch, capsys):
        tts = load(minicpm.model, processor=minicpm.processor, component="tts")
        manner = Manner(max_new_tokens=WORDS)
        run = conversions(tts, sources("neutral"), ["sad"], manner=manner, gates=True, progress=False)
        assert [one.kind for one in run.conversions] == [None, None]
        assert run.reductions is not None
        assert run.reductions[0] is not None
        assert set(run.reductions[0].tokens) == {"generated"}  # it sees nothing but what it says
        with pytest.raises(ModelError, match=r"MiniCPM-o 4\.5 chooses codes of speech itself.*leave out greedy"):
            convert(tts, CLIP, to="sad", manner=Manner(greedy=True))

        def broken(codes):
            raise RuntimeError("no vocoder")

        monkeypatch.setattr(minicpm.model.tts, "audio_tokenizer", broken)
        run = conversions(tts, sources("neutral"), ["sad"], manner=manner, progress=False)
        assert run.problems == {"vocoder failed": 2}
        assert "no vocoder" in capsys.readouterr().out

    def test_its_system_prompt_is_spoken_with_too(self, minicpm):
        lm = load(minicpm.model, processor=minicpm.processor, system="Be kind.")
        request = SpeechRequest([CLIP], CHOICE, [0], Manner(max_new_tokens=3), "Be kind.")
        inputs = lm.family.speech_inputs(lm.processor, request).tensors
        assert "Be kind." in lm.processor.tokenizer.decode(inputs["input_ids"][0])
        said = lm.speak(CLIP, CHOICE, manner=request.manner)
        assert said.text == lm.generate([CLIP], CHOICE, max_new_tokens=3)[0]


def test_code_that_fails_is_told_in_one_line():
    class Auto:
        @staticmethod
        def from_pretrained(path, **options):
            raise AttributeError("'Config' object has no attribute 'rope_theta'")

    with pytest.raises(
        ModelError, match=r"failed under transformers .*rope_theta.*it runs with transformers 4.51"
    ):
        MiniCPMO().by_its_own_code(Auto, "somewhere")


@pytest.mark.parametrize(("version", "name"), [("4.51.0", "torch_dtype"), ("4.57.6", "dtype")])
def test_older_releases_are_given_the_precision_by_its_older_name(monkeypatch, version, name):
    class Auto:
        given: ClassVar[dict[str, Any]] = {}

        @classmethod
        def from_pretrained(cls, path, **options):
            cls.given = options
            return torch.nn.Linear(1, 1)

    monkeypatch.setattr("transformers.__version__", version)
    ClipByClip.by_its_own_code(MiniCPMO(), Auto, "somewhere", dtype=torch.bfloat16)
    assert Auto.given == {name: torch.bfloat16}
