"""How a choice of emotions is put into words: by name, or behind letters that may change places with every clip."""

import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from esn_interp.errors import CorpusError
from esn_interp.models.places import require_places

ASKING = "asking"
"""Under which name statistics and neuron sets keep how they were asked for."""

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Wording:
    """A question with its options.

    ``frame`` holds ``{question}`` and ``{options}``; an ``option`` holds ``{word}``, and ``{letter}`` where letters are
    answered; ``between`` stands between two options. Where ``shuffled``, which emotion stands behind which letter is
    drawn for every clip anew, from ``seed`` and the clip's id alone: it depends neither on the other clips nor on
    batches.

    Raises
    ------
    CorpusError
        When words are to be shuffled, which nobody answers with a letter, or something else stands in braces.
    """

    question: str = "What is the emotion of the speaker?"
    frame: str = "{question} Choose one: {options}."
    option: str = "{word}"
    between: str = ", "
    shuffled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        try:
            require_places(self.frame, may=("question", "options"))
            require_places(self.option, may=("word", "letter"), must=("word",))
        except ValueError as error:
            raise CorpusError(f"the wording {error}") from error
        if self.shuffled and not self.lettered:
            raise CorpusError("only lettered options can be shuffled: words mean the same wherever they stand")

    @property
    def lettered(self) -> bool:
        """Whether the answer is a letter."""
        return "{letter}" in self.option

    @property
    def told(self) -> dict[str, Any]:
        """As plain data, for files; nothing where it is the usual one."""
        return {} if self == Wording() else asdict(self)

    @classmethod
    def behind(cls, parameters: Mapping[str, Any]) -> "Wording":
        """How neurons with these parameters were asked for; where sets were joined, the first of them.

        Raises
        ------
        CorpusError
            When they say it in a way that is not known here.
        """
        while ASKING not in parameters and "left" in parameters:
            parameters = parameters["left"].get("parameters", {})
        try:
            return cls(**parameters.get(ASKING, {}))
        except TypeError as error:
            raise CorpusError(f"how these neurons were asked for is not told in a known way ({error})") from error

    def prompt(self, words: Sequence[str]) -> str:
        """The question with its options in this order.

        Raises
        ------
        CorpusError
            When there are more options than letters.
        """
        if self.lettered and len(words) > len(LETTERS):
            raise CorpusError(f"{len(words)} options are more than the {len(LETTERS)} letters that there are")
        options = [self.option.format(letter=LETTERS[at % len(LETTERS)], word=word) for at, word in enumerate(words)]
        return self.frame.format(question=self.question, options=self.between.join(options))

    def order(self, clip: str, options: int) -> Int64[np.ndarray, " letter"]:
        """Which option stands behind each letter when this clip is asked about."""
        if not self.shuffled:
            return np.arange(options)
        digest = hashlib.sha256(f"{self.seed}\0{clip}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big")).permutation(options).astype(np.int64)
