"""Labels that can't be told apart are refused, and an answer is never read off scores that are no numbers."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError
from esn_interp.models.labels import label_tokens, likeliest, token_log_probs


class Letters(PreTrainedTokenizerBase):
    """A tokenizer that knows the small letters, one token each."""

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text.casefold() if letter.isascii()]}


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ((), "no labels to score"),
        (("happy", "悲"), "label '悲' has no tokens"),
        (("happy", "sad", "Happy"), "label 'happy' is spelled like another"),
    ],
)
def test_labels_that_have_no_tokens_of_their_own_are_refused(labels: tuple[str, ...], told: str):
    with pytest.raises(ModelError, match=told):
        label_tokens(Letters(), labels)


def test_the_likeliest_label_is_the_one_with_the_highest_score():
    assert likeliest(np.array([-3.0, -1.0, -np.inf]), "toy") == 1
    with pytest.raises(ModelError, match="toy: its scores are not numbers"):
        likeliest(np.array([-3.0, np.nan, -1.0]), "toy")


class Halved(nn.Linear):
    """A head whose rows can't be picked, since it does not compute what its weights say."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) / 2


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [nn.Linear, Halved])
def test_scores_of_labels_are_those_of_the_whole_vocabulary_at_their_tokens(kind: type[nn.Linear], bias: bool):
    torch.manual_seed(0)
    head, hidden = kind(8, 30, bias=bias), torch.randn(3, 8)
    whole = torch.tanh(head(hidden))[:, [4, 20, 11]].log_softmax(-1)
    torch.testing.assert_close(token_log_probs(hidden, head, [4, 20, 11], torch.tanh), whole)
