"""How a model in training does on voices that it does not learn from."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toy_omni import questions
from toy_omni.clips import Clip
from toy_omni.questions import Asked
from toy_omni.rows import EMOTIONAL, Packer, run


def accuracy(model: Any, clips: Sequence[Clip], heard: Sequence[Tensor], packer: Packer) -> dict[str, float]:
    """UAR of the multiple choice by words and by letters, accuracy of the sex, share of the transcripts' words."""
    rng = random.Random(0)
    letters = [packer.tokenizer(letter)["input_ids"][0] for letter in questions.LETTERS[: len(questions.EMOTIONS)]]
    by_letter: list[tuple[str, str]] = []
    choice = questions.CHOICE.format(", ".join(questions.EMOTIONS))
    words = [packer.tokenizer(e)["input_ids"][0] for e in questions.EMOTIONS]
    sexes = [packer.tokenizer(s)["input_ids"][0] for s in ("male", "female")]
    emotion: list[tuple[str, str]] = []
    sex_right, word_right, word_count = 0, 0, 0
    with torch.no_grad():
        for start in range(0, len(clips), 60):
            batch, ears = clips[start : start + 60], heard[start : start + 60]
            orders = [rng.sample(questions.EMOTIONS, len(questions.EMOTIONS)) for _ in batch]
            asked = [
                [
                    Asked(choice, {c.acted: 1.0}),
                    questions.sex(c.sex),
                    questions.transcript(c.transcript),
                    questions.lettered_as(order, {"A": 1.0}),
                ]
                for c, order in zip(batch, orders, strict=True)
            ]
            rows = packer.pack([len(e) for e in ears], asked, rng, emotional=EMOTIONAL)
            result = run(model, rows, ears, packer)
            at = rows.target_row, rows.target_token
            logits = model.lm_head(result.hidden[at])
            turn = rows.turns[at]
            is_first = torch.ones(len(turn), dtype=torch.bool)
            is_first[1:] = (turn[1:] != turn[:-1]) | (at[0][1:] != at[0][:-1])
            said = logits[is_first & (turn == 1)][:, words].argmax(-1).tolist()
            emotion += [
                (clip.acted, questions.EMOTIONS[word]) for clip, word in zip(batch, said, strict=True)
            ]
            sex_said = logits[is_first & (turn == 2)][:, sexes].argmax(-1).tolist()
            sex_right += sum(c.sex == ("male", "female")[s] for c, s in zip(batch, sex_said, strict=True))
            letter_said = logits[is_first & (turn == 4)][:, letters].argmax(-1).tolist()
            by_letter += [
                (clip.acted, order[letter])
                for clip, order, letter in zip(batch, orders, letter_said, strict=True)
            ]
            right = logits[turn == 3].argmax(-1) == rows.target_word[turn == 3]
            word_right, word_count = word_right + int(right.sum()), word_count + len(right)
    return {
        "UAR": _mean_recall(emotion),
        "letters": _mean_recall(by_letter),
        "sex": sex_right / len(clips),
        "words": word_right / word_count,
    }


def _mean_recall(pairs: Sequence[tuple[str, str]]) -> float:
    """Of (acted, said)."""
    emotions = {acted for acted, _ in pairs}
    recalls = [np.mean([said == acted for acted, said in pairs if acted == emotion]) for emotion in emotions]
    return float(np.mean(recalls))
