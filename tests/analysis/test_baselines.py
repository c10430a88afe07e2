"""Baselines: where the stream carries the emotion, a direction in it wins; and every number against a plain loop."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from planted_listener import EMOTIONS, WIDTHS, planted_clips
from stream_listener import StreamListener

from esn_interp.analysis.baselines.directions import Streams, projected_out, pushed, streams
from esn_interp.analysis.baselines.measure import baselines
from esn_interp.analysis.baselines.others import Prefixed, asked_in_words
from esn_interp.analysis.baselines.result import Baselines
from esn_interp.errors import CorpusError
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.recognition import Recognition, recognise

STRENGTHS = (0.5, 1.0, 2.0, 8.0)
HOW = {"batch_size": 16, "strict": False, "progress": False}


def gates_of_emotions() -> NeuronSet:
    origin = Origin("planted", "f00d", "thinker", WIDTHS, "planted-ident", "beef")
    return NeuronSet.from_indices(origin, {one: np.array([e, WIDTHS[0] + e]) for e, one in enumerate(EMOTIONS)})


class Short(StreamListener):
    """Remembers how long transcripts may be."""

    longest: ClassVar[set[int]] = set()

    def generate(self, waveforms, prompt, *, edits=(), max_new_tokens=32) -> list[str]:
        self.longest.add(max_new_tokens)
        return super().generate(waveforms, prompt, edits=edits, max_new_tokens=max_new_tokens)


@pytest.fixture(scope="module")
def found() -> Baselines:
    clips = planted_clips(speakers=8, leaks=np.linspace(0, 0.4, 8).tolist(), mistaken=[(0, "sad", "angry")])
    return baselines(
        Short(),
        clips,
        gates_of_emotions(),
        identification=planted_clips(speakers=4, leaks=[0.1] * 4),
        validation=planted_clips(speakers=3, takes=1),
        alphas=STRENGTHS,
        strengths=STRENGTHS,
        side_clips=15,
        max_new_tokens=24,
        adapter_rank=2,
        progress=False,
    )


def test_where_the_stream_carries_the_emotion_a_direction_in_it_wins(found: Baselines):
    assert found.best == "direction"
    table = found.at_equal_cost().set_index("method")
    assert table.loc["direction", "effect"] > 0.9
    assert table.loc["neurons", "effect"] < 0.1
    assert table.loc["words", "effect"] < 0.1
    assert "direction steers best" in found.summary()


def test_a_model_without_weights_has_no_adapter_and_the_result_says_so(found: Baselines):
    assert "adapter" not in found.methods
    assert any(note.startswith("no low-rank adapter: ") for note in found.notes)


def test_transcripts_are_no_longer_than_asked_for_under_any_method(found: Baselines):
    assert {"neurons", "words"} <= set(found.methods)
    assert Short.longest == {24}


def test_the_layer_is_the_one_that_steers_on_validation(found: Baselines):
    assert found.layers == {"mean": 1, "probe": 1}


def test_silencing_by_projection_takes_the_emotion_and_neurons_take_nothing(found: Baselines):
    value = dict(zip(found.silenced.methods, found.silenced.effect.value, strict=True))
    assert value["direction"] < -0.8
    assert value["neurons"] == 0


def test_a_cost_beyond_the_equal_one_is_not_compared(found: Baselines):
    strongest = found.steered.of("direction")[-1]
    assert found.steered.cost.value[strongest] > found.equal_cost, "at 8 times the length a word is lost"
    chosen = found.steered.within("direction", found.equal_cost)
    assert chosen is not None
    assert found.steered.strengths[chosen] < 8
    assert found.steered.within("direction", -1.0) is None


def test_effects_are_those_of_a_plain_loop(found: Baselines):
    listener = StreamListener()
    clips = planted_clips(speakers=8, leaks=np.linspace(0, 0.4, 8).tolist(), mistaken=[(0, "sad", "angry")])
    known = planted_clips(speakers=4, leaks=[0.1] * 4)
    read = streams(listener, known, Recognition(EMOTIONS), scope="audio,last", correct=True, **HOW)
    mean = [np.mean([v for v, t in zip(read.values[1], read.truth, strict=True) if t == k], axis=0) for k in range(5)]
    rates = []
    for e, emotion in enumerate(EMOTIONS):
        direction = mean[e] - np.mean([mean[k] for k in range(5) if k != e], axis=0)
        shift = float(np.linalg.norm(direction))
        edit = Edit(1, np.arange(8), along=direction, shift=shift, site="resid_post")
        answers = recognise(listener, clips, conditions={"pushed": [edit]})
        other = np.array(clips.column("emotion")) != emotion
        rates.append(np.mean(answers.predicted[0][other] == e))
    at = found.steered.of("direction")[1]
    assert found.steered.strengths[at] == 1
    assert found.steered.effect.value[at] == pytest.approx(np.mean(rates))


def test_probes_point_where_classes_are_told_apart():
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    values = 0.1 * rng.standard_normal((1, 90, 6))
    values[0, np.arange(90), truth] += 1
    values[0, :, 5] += 50 * rng.standard_normal(90)  # large, and about nothing
    read = Streams(values, truth, ("a", "b", "c"))
    for at, probe in enumerate(read.of_probes()[0]):
        assert np.argmax(probe) == at
        assert abs(probe[5]) < 1e-3 * abs(probe[at])
    assert pushed(np.zeros(3), 0, 1.0) == []
    assert len(projected_out([np.ones(3), np.zeros(3)])) == 1


def test_words_stand_before_every_question():
    heard = []

    class Noting(StreamListener):
        def encode(self, waveforms, prompt):
            heard.append(prompt)
            return super().encode(waveforms, prompt)

    prefixed = Prefixed(Noting(), "Now. ")
    recognise(prefixed, planted_clips(speakers=1, takes=1))
    prefixed.encode([np.ones(4000, np.float32)] * 2, ["a", "b"])
    assert heard[0].startswith("Now. What is")
    assert heard[-1] == ["Now. a", "Now. b"]


def test_clips_that_find_directions_are_refused_before_anything_is_run():
    clips, listener = planted_clips(speakers=2, takes=1), StreamListener()
    with pytest.raises(CorpusError, match=r"10 of 10 clips .* --allow-identification-clips"):
        baselines(listener, clips, gates_of_emotions(), identification=clips, validation=clips, progress=False)
    assert listener.encoded == []


def test_it_is_saved_loaded_and_drawn(found: Baselines, tmp_path: Path):
    found.save(tmp_path / "b.json")
    again = Baselines.load(tmp_path / "b.json")
    assert again.summary() == found.summary()
    assert len(again.to_frame()) == 5 * len(STRENGTHS) + 1 + 5
    figure = again.plot()
    assert {trace.name for trace in figure.data} == set(found.methods)


@pytest.mark.parametrize("words", ["{emotion.__class__} ", "{emotion:>9}", "{mood}", "{}", "Speak up. "])
def test_words_hold_the_emotion_by_its_name_and_nothing_else(words: str):
    with pytest.raises(CorpusError, match=r"the words '.*': .*{emotion}"):
        asked_in_words(StreamListener(), words)
