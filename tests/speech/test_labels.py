"""Words for emotions as people write them, and lists of them short enough for a line."""

import pytest

from esn_interp.errors import CorpusError
from esn_interp.speech.labels import asked_emotion, listing


def test_an_emotion_is_asked_for_in_any_spelling():
    assert asked_emotion("happy") == "happy"
    assert asked_emotion("Happiness") == "happy"
    assert asked_emotion("Serene", also=("Serene",)) == "Serene"  # a word of the set's own, as it is spelled there
    with pytest.raises(CorpusError, match=r"no emotion 'hapy'; did you mean happy\?"):
        asked_emotion("hapy")
    with pytest.raises(CorpusError, match="no emotion 'qqqq'; choose from "):
        asked_emotion("qqqq")


def test_a_long_list_ends_in_how_many_more_there_are():
    counts = {"sad": 2000, "happy": 5, "calm": 5, "bored": 1}
    assert listing(counts) == "2,000 sad, 5 calm, 5 happy, 1 bored"
    assert listing(counts, most=2) == "2,000 sad, 5 calm, 6 of 2 further labels"
