"""Protocols as data, and the lettered question: who stands behind which letter, and how it is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_up_listener import EMOTIONS as THREE
from made_up_listener import MadeUpModel, corpus
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_set
from rounding import assert_close

from esn_interp.analysis.trials import options
from esn_interp.errors import CorpusError, EsnError
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.studies.config import load_config
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.tasks import protocols
from esn_interp.tasks.chance import guesses
from esn_interp.tasks.collection import collect
from esn_interp.tasks.enough import at_most, until_correct
from esn_interp.tasks.protocols import PROTOCOLS, asked_by, official_wording, protocol
from esn_interp.tasks.recognition import Recognition, recognise
from esn_interp.tasks.wording import Wording

AUTHORS, OURS = protocol("authors"), protocol("ours")


class LetteredListener(PlantedListener):
    """Reads the letters off each clip's own prompt, as a model that was taught them does."""

    def encode(self, waveforms, prompt):
        prompts = [prompt] * len(waveforms) if isinstance(prompt, str) else list(prompt)
        return replace(super().encode(waveforms, ""), prompt=prompts)

    def scores(self, encoded, labels, *, edits=()):
        words = super().scores(replace(encoded, prompt=""), EMOTIONS, edits=edits)
        letters = np.zeros_like(words)
        for row, prompt in enumerate(encoded.prompt):
            for emotion, score in zip(EMOTIONS, words[row], strict=True):
                letters[row, labels.index(prompt[prompt.index(f". {emotion}") - 1])] = score
        return letters


def test_letters_stand_before_the_options_in_the_words_that_models_are_taught():
    fixed = Recognition(EMOTIONS, wording=replace(AUTHORS.wording, shuffled=False))
    assert fixed.asked(["x"]) == (
        "What is the emotion of the speaker? Choose one option: A. neutral B. happy C. angry D. sad E. fearful."
        " Answer with the letter."
    )
    assert fixed.labels == tuple("ABCDE")


@given(seed=st.integers(0, 99), clip=st.text(max_size=8), options=st.integers(2, 26))
def test_every_clip_has_an_order_of_its_own_that_hangs_on_nothing_else(seed: int, clip: str, options: int):
    wording = replace(AUTHORS.wording, seed=seed)
    order = wording.order(clip, options)
    assert sorted(order.tolist()) == list(range(options))
    np.testing.assert_array_equal(order, wording.order(clip, options))


def test_orders_differ_between_clips_and_seeds_and_every_emotion_meets_every_letter():
    orders = np.array([AUTHORS.wording.order(f"clip {at}", 5) for at in range(500)])
    counts = np.stack([np.bincount(column, minlength=5) for column in orders.T])
    assert counts.min() > 60, "100 are expected of each"
    other = np.array([AUTHORS.seeded(1).wording.order(f"clip {at}", 5) for at in range(500)])
    assert (orders != other).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("shuffled", [True, False])
def test_letters_are_read_back_as_the_emotions_that_stood_behind_them(shuffled: bool):
    asked = Recognition(EMOTIONS, wording=replace(AUTHORS.wording, shuffled=shuffled))
    clips = planted_clips(mistaken=[(0, "sad", "angry"), (3, "happy", "fearful")], leaks=[0.1] * 8)
    plain = recognise(PlantedListener(), clips)
    for batch_size in (1, 7, 100):
        found = recognise(LetteredListener(), clips, recognition=asked, batch_size=batch_size)
        assert_close(found.log_probs, plain.log_probs, terms=len(EMOTIONS))
    other = replace(asked, wording=replace(asked.wording, seed=7))
    assert_close(
        recognise(LetteredListener(), clips, recognition=other).log_probs, plain.log_probs, terms=len(EMOTIONS)
    )


def test_the_right_letter_is_where_the_emotion_stands():
    asked = Recognition(EMOTIONS, wording=AUTHORS.wording)
    ids, truth = [f"c{at}" for at in range(20)], np.arange(20) % 5
    letters = asked.answers(truth, ids)
    for clip, emotion, letter in zip(ids, truth, letters, strict=True):
        assert f"{'ABCDE'[letter]}. {EMOTIONS[emotion]}" in asked.asked([clip])[0]
    words = Recognition(("happy", "sad"), synonyms={"happy": ("glad",)})
    assert words.answers(np.array([0, 1]), ["a", "b"]).tolist() == [0, 2]


def test_a_shuffled_run_is_that_of_its_seed_whatever_the_batches():
    clips = planted_clips(speakers=3, leaks=[0.0, 0.3, 0.6])
    runs = {
        (seed, size): recognise(
            LetteredListener(), clips, recognition=AUTHORS.seeded(seed).recognition(EMOTIONS), batch_size=size,
            progress=False,
        )
        for seed, size in ((0, 1), (0, 7), (0, 32), (1, 32))
    }  # fmt: skip
    first = runs[0, 1]
    for size in (7, 32):
        np.testing.assert_array_equal(runs[0, size].log_probs, first.log_probs)
    # Another seed sets other letters, and who hears emotions answers the same.
    question = {seed: AUTHORS.seeded(seed).recognition(EMOTIONS).asked(first.clips) for seed in (0, 1)}
    assert sum(one != other for one, other in zip(question[0], question[1], strict=True)) > 20
    assert question[0] == AUTHORS.seeded(0).recognition(EMOTIONS).asked(first.clips)
    np.testing.assert_array_equal(runs[1, 32].predicted, first.predicted)
    half = recognise(
        LetteredListener(), clips.take(range(15)), recognition=AUTHORS.seeded(0).recognition(EMOTIONS), progress=False
    )
    np.testing.assert_array_equal(half.log_probs, first.log_probs[:, :15])


def test_words_are_not_shuffled_and_letters_have_no_synonyms():
    with pytest.raises(CorpusError, match="only lettered"):
        Wording(shuffled=True)
    with pytest.raises(CorpusError, match="no synonyms"):
        Recognition(("happy", "sad"), {"sad": ("blue",)}, AUTHORS.wording)


def test_neurons_are_tried_as_they_were_asked_for_or_as_another_protocol_asks():
    clips, neurons = planted_clips(), planted_set()
    assert options(clips, neurons).wording == Wording()
    lettered = asked_by(neurons, AUTHORS)
    assert options(clips, lettered).wording == AUTHORS.wording
    assert options(clips, lettered | neurons).wording == AUTHORS.wording
    assert options(clips, asked_by(lettered, "ours")).wording == Wording()


def test_until_there_are_enough_correct_clips():
    wrong = [(speaker, "sad", "angry") for speaker in range(8)]
    clips, asked = planted_clips(speakers=20, mistaken=wrong), Recognition(EMOTIONS)
    found = {
        batch_size: until_correct(PlantedListener(), clips, asked, 5, seed=3, batch_size=batch_size, progress=False)
        for batch_size in (1, 32)
    }
    assert found[1].column("id") == found[32].column("id")
    answers = recognise(PlantedListener(), found[1])
    right = answers.correct[0]
    for emotion in range(5):
        assert right[answers.truth == emotion].sum() == 5
    # Wrong ones that came before stay: the share of correct ones is what the success filter reports.
    assert 0 < (~right).sum() == (~right[answers.truth == 3]).sum()
    every = until_correct(PlantedListener(), clips, asked, 1000, progress=False)
    assert every.column("id") == clips.column("id")
    other = until_correct(PlantedListener(), clips, asked, 5, seed=4, progress=False)
    assert other.column("id") != found[1].column("id")


def test_at_most_so_many_of_each_emotion():
    clips = planted_clips(speakers=4, without=[(0, "sad"), (1, "sad"), (2, "sad")])
    few = at_most(clips, 3, seed=1)
    emotions = few.column("emotion")
    assert {one: emotions.count(one) for one in EMOTIONS} == dict.fromkeys(EMOTIONS, 3) | {"sad": 2}
    assert at_most(clips, 8) is clips


def test_our_protocol_is_what_configs_say_by_themselves():
    plain = RecognitionConfig.model_validate({"name": "x", "models": ["a"], "corpora": ["b"]})
    told = RecognitionConfig.told_by(OURS)
    assert {name: getattr(plain, name) for name in told} == told


def test_the_papers_configs_follow_the_authors_and_say_what_they_change():
    recognition = load_config("paper-recognition", kind=RecognitionConfig)
    assert (recognition.tops, recognition.alphas, recognition.draws) == ((0.005,), (0.5,), 5)
    assert (recognition.scope, recognition.pooling) == ("audio,last", "token")
    assert (recognition.identification_clips, recognition.evaluation_clips) == (100, 150)
    conversion = load_config("paper-conversion", kind=ConversionConfig)
    assert (conversion.prompt or "").startswith("Repeat the audio word-for-word exactly. Speak with {emotion} emotion.")
    assert conversion.scope == "generated"
    back = recognition.changed(protocol="ours")
    assert (back.tops, back.identification_clips) == (OURS.tops, None)


def test_a_protocol_of_ones_own_is_a_file_and_mistakes_are_told(tmp_path):
    told = yaml.safe_load((Path(protocols.__file__).parent / "authors.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(told | {"draws": 7}))
    assert (protocol(path).name, protocol(path).draws) == ("mine", 7)
    path.write_text(yaml.safe_dump(told | {"colour": "red"}))
    with pytest.raises(EsnError, match="no 'colour'"):
        protocol(path)
    with pytest.raises(EsnError, match=", ".join(PROTOCOLS)):
        protocol("theirs")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("frame", "{question.__class__} {options}"),
        ("frame", "{options:>999999999}"),
        ("frame", "{0}"),
        ("frame", "{asked} {options}"),
        ("frame", "{question} {"),
        ("option", "{letter!r}. {word}"),
        ("option", "{word[0]}"),
        ("option", "{letter}"),
        ("option", 3),
    ],
)
def test_questions_are_filled_by_name_only(tmp_path, entry: str, text: object):
    told = yaml.safe_load((Path(protocols.__file__).parent / "authors.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(told | {"wording": told["wording"] | {entry: text}}))
    with pytest.raises(EsnError, match=r"mine\.yaml: wording: "):
        protocol(path)


def test_neurons_that_say_strangely_how_they_were_asked_for_are_refused():
    for strange in ({"colour": "red"}, {"option": 3}):
        with pytest.raises(CorpusError, match="not told in a known way"):
            Wording.behind({"asking": strange})


def test_models_whose_makers_publish_a_question_can_be_asked_it():
    class Kimi:
        class family:
            name = "kimi-audio"

    assert official_wording(object()) is None
    own = official_wording(Kimi())
    assert own is not None
    assert own.lettered
    asked = replace(AUTHORS, official=True).recognition(("happy", "sad"), lm=Kimi())
    (prompt,) = asked.asked(["x"])
    assert prompt.startswith("Identify the predominant emotion in this speech.\nOptions:\n(A) ")
    assert prompt.endswith("from the given choices directly and only give the best option.")
    assert replace(AUTHORS, official=True).recognition(("happy", "sad"), lm=object()).wording == AUTHORS.wording


@pytest.mark.parametrize(
    ("right", "of", "guessing"), [(20, 100, True), (26, 100, False), (60, 100, False), (3, 5, False), (1, 5, True)]
)
def test_a_model_that_guesses_is_told_from_one_that_does_not(right: int, of: int, guessing: bool):
    seen, kept = dict.fromkeys(EMOTIONS, of), dict.fromkeys(EMOTIONS, right)
    assert bool(guesses(seen, kept)) is guessing


def test_guesses_are_called_guesses_19_times_in_20():
    rng = np.random.default_rng(0)
    preferred = np.array([0.5, 0.3, 0.1, 0.05, 0.05])  # whatever a model likes to say
    seen = dict.fromkeys(EMOTIONS, 40)
    called = [
        bool(guesses(seen, dict(zip(EMOTIONS, rng.binomial(40, preferred).tolist(), strict=True)))) for _ in range(1000)
    ]
    assert np.mean(called) > 0.93


@pytest.mark.filterwarnings("ignore:few clips")
def test_statistics_keep_how_they_were_asked_for(tmp_path):
    class Lettered(MadeUpModel):
        def encode(self, waveforms, prompt):
            heard = super().encode(waveforms, "")
            heard.prompts = prompt
            return heard

        def scores(self, encoded, labels, *, tap):
            words = super().scores(encoded, THREE, tap=tap)
            letters = np.zeros_like(words)
            for row, prompt in enumerate(encoded.prompts):
                for emotion, score in zip(THREE, words[row], strict=True):
                    letters[row, labels.index(prompt[prompt.index(f". {emotion}") - 1])] = score
            return letters

    lettered = replace(AUTHORS, identification_clips=None)
    plain = collect(MadeUpModel(12), corpus(12), progress=False)
    found = collect(Lettered(12), corpus(12), protocol=lettered, progress=False)
    assert (found.kept, found.seen) == (plain.kept, plain.seen)
    assert "shuffled" in found.prompt
    found.save(tmp_path / "stats.safetensors")
    again = GateStatistics.load(tmp_path / "stats.safetensors")
    assert Wording.behind(select(again, "mad", top=0.1).parameters) == AUTHORS.wording
    assert Wording.behind(select(plain, "mad", top=0.1).parameters) == Wording()
    assert select(plain, "mad", top=0.1).parameters["scope"] == "audio,last"


def test_there_are_no_more_options_than_letters():
    letters = protocol("authors").recognition(tuple(f"emotion {at}" for at in range(26))).wording
    assert letters.lettered
    with pytest.raises(CorpusError, match="27 options are more than the 26 letters that there are"):
        letters.prompt(tuple(f"emotion {at}" for at in range(27)))


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe", "not a protocol: "), (b"a: [", "not a protocol: "), (b"- 1", "does not say ")]
)
def test_a_file_that_is_no_protocol_is_told(tmp_path, content: bytes, said: str):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(EsnError, match=rf"mine\.yaml: (a protocol )?{said}"):
        protocol(tmp_path / "mine.yaml")


def test_a_value_of_another_type_is_told_with_its_entry(tmp_path):
    told = yaml.safe_load((Path(protocols.__file__).parent / "ours.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told | {"tops": ["many"]}), encoding="utf-8")
    with pytest.raises(EsnError, match=r"mine\.yaml: tops\.0: "):
        protocol(tmp_path / "mine.yaml")


def test_what_is_selected_by_default_is_the_smallest_of_a_protocols_sizes():
    for name in PROTOCOLS:
        one = protocol(name)
        assert one.selection == {"top": one.tops[0], "scope": one.scope, "pooling": one.pooling}


def test_of_an_emotion_that_was_not_asked_about_nothing_is_said():
    assert guesses({"happy": 10, "sad": 0}, {"happy": 5, "sad": 0}) == ""
