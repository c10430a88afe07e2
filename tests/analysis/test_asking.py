"""Decision or perception: neurons that only write a letter are told from neurons that hear an emotion."""

from pathlib import Path

import numpy as np
import pytest
from letter_listener import LetterListener
from planted_listener import EMOTIONS, planted_clips

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.asking.measure import asking
from esn_interp.analysis.asking.result import Asking
from esn_interp.analysis.asking.ways import usual_ways
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.neurons.relabelling import relabelled_sets
from esn_interp.neurons.selectors import select
from esn_interp.tasks.collection import collect
from esn_interp.tasks.free_text import parse_letter

MISTAKEN = [(0, "sad", "angry"), (3, "happy", "fearful"), (5, "neutral", "sad"), (6, "angry", "happy")]


@pytest.fixture(scope="module")
def found() -> Asking:
    """One gate an emotion, found on other speakers than it is tried on."""
    evaluate = planted_clips(speakers=8, takes=3, mistaken=MISTAKEN, leaks=np.linspace(0, 0.3, 8).tolist())
    identification = planted_clips(speakers=6, takes=2, leaks=[0.1] * 6)
    return asking(LetterListener(), evaluate, identification, top=1 / 24, relabellings=9, progress=False)


def test_a_neuron_that_writes_a_letter_is_caught(found: Asking):
    letters = found.found.index("letters")
    assert found.here("letters").value < -0.7, "asked with letters in order it looks like any other"
    for name in ("words", "free", "yes_no", "valence"):
        assert found.specificity.value[found.asked.index(name), letters] == 0
    assert abs(found.specificity.value[found.asked.index("shuffled"), letters]) < 0.2
    assert not found.carries("letters")
    assert "they serve that way of asking" in found.summary()


@pytest.mark.parametrize("name", ["words", "shuffled", "free"])
def test_a_neuron_that_hears_an_emotion_matters_however_one_asks(found: Asking, name: str):
    at = found.found.index(name)
    for asked in ("words", "letters", "shuffled", "free", "yes_no"):
        assert found.specificity.value[found.asked.index(asked), at] < -0.7
    assert found.carries(name)
    assert found.shared[at, found.found.index("words")] == 1
    assert found.shared[at, found.found.index("letters")] == 0


def test_shuffled_letters_hide_the_letter_and_leave_what_is_heard(found: Asking):
    np.testing.assert_allclose(found.written, [1, 1, 1, 1, np.nan, np.nan])
    assert (found.kept > 0).all()
    assert found.baseline.value.min() > 0.8


def test_the_null_repeats_the_selection_and_finds_nothing(found: Asking):
    words = found.found.index("words")
    assert found.p_values[found.asked.index("words"), words] == pytest.approx(1 / 10)
    assert found.p_values[found.asked.index("words"), found.found.index("letters")] > 0.5
    assert found.draws == 9
    assert "p 0.1, the least that 9 permutations can give" in found.summary()


def test_the_null_is_that_of_a_plain_loop():
    """Labels permuted as for every other analysis; every permutation's neurons asked as the real ones are."""
    evaluate, identification = planted_clips(speakers=5, leaks=[0.2] * 5), planted_clips(speakers=5, leaks=[0.1] * 5)
    ways = {name: usual_ways()[name] for name in ("words", "yes_no")}
    how = {"top": 1 / 24, "ways": ways, "progress": False}
    found = asking(LetterListener(), evaluate, identification, relabellings=3, seed=5, **how)
    stats = collect(LetterListener(), identification, per_clip=True, seed=5, progress=False)
    esns = select(stats, "mad", top=1 / 24, seed=5)
    null = found.nulls[0]
    assert null.tests == ("words", "yes or no")
    permuted = relabelled_sets(stats, esns, permutations=3, seed=5)
    assert (null.within, null.clips, null.fixed) == (permuted.within, permuted.clips, permuted.fixed)
    for drawn, sets in zip(null.drawn, permuted.sets, strict=True):
        other = ablation(LetterListener(), evaluate, sets, draws=0, relabellings=0, progress=False)
        assert drawn[0] == pytest.approx(other.specificity.value)
    np.testing.assert_allclose(null.omnibus_drawn, null.drawn[:, 1])
    most = null.drawn.min(axis=1)
    by_hand = [(1 + (most <= one + 1e-9).sum()) / 4 for one in null.observed]
    np.testing.assert_allclose(null.p_values, by_hand)
    np.testing.assert_allclose(found.p_values[:, 0], by_hand)


def test_clips_that_find_the_neurons_are_refused_before_anything_is_run():
    clips, listener = planted_clips(speakers=5), LetterListener()
    with pytest.raises(CorpusError, match=r"50 of 50 clips .* --allow-identification-clips"):
        asking(listener, clips, clips, top=1 / 24, progress=False)
    assert listener.encoded == []
    told = asking(
        listener, clips, clips, top=1 / 24, allow_identification_clips=True, written=0, progress=False,
        ways={"words": usual_ways()["words"]},
    )  # fmt: skip
    assert "50 of these clips are among those that the neurons were found on" in told.summary()


class Illiterate(LetterListener):
    """Hears as well as any, and takes the first letter whatever stands behind it."""

    def scores(self, encoded, labels, *, edits=(), tap=None):
        scores = super().scores(encoded, labels, edits=edits, tap=tap)
        return np.log(np.where(np.arange(5) == 0, 0.6, 0.1)) + 0 * scores if labels[0] == "A" else scores


@pytest.mark.filterwarnings("ignore:few clips")
def test_ways_under_which_a_model_guesses_find_no_neurons_and_are_named():
    evaluate, identification = planted_clips(speakers=4), planted_clips(speakers=5, leaks=[0.1] * 5)
    how = {"top": 1 / 24, "written": 0, "progress": False}
    found = asking(Illiterate(), evaluate, identification, **how)
    assert found.found == ("words", "free")
    assert found.asked == ("words", "letters", "shuffled", "free", "yes_no", "valence")
    assert found.baseline.value[found.asked.index("letters")] == pytest.approx(0.2)
    left_out = [note for note in found.notes if note.startswith("no neurons are found by ")]
    assert len(left_out) == 2
    assert left_out[0].startswith("no neurons are found by letters in order: it labels 20% of 50 clips correctly")
    ways = {name: usual_ways()[name] for name in ("words", "letters", "free")}
    with_letters = asking(Illiterate(), evaluate, identification, ways=ways, found=["words"], **how)
    np.testing.assert_array_equal(with_letters.specificity.value[0, 0], found.specificity.value[0, 0])
    with pytest.raises(StatisticsError, match="no neurons are found by letters in order: it labels 20%"):
        asking(Illiterate(), evaluate, identification, ways={"letters": ways["letters"]}, **how)


def test_it_is_saved_loaded_and_drawn(found: Asking, tmp_path: Path):
    found.save(tmp_path / "asking.json")
    again = Asking.load(tmp_path / "asking.json")
    assert again.summary() == found.summary()
    assert len(again.to_frame()) == 6 * 4
    figure = again.plot()
    np.testing.assert_allclose(figure.data[0].z, 100 * found.specificity.value)
    assert list(figure.data[0].y) == list(found.titles)


def test_what_can_not_be_asked_is_told():
    clips = planted_clips(speakers=2)
    with pytest.raises(CorpusError, match="no way of choosing"):
        asking(LetterListener(), clips, clips, found=["yes_no"], progress=False)
    with pytest.raises(CorpusError, match="lacks"):
        asking(LetterListener(), clips, clips.where(emotion=["sad", "angry"]), progress=False)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        *[("C", "C"), ("C. angry", "C"), ("(B)", "B"), ("The answer is D.", "D"), ("A sad voice", None), ("A", "A")],
        *[("sad", None), ("B or C", None), ("**E**", "E"), ("F", None)],
    ],
)
def test_letters_are_read_off_written_answers(text: str, letter: str | None):
    assert parse_letter(text, "ABCDE") == letter
    assert len(EMOTIONS) == 5
