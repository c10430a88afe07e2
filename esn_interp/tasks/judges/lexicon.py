"""Words from the frames of a CTC recogniser that knows a list of words and no sentence.

Such a recogniser spells; one letter amiss, or a gap between two words that it does not hear, and words count as lost
that anybody would understand. Recognisers of use have a language model against that. The least of them is a list: every
word at any place is as likely as any other, so that what the model under study has said wrongly is still heard wrongly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

_NEVER = -1e30


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words as the tokens that spell them, and the tokens that are silent: CTC's blank and the gap between words.

    Raises `ValueError` when a word has no token.
    """

    words: tuple[str, ...]
    spelling: tuple[tuple[int, ...], ...]
    blank: int
    gap: int

    def __post_init__(self) -> None:
        if not self.words or not all(self.spelling):
            raise ValueError("a lexicon needs words, and every word letters")

    def transcribe(self, frames: Float[np.ndarray, "frame token"]) -> str:
        """The words along the likeliest path through the frames' log probabilities.

        Between two words, and nowhere else, stand frames of blank and gap, one at least; before the first and after the
        last any number of them. A word costs the logarithm of the number of words.
        """
        chain, ends = self._chain, self._ends
        cost = np.log(len(self.words))
        score = np.full(len(chain.token), _NEVER)
        said = np.full(len(chain.token), -1)  # what was said so far: a place in `history`
        silent, silent_said = 0.0, -1
        history: list[tuple[int, int]] = []  # a word, and the place of what was said before it
        for frame in frames:
            # A word begins behind silence only.
            begun = np.arange(len(self.words)) + len(history)
            history += [(word, silent_said) for word in range(len(self.words))]
            ways = np.full((3, len(score)), _NEVER)
            ways[0] = score
            ways[1, 1:] = np.where(chain.first[1:], _NEVER, score[:-1])
            ways[2, 2:] = np.where(chain.skips[2:], score[:-2], _NEVER)
            way = ways.argmax(axis=0)
            best, place = ways.max(axis=0), np.arange(len(score)) - way
            reached = said[place]
            enters = silent - cost > best[chain.starts]
            best[chain.starts[enters]], reached[chain.starts[enters]] = silent - cost, begun[enters]
            last = ends[score[ends].argmax()]
            if score[last] > silent:
                silent, silent_said = score[last], int(said[last])
            silent += max(frame[self.blank], frame[self.gap])
            score, said = best + frame[chain.token], reached
        last = ends[score[ends].argmax()]
        at = int(said[last]) if score[last] > silent else silent_said
        words: list[str] = []
        while at >= 0:
            word, at = history[at]
            words.append(self.words[word])
        return " ".join(reversed(words))

    @cached_property
    def _chain(self) -> "_Chain":
        """All words one after the other: letters with a blank between each two."""
        token: list[int] = []
        skips: list[bool] = []
        starts: list[int] = []
        for letters in self.spelling:
            starts.append(len(token))
            for at, letter in enumerate(letters):
                if at:
                    token.append(self.blank)
                    skips.append(False)
                token.append(letter)
                # The blank may be left out between two letters that differ.
                skips.append(at > 0 and letter != letters[at - 1])
        first = np.zeros(len(token), dtype=bool)
        first[starts] = True
        return _Chain(np.array(token), np.array(skips), first, np.array(starts))

    @cached_property
    def _ends(self) -> Int[np.ndarray, " word"]:
        """The last letter of every word."""
        return np.append(self._chain.starts[1:], len(self._chain.token)) - 1


@dataclass(frozen=True, eq=False)
class _Chain:
    token: Int[np.ndarray, " state"]
    skips: Bool[np.ndarray, " state"]
    first: Bool[np.ndarray, " state"]
    starts: Int[np.ndarray, " word"]


def lexicon_of(words: Sequence[str], vocabulary: dict[str, int], *, blank: str, gap: str) -> Lexicon:
    """Words spelled with the letters of a vocabulary.

    Raises `ValueError` for a letter that it does not have.
    """
    known = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    if strange := sorted({letter for word in known for letter in word} - set(vocabulary)):
        raise ValueError(f"no token spells {strange[0]!r}")
    spelling = tuple(tuple(vocabulary[letter] for letter in word) for word in known)
    return Lexicon(known, spelling, vocabulary[blank], vocabulary[gap])
