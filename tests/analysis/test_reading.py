"""Hearing and reading: on a made-up model that uses half of its heard gates when it reads; and the sentences."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from figure_rules import fits_a_phone
from planted_reader import EMOTIONS, HEARD, READ, PlantedReader
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from esn_interp.analysis.reading.measure import reading
from esn_interp.analysis.reading.result import PLACES, Reading
from esn_interp.errors import ModelError, StatisticsError
from esn_interp.models.families.inputs import Processor
from esn_interp.models.loading import load
from esn_interp.models.written import written_inputs
from esn_interp.speech.clips import Clips
from esn_interp.tasks.reading import expressed, named

PERMUTATIONS = 40


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for speaker in "abc":
        for at, emotion in enumerate(EMOTIONS):
            path = folder / f"{speaker}-{emotion}.wav"
            wave = np.zeros(4_000, dtype=np.float32)
            wave[::2] = (at + 1) / 10
            soundfile.write(path, wave, 16_000, subtype="FLOAT")
            rows.append({"audio": str(path), "emotion": emotion, "speaker": speaker, "id": path.stem})
    return Clips.from_frame(pd.DataFrame(rows), name="levels")


@pytest.fixture(scope="module")
def result(clips: Clips) -> Reading:
    lm = PlantedReader()
    return reading(lm, clips, lm.heard_set, permutations=PERMUTATIONS)


# ----------------------------------------------------------------------------------------------------- the sentences


def test_a_topic_has_one_sentence_of_every_emotion_and_none_names_one() -> None:
    words = (
        r"emotion|feel|neutral|calm|happ|joy|glad|cheerful|delight|angr|anger|furious|rage|mad\b|annoy|sad|sorrow|grief"
        r"|unhappy|miserable|fear|afraid|scared|frighten|terrif|panic|anxious"
    )
    topics: dict[str, set[str]] = {}
    for one in expressed():
        topics.setdefault(one.topic, set()).add(one.emotion)
        assert not re.search(words, one.sentence.lower()), one.sentence
    assert len(topics) == 8
    assert all(emotions == set(EMOTIONS) for emotions in topics.values())
    assert len({one.sentence for one in expressed()}) == 40


def test_sentences_are_equally_long_whatever_they_express() -> None:
    lengths = {emotion: [] for emotion in EMOTIONS}
    for one in expressed():
        lengths[one.emotion].append(len(one.sentence.split()))
    assert all(9 <= count <= 13 for counts in lengths.values() for count in counts)
    means = [np.mean(counts) for counts in lengths.values()]
    assert max(means) - min(means) < 1


def test_the_named_ones_differ_in_the_name_alone() -> None:
    plain = {one.topic: one.sentence for one in expressed() if one.emotion == "neutral"}
    for one in named():
        assert one.sentence.endswith(f" {one.emotion} voice says: {plain[one.topic]}")


# --------------------------------------------------------------------------------------------------------- the result


def test_overlaps_are_those_of_the_planted_gates(result: Reading) -> None:
    assert result.kinds == ("read", "named")
    for pair in result.pairs:
        np.testing.assert_array_equal(np.diag(pair.shared), [2] * 5)
        assert pair.shared.sum() == 10
        jaccard = len(np.intersect1d(HEARD["sad"], READ["sad"])) / len(np.union1d(HEARD["sad"], READ["sad"]))
        np.testing.assert_allclose(np.diag(pair.jaccard), jaccard)
    np.testing.assert_allclose(result.difference, 2 / 6)
    np.testing.assert_array_equal(result.right, 1.0)


def test_permuted_labels_do_not_reach_the_planted_overlap(result: Reading) -> None:
    assert result.drawn.shape == (2, PERMUTATIONS)
    assert (result.drawn < result.difference[:, None]).all()
    np.testing.assert_allclose(result.p_values, 1 / (1 + PERMUTATIONS))


def test_every_heard_neuron_is_counted_in_one_place(result: Reading) -> None:
    assert len(PLACES) == result.places.shape[1]
    np.testing.assert_array_equal(result.places, [[2, 0, 0, 2]] * 5)


def test_crossed_silencing_takes_what_is_shared_and_no_more(result: Reading) -> None:
    """Two of four gates are shared: what they add to the right answer's score is gone, of other emotions nothing."""
    whole = {(one.neurons, one.doing): one for one in result.effects}
    assert set(whole) == {(n, d) for n in ("heard", "read") for d in ("hearing", "reading")}
    # Scores are sums of gates: the right emotion's is 4, the others' are -0.4.
    lost = {2: (2 - np.log(4 * np.exp(-0.4))) - (4 - np.log(4 * np.exp(-0.4))), 4: -4.0}
    assert whole["heard", "reading"].own.value == pytest.approx(lost[2], abs=1e-5)
    assert whole["read", "hearing"].own.value == pytest.approx(lost[2], abs=1e-5)
    for neurons, doing in (("heard", "hearing"), ("read", "reading")):
        assert whole[neurons, doing].own.value == pytest.approx(lost[4], abs=1e-5)
    for one in result.effects:
        assert one.contrast.value == pytest.approx(one.own.value - one.others.value)
        assert abs(one.others.value) < 0.2


def test_it_is_saved_drawn_and_told(result: Reading, tmp_path: Path) -> None:
    result.save(tmp_path / "reading.json")
    again = Reading.load(tmp_path / "reading.json")
    assert again.summary() == result.summary()
    np.testing.assert_array_equal(again.pairs[0].shared, result.pairs[0].shared)
    figure = result.plot()
    fits_a_phone(figure)
    own = next(trace for trace in figure.data if trace.name == "own emotion")
    np.testing.assert_allclose(own.x, [one.own.value for one in result.effects])
    assert len(result.to_frame()) == 2 * 25
    assert len(result.effects_frame()) == 4


# ------------------------------------------------------------------------------------------------------ what can't be


def test_a_sentence_stands_in_the_clips_place() -> None:
    lm, sentences = load("toy-omni"), [one.sentence for one in expressed()[:3]]
    inputs = lm.prepare_text(sentences, "How does the speaker feel?")
    tokenizer = lm.processor.tokenizer
    for row, sentence in enumerate(sentences):
        ids = inputs.tensors["input_ids"][row]
        assert tokenizer.decode(ids[inputs.audio[row]]).strip() == sentence
        assert "How does the speaker feel?" in tokenizer.decode(ids[~inputs.audio[row]])
    encoded = lm.encode(inputs, "")
    assert encoded.scopes[0, -1] == 2
    assert set(np.unique(encoded.scopes)) <= {-1, 0, 1, 2}


def test_a_model_without_the_words_says_so() -> None:
    known = {word: at for at, word in enumerate(("[UNK]", "the", "left", "How", "?", "user"))}
    words = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[UNK]")
    template = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endfor %}"
    processor = Processor(tokenizer, None, template)
    assert written_inputs(processor, ["the left"], "How?").audio.tolist() == [[True, True, False, False]]
    with pytest.raises(ModelError, match="vocabulary lacks a word"):
        written_inputs(processor, ["the train left"], "How?")


def test_neurons_that_no_selector_made_are_refused(clips: Clips) -> None:
    from dataclasses import replace

    lm = PlantedReader()
    with pytest.raises(StatisticsError, match="not by one selector"):
        reading(lm, clips, replace(lm.heard_set, selector="custom"), permutations=2, silencing=False)


def test_without_silencing_the_overlap_is_told_alone(clips: Clips) -> None:
    lm = PlantedReader()
    found = reading(lm, clips, lm.heard_set, sentences=expressed(), permutations=2, silencing=False)
    assert [pair.b for pair in found.pairs] == ["read"]
    assert found.effects == ()
    assert found.clips == 0
    assert not [trace for trace in found.plot().data if trace.name == "own emotion"]
    assert found.summary().endswith(".")


def test_what_can_not_be_read_is_refused(clips: Clips) -> None:
    lm = PlantedReader()
    with pytest.raises(StatisticsError, match="this model can't be asked about a text"):
        reading(object(), clips, lm.heard_set)  # pyright: ignore[reportArgumentType]
    one = [written for written in expressed() if written.emotion == "sad"]
    with pytest.raises(StatisticsError, match="the sentences have fewer than two of the emotions "):
        reading(lm, clips, lm.heard_set, sentences=one)
