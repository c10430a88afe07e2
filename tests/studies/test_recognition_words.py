"""What the pages of a study of recognition say, sentence by sentence; and files that do not say what they must."""

import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from esn_interp.errors import EsnError, StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.speech.playable import Speech
from esn_interp.studies.conversion import sounds
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.sounds import Sounds
from esn_interp.studies.processes import _deaf_to_interrupts
from esn_interp.studies.recognition import chapters
from esn_interp.studies.recognition import study as study_module
from esn_interp.studies.recognition.article import tables, wording
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.whole import kind_of, study


def test_voices_that_the_model_heard_are_told():
    (told,) = chapters._lines({"unheard_by": "toy-emodb", "evaluated": ["s1", "s2"]})
    assert "it is evaluated on those whom it had not heard: s1, s2." in str(told)
    (told,) = chapters._lines({"unheard_by": "toy-emodb"})
    assert str(told).endswith("on those whom it had not heard.")


def test_what_silencing_costs_beside_the_emotion_is_the_mean_over_the_emotions():
    conditions = [
        {"transcription": 0.9, "sex": None},
        {"transcription": 0.8, "sex": 0.5},
        {"transcription": 0.6, "sex": 0.5},
    ]
    (told,) = chapters._lines({"costs": {"clips": 40, "conditions": conditions}})
    assert str(told) == (
        "Beside the emotion, on 40 evaluation clips: transcripts right 90 % unedited, 70 % silenced."
    )


def test_a_figure_without_an_interval_is_told_alone():
    assert chapters._points({"value": -0.123, "low": None, "high": None}) == "-12.3"
    assert chapters._points({"value": -0.123, "low": -0.2, "high": 0.01}) == "-12.3 [-20.0, +1.0]"


def test_where_clips_of_one_voice_were_not_to_be_had_it_is_said_what_was_drawn():
    told: dict[str, Any] = {"settings": {"alpha": 2}, "examples": {"same_speaker": False}}
    assert wording.listen_sentence(told).startswith("One clip of each emotion, drawn by the seed")
    told["examples"]["same_speaker"] = True
    assert wording.listen_sentence(told).startswith("One evaluation voice says one sentence in every emotion")
    assert "those of another emotion multiplied by 3." in wording.listen_sentence(told)


@pytest.mark.parametrize(
    ("null", "said"),
    [
        (None, "was not tested"),
        ({"p": None}, "was not tested"),
        ({"p": 0.01}, "(p = 0.01, the selection’s): the loss is the emotion’s own."),
        ({"p": 0.3}, "(p = 0.3, the selection’s): this run does not show that"),
    ],
)
def test_a_loss_is_the_emotions_own_only_beyond_the_selection(null: Any, said: str):
    assert said in wording._beyond_selection(null)


def test_changes_of_what_was_not_measured_are_not_told_and_nulls_only_where_there_are_some():
    row, before = {"sex": 0.5, "words": None}, {"sex": 0.75, "words": 0.5}
    assert tables._change(row, before, "sex").startswith(("−25", "-25"))
    assert tables._change(row, before, "words") == tables._change(before, row, "words") != ""
    assert tables._selection({"ablation": {}}) == []
    null = {"p": 0.04, "permutations": 20, "mean": -0.1}
    (told,) = tables._selection({"ablation": {"selection": null}})
    assert "(p 0.04, 20 permutations)" in told


@pytest.mark.usefixtures("unchecked")
def test_a_result_that_can_not_tell_what_is_written_of_it_is_another():
    def told(result: Any, its: Any) -> Any:
        raise StatisticsError("a dose that was not run")

    assert study_module._told(SimpleNamespace(told=told), None, {}) is None  # pyright: ignore[reportArgumentType]
    assert not study_module._fits(None, {})
    assert study_module._fits({"a": 1, "b": 2}, {"a": 1})
    assert not study_module._fits({"a": 1}, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("models: [toy-omni]\ncorpora: [toy-studio]\ntargets: [happy]\n", ConversionConfig),
        ("models: [toy-omni]\n", RecognitionConfig),
        ("- 1\n", RecognitionConfig),
        ("a: [", RecognitionConfig),
    ],
)
def test_what_a_config_is_about_is_seen_in_its_settings(tmp_path: Path, text: str, kind: type):
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    assert kind_of(tmp_path / "study.yaml") is kind


def test_where_nothing_was_begun_there_is_nothing_to_resume(tmp_path: Path):
    with pytest.raises(EsnError, match="there is no study to resume; leave --resume out to begin one"):
        study(RecognitionConfig(name="mine", models=("toy-omni",), corpora=("toy-studio",)), tmp_path, resume=True)  # pyright: ignore
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", [["a", "happy", 16_000, "go"], ["a", "happy", "fast", "go", None], ["a", "b", 1, "go", 3]]
)
def test_a_stored_sound_that_can_not_be_is_named(tmp_path: Path, line: list[Any]):
    path = tmp_path / "x.sounds.safetensors"
    Sounds({("a", "happy"): Speech(np.ones(8, np.float32), 16_000, "go")}).save(path)
    assert Sounds.load(path).of["a", "happy"].text == "go"
    arrays, header = load_tensors(path, kind=sounds.KIND, version=sounds.VERSION)
    save_tensors(path, arrays, header | {"sounds": [line]})
    with pytest.raises(StatisticsError, match="entry 'sounds' is wrong at 0, or its array is missing"):
        Sounds.load(path)


def test_processes_that_another_thread_begins_are_left_as_they_are():
    seen: list[Any] = []

    def begin() -> None:
        with _deaf_to_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
    with _deaf_to_interrupts():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert seen == [signal.getsignal(signal.SIGINT)]
