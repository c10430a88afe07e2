"""Questions about heard clips as rows of tokens, and what is to be answered at which of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from toy_omni import questions
from toy_omni.questions import Asked

ANSWERED = -100  # of positions whose next token is nobody's business, as cross_entropy has it


@dataclass(frozen=True)
class Voice:
    """A clip, and what is known of it."""

    sound: int
    """Its row of the sounds."""
    frames: int
    """Tokens that the encoder makes of it."""
    votes: Mapping[str, float]
    transcript: str
    sex: str
    speaker: str = ""
    language: str = "en"
    natural: bool = False
    """Whether a person once spoke what the voice is made of: a formant synthesiser sounds like nobody."""

    @property
    def emotion(self) -> str:
        """What most listeners hear."""
        return max(self.votes, key=self.votes.__getitem__)


Question = Callable[[Voice, random.Random], Asked]
QUESTIONS: dict[str, Question] = {
    "choice": lambda voice, rng: questions.choice(voice.votes, rng),
    "lettered": lambda voice, rng: questions.lettered(voice.votes, rng),
    "free": lambda voice, rng: questions.free(voice.votes, rng),
    "yes or no": lambda voice, rng: questions.yes_no(voice.votes, rng),
    "transcript": lambda voice, rng: questions.transcript(voice.transcript),
    "sex": lambda voice, rng: questions.sex(voice.sex),
}
UNEMOTIONAL = ("transcript", "sex")
"""Questions of a projector that never hears of emotions."""


@dataclass(frozen=True)
class Drawn:
    """A question, its answer, and for the worded choice the labels between which it chooses."""

    question: str
    answer: str | None
    labels: tuple[str, ...] = ()


def draw(voice: Voice, shares: Mapping[str, float], rng: random.Random, *, votes: bool = True) -> Drawn:
    """A question about a clip and an answer, as listeners would give it; German words are not transcribed.

    With `votes` answers are drawn by how many listeners would give them, else it is the one that most give.
    """
    kinds = [kind for kind in shares if kind != "transcript" or voice.language == "en"]
    kind = rng.choices(kinds, [shares[one] for one in kinds])[0]
    asked = QUESTIONS[kind](voice, rng)
    labels = tuple(asked.answers) if kind == "choice" else ()
    if not votes:
        return Drawn(asked.question, max(asked.answers, key=asked.answers.__getitem__), labels)
    return Drawn(asked.question, rng.choices(list(asked.answers), list(asked.answers.values()))[0], labels)


@dataclass(frozen=True)
class Rows:
    """A batch, padded on the right.

    ``sounding`` are the places of the frames of all clips, one after the other; ``answers`` the token that is to come
    next at each position, and -100 where it does not matter; ``first`` the position before each answer.
    """

    ids: Tensor
    mask: Tensor
    sounding: Tensor
    answers: Tensor
    first: Tensor


class Writer:
    """Writes rows for one processor: its chat template around a clip, a question and an answer."""

    def __init__(self, processor: Any) -> None:
        self._whole, self._tokenizer = processor.whole, processor.tokenizer
        self._template = processor.chat_template
        self._sign, self._sound = processor.whole.audio_token, processor.audio_token_id
        self._end = self._tokenizer.eos_token_id
        self.tokens = cache(self._tokens)
        self._around = cache(self._written)

    def _tokens(self, text: str) -> list[int]:
        """A text by itself."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def rows(self, voices: Sequence[Voice], asked: Sequence[Drawn]) -> Rows:
        """One row a clip; without an answer, the row ends where it would begin."""
        lines, answers, first = [], [], []
        for voice, one in zip(voices, asked, strict=True):
            before, after = self._around(one.question)
            prompt = [*before, *[self._sound] * voice.frames, *after]
            said = [] if one.answer is None else [*self.tokens(one.answer), self._end]
            first.append(len(prompt) - 1)
            lines.append(prompt + said)
            answers.append([ANSWERED] * (len(prompt) - 1) + said)
        width = max(map(len, lines))
        ids = torch.tensor([line + [self._end] * (width - len(line)) for line in lines])
        mask = torch.tensor([[1] * len(line) + [0] * (width - len(line)) for line in lines])
        wanted = torch.tensor([(row + [ANSWERED] * width)[:width] for row in answers])
        return Rows(ids, mask, (ids == self._sound) & (mask == 1), wanted, torch.tensor(first))

    def _written(self, question: str) -> tuple[list[int], list[int]]:
        """What stands before a clip and after it."""
        content = [{"type": "audio"}, {"type": "text", "text": question}]
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
        )
        before, after = text.split(self._sign)
        return self.tokens(before), self.tokens(after)
