"""A recogniser that knows words: the likeliest path through a list of words, against all paths there are."""

import re
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esn_interp.errors import ModelError
from esn_interp.tasks import judges
from esn_interp.tasks.judges.lexicon import lexicon_of
from esn_interp.tasks.judges.recognisers import LEXICON

TOKENS = "_ ab"  # blank, gap, letters
VOCABULARY = {token: place for place, token in enumerate(TOKENS)}
FRAMES = 5
WORDS = ("a", "ab", "bb")


def pattern(word: str) -> str:
    """Letters held for any time, blanks between them; one at least where a letter is doubled."""
    return word[0] + "+" + "".join(("_+" if a == b else "_*") + b + "+" for a, b in pairwise(word))


def readings() -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Every path with every row of words that it spells."""
    rows = [row for count in range(FRAMES) for row in product(WORDS, repeat=count)]
    patterns = [(row, re.compile("[_ ]*" + "[_ ]+".join(map(pattern, row)) + "[_ ]*")) for row in rows]
    return [
        (tuple(VOCABULARY[token] for token in path), row)
        for path in map("".join, product(TOKENS, repeat=FRAMES))
        for row, whole in patterns
        if whole.fullmatch(path)
    ]


READINGS = readings()


@given(seed=st.integers(0, 10_000), sharpness=st.sampled_from([0.3, 1.0, 5.0]))
def test_the_likeliest_of_all_paths_is_found(seed, sharpness):
    frames = np.log(np.random.default_rng(seed).dirichlet(np.full(4, sharpness), size=FRAMES) + 1e-6)

    def score(path, row):
        return sum(frames[at, token] for at, token in enumerate(path)) - len(row) * np.log(len(WORDS))

    best = max(READINGS, key=lambda reading: score(*reading))
    assert lexicon_of(WORDS, VOCABULARY, blank="_", gap=" ").transcribe(frames) == " ".join(best[1])


def frames_of(path: str) -> np.ndarray:
    """Frames in which each letter of the path is nearly certain."""
    return np.log(np.full((len(path), 4), 0.02) + 0.94 * np.eye(4)[[VOCABULARY[token] for token in path]])


def test_a_letter_amiss_and_a_gap_unheard_lose_no_word():
    lexicon = lexicon_of(["abba", "baa"], VOCABULARY, blank="_", gap=" ")
    assert lexicon.transcribe(frames_of("ab_ba  ba_a")) == "abba baa"
    assert lexicon.transcribe(frames_of("ab_b__ba_a_")) == "abba baa"
    assert lexicon.transcribe(frames_of("____")) == ""
    assert lexicon.transcribe(np.empty((0, 4))) == ""


def test_the_list_is_read_from_beside_the_weights_and_refused_when_it_cannot_be_spelled(tmp_path):
    bundled = judges.transcript("toy-ctc").checkpoint
    bundled.model.save_pretrained(tmp_path)
    bundled.extractor.save_pretrained(tmp_path)
    whole = judges.transcript("toy-ctc")
    whole.tokenizer.save_pretrained(tmp_path)
    assert judges.transcript(tmp_path).lexicon is None
    (tmp_path / LEXICON).write_text("Train\n\nseven\n")
    assert judges.transcript(tmp_path).lexicon.words == ("train", "seven")
    (tmp_path / LEXICON).write_text("z\u00fcg\n")
    with pytest.raises(ModelError, match=r"lexicon.txt: no token spells 'ü'; mend the list"):
        judges.transcript(tmp_path)
    (tmp_path / LEXICON).write_bytes(b"z\xfcg\n")
    with pytest.raises(ModelError, match=r"lexicon.txt: 'utf-8' codec .*; mend the list"):
        judges.transcript(tmp_path)
    (tmp_path / LEXICON).write_text("\n")
    with pytest.raises(ModelError, match=r"a lexicon needs words"):
        judges.transcript(tmp_path)
