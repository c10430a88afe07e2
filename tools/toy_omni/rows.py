"""Training rows: one clip with several questions behind it, each of which sees the clip and itself only."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from toy_omni import questions
from toy_omni.decoder import Pass, decode, packed_mask
from toy_omni.questions import Asked

EMOTIONAL = {
    questions.CHOICE.split(" Choose")[0],
    questions.FREE,
    questions.VALENCE_QUESTION,
    questions.AROUSAL_QUESTION,
}


@dataclass
class Rows:
    """A batch. `target_*` lists what is asked for: at (row, token), this share of this vocabulary item."""

    ids: Tensor  # [row, token]; audio positions hold the audio token's id
    turns: Tensor  # [row, token]; 0 the clip and what stands before it, 1.. the questions, -1 padding
    positions: Tensor  # [row, token]
    target_row: Tensor
    target_token: Tensor
    target_word: Tensor
    target_weight: Tensor
    first: Tensor  # [answer, 2]: (row, token) that predicts the first word of each answer to an emotional question
    bound: Tensor  # [option, 3]: (row, token of an option's word, token of its letter) of lettered questions
    fetched: Tensor  # [option, 3]: (row, token that predicts the letter, token of an option's word)
    fetched_share: Tensor  # [option]: the share of the answers that is this option's


class Packer:
    """Lays questions out exactly as the chat template does."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.audio = tokenizer.convert_tokens_to_ids("<|AUDIO|>")
        self.end = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.dot = self._ids(".")[0]
        self.letters = {self._ids(letter)[0]: letter for letter in questions.LETTERS}
        self.before = self._ids("<|im_start|>user\n<|audio_bos|>")
        self.after = self._ids("<|audio_eos|>")
        self._questions: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text)["input_ids"])

    def _question(self, text: str) -> list[int]:
        if text not in self._questions:
            self._questions[text] = self._ids(f"{text}<|im_end|>\n<|im_start|>assistant\n")
        return self._questions[text]

    def pack(
        self,
        lengths: Sequence[int],
        asked: Sequence[Sequence[Asked]],
        rng: random.Random,
        *,
        emotional: set[str],
    ) -> Rows:
        """Rows of `lengths[i]` audio tokens each, with the questions `asked[i]`."""
        ids: list[list[int]] = []
        turns: list[list[int]] = []
        positions: list[list[int]] = []
        targets: list[tuple[int, int, int, float]] = []
        first: list[tuple[int, int]] = []
        bound: list[tuple[int, int, int]] = []
        fetched: list[tuple[int, int, int, float]] = []
        for row, (length, turns_asked) in enumerate(zip(lengths, asked, strict=True)):
            row_ids = [*self.before, *[self.audio] * length, *self.after]
            row_turns, row_positions = [0] * len(row_ids), list(range(len(row_ids)))
            shared = len(row_ids)
            for turn, question in enumerate(turns_asked, start=1):
                prompt = self._question(question.question)
                answers, shares = list(question.answers), list(question.answers.values())
                spoken = self._ids(rng.choices(answers, weights=shares)[0])
                asking = len(row_ids) + len(prompt) - 1  # the position that predicts the answer's first word
                if len(answers) > 1:
                    targets += [
                        (row, asking, self._ids(a)[0], s)
                        for a, s in zip(answers, shares, strict=True)
                        if s > 0
                    ]
                else:
                    targets.append((row, asking, spoken[0], 1.0))
                following = [*spoken[1:], self.end]
                targets += [(row, asking + 1 + i, word, 0.3) for i, word in enumerate(following)]
                head = question.question.split(" Choose")[0]
                if (head in emotional or head.startswith("Is the speaker")) and not question.copied:
                    first.append((row, asking))
                for letter, place in self._options(prompt) if question.copied else ():
                    word = len(row_ids) + place + 2
                    bound.append((row, word, word - 2))
                    fetched.append((row, asking, word, question.answers.get(letter, 0.0)))
                row_ids += [*prompt, *spoken]
                row_turns += [turn] * (len(prompt) + len(spoken))
                row_positions += range(shared, shared + len(prompt) + len(spoken))
            ids.append(row_ids)
            turns.append(row_turns)
            positions.append(row_positions)
        width = max(map(len, ids))

        def padded(rows: list[list[int]], value: int) -> Tensor:
            return torch.tensor([row + [value] * (width - len(row)) for row in rows])

        row, token, word, weight = zip(*targets, strict=True)
        return Rows(
            padded(ids, 0),
            padded(turns, -1),
            padded(positions, 0),
            torch.tensor(row),
            torch.tensor(token),
            torch.tensor(word),
            torch.tensor(weight),
            torch.tensor(first).reshape(-1, 2),
            torch.tensor(bound, dtype=torch.long).reshape(-1, 3),
            torch.tensor([places[:3] for places in fetched], dtype=torch.long).reshape(-1, 3),
            torch.tensor([places[3] for places in fetched]),
        )

    def _options(self, prompt: Sequence[int]) -> list[tuple[str, int]]:
        """The letters of a lettered question, and where they stand: "A", ".", " neutral"."""
        pairs = enumerate(pairwise(prompt))
        return [(self.letters[one], n) for n, (one, two) in pairs if one in self.letters and two == self.dot]


def run(model: Any, rows: Rows, heard: Sequence[Tensor], packer: Packer, **options: Any) -> Pass:
    embedded = model.model.language_model.embed_tokens(rows.ids)
    audio = (rows.ids == packer.audio)[..., None].expand_as(embedded)
    embedded = embedded.masked_scatter(audio, torch.cat(list(heard)))
    return decode(model.model.language_model, embedded, rows.positions, packed_mask(rows.turns), **options)
