"""A recording said again: the model is made ready once, and silence is told of."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import esn_interp as esn
from esn_interp.errors import ModelError
from esn_interp.playground import voice as voice_module
from esn_interp.playground.bench import Heard
from esn_interp.playground.parts import heard_player, neuron_links, speech_player
from esn_interp.playground.voice import Voice
from esn_interp.speech.playable import Speech

TONE = np.sin(np.arange(8000) / 20).astype(np.float32)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the model was asked to say."""
    asked: list[dict[str, Any]] = []

    def convert(lm: Any, source: Any, **how: Any) -> Speech:
        asked.append({"source": source, **how})
        return Speech(TONE, 16_000, "go")

    monkeypatch.setattr(voice_module, "convert", convert)
    return asked


class Sets:
    emotions = ("happy", "angry")

    def __getitem__(self, emotion: str) -> str:
        return f"neurons of {emotion}"


def voice(made: list[int]) -> Voice:
    found = Voice("toy-omni", SimpleNamespace())  # pyright: ignore[reportArgumentType]
    found._make = lambda: (made.append(1), (SimpleNamespace(), Sets()))[1]  # pyright: ignore
    return found


@pytest.mark.usefixtures("unchecked")
def test_a_recording_is_said_unsteered_and_steered(said: list[dict[str, Any]]):
    made: list[int] = []
    one, heard = voice(made), Heard("mine", TONE, None, np.ones(2), None)  # pyright: ignore[reportArgumentType]
    before, after = one.say(heard, "angry", 2.0)
    assert [(asked["to"], asked.get("neurons"), asked.get("alpha")) for asked in said] == [
        ("angry", None, None),
        ("angry", "neurons of angry", 2.0),
    ]
    assert said[0]["source"] is TONE
    clip = SimpleNamespace()
    before, after = one.say(Heard("a clip", TONE, None, np.ones(2), clip), "happy", 0.0)  # pyright: ignore
    assert before is after  # what nothing steers is not said twice
    assert len(said) == 3
    assert said[2]["source"] is clip
    with pytest.raises(ModelError, match="no neurons of speaking go with 'bored'; choose happy, angry"):
        one.say(heard, "bored", 1.0)
    assert made == [1]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:few clips")
def test_the_neurons_of_a_voice_are_found_on_what_it_said_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(voice_module, "_SOURCES", 1)
    monkeypatch.setattr(voice_module, "TARGETS", ("happy", "angry"))
    lm, neurons = Voice("toy-omni", esn.corpus("toy-studio")).ready()
    assert neurons.emotions == ("happy", "angry")
    assert neurons.parameters["scope"] == "generated"
    assert (neurons.origin.component, neurons.origin.fingerprint) == (lm.component, lm.fingerprint)
    assert neurons.counts().sum(axis=1).tolist() == [round(0.1 * neurons.n_gates)] * 2


@pytest.mark.usefixtures("unchecked")
def test_what_was_said_is_played_and_silence_is_told():
    assert "angry: “go &lt;on&gt;”" in speech_player(Speech(TONE, 16_000, "go <on>"), "angry")
    silent = Speech(np.zeros(0, np.float32), 16_000, "", "never ended")
    assert speech_player(silent, "angry <2>") == "<p>angry &lt;2&gt;: no sound (never ended)</p>"
    nothing = Speech(np.zeros(0, np.float32), 16_000, "")
    assert "no sound (nothing was said)" in speech_player(nothing, "angry")
    heard = Heard("my recording", TONE, None, np.ones(2), None)  # pyright: ignore[reportArgumentType]
    assert "my recording" in heard_player(heard)


def test_where_no_neuron_is_selected_there_are_no_links():
    assert neuron_links([]) == "<p>No neuron is selected here.</p>"
    assert neuron_links([(2, 5, 0.5)]).count("<li>") == 1
