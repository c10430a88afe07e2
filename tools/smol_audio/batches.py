"""What every projector hears and is asked at a step, drawn from the step's own seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from smol_audio.projectors import Variant
from smol_audio.recipe import Recipe
from smol_audio.rows import Drawn, Rows, Voice, Writer, draw


@dataclass(frozen=True)
class Part:
    """Rows of about one length: their sounds, the variant of each, and how the labels of choices begin.

    ``labels`` ``[choice, label]`` are first tokens, ``sizes`` how many tokens a label has and 0 where there is none,
    ``right`` the label that is meant, and ``choosing`` the rows in question.
    """

    rows: Rows
    sounds: Tensor
    which: Tensor
    choosing: Tensor
    labels: Tensor
    sizes: Tensor
    right: Tensor


def part(writer: Writer, voices: Sequence[Voice], asked: Sequence[Drawn], which: Sequence[int]) -> Part:
    """Rows as one part."""
    choices = [(row, one) for row, one in enumerate(asked) if one.labels]
    most = max((len(one.labels) for _, one in choices), default=1)
    tokens = [[writer.tokens(label) for label in one.labels] for _, one in choices]
    lacking = [most - len(some) for some in tokens]
    return Part(
        rows=writer.rows(voices, asked),
        sounds=torch.tensor([voice.sound for voice in voices]),
        which=torch.tensor(which),
        choosing=torch.tensor([row for row, _ in choices], dtype=torch.long),
        labels=torch.tensor(
            [[one[0] for one in some] + [0] * none for some, none in zip(tokens, lacking, strict=True)]
        ).reshape(len(choices), most),
        sizes=torch.tensor(
            [
                [float(len(one)) for one in some] + [0.0] * none
                for some, none in zip(tokens, lacking, strict=True)
            ]
        ).reshape(len(choices), most),
        right=torch.tensor([one.labels.index(str(one.answer)) for _, one in choices], dtype=torch.long),
    )


class Draws(Dataset[list[Part]]):
    """Parts by step. A training that is taken up draws what it would have drawn."""

    def __init__(
        self,
        writer: Writer,
        voices: Sequence[Voice],
        variants: Sequence[Variant],
        recipe: Recipe,
        at_once: int,
    ) -> None:
        self.writer, self.variants, self.recipe, self.at_once = writer, variants, recipe, at_once
        self.pools = [_pools(voices, variant) for variant in variants]

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, step: int) -> list[Part]:
        rows = list[tuple[Voice, Drawn, int]]()
        for at, variant in enumerate(self.variants):
            rng = random.Random(f"{variant.seed} {step}")
            some = self.some(at, rng)
            rows += [(voice, draw(voice, variant.shares, rng, votes=self.recipe.votes), at) for voice in some]
        # A few at a time, the short ones together: one long clip would pad all others, and half the time is padding.
        rows.sort(key=lambda row: row[0].frames)
        found = []
        for start in range(0, len(rows), self.at_once):
            voices, asked, which = zip(*rows[start : start + self.at_once], strict=True)
            found.append(part(self.writer, voices, asked, which))
        return found

    def some(self, at: int, rng: random.Random) -> list[Voice]:
        """A batch of one variant: German clips evenly over emotions, English ones evenly over emotions and kinds."""
        pools = self.pools[at]
        shares = {"de": self.recipe.german, "natural": self.recipe.natural, "synthetic": 1.0}
        left, found = self.recipe.batch, list[Voice]()
        kinds = [kind for kind in shares if pools[kind]]
        for kind in kinds:
            count = left if kind == kinds[-1] else round(left * shares[kind])
            emotions = list(pools[kind])
            found += [rng.choice(pools[kind][rng.choice(emotions)]) for _ in range(count)]
            left -= count
        return found


def _pools(voices: Sequence[Voice], variant: Variant) -> dict[str, dict[str, list[Voice]]]:
    pools: dict[str, dict[str, list[Voice]]] = {"de": {}, "natural": {}, "synthetic": {}}
    for voice in voices:
        kind = "de" if voice.language == "de" else "natural" if voice.natural else "synthetic"
        if not (voice.language == "de" and voice.speaker in variant.without):
            pools[kind].setdefault(voice.emotion, []).append(voice)
    return pools
