"""What projectors can do with voices that they do not learn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from toy_omni.questions import CHOICE, SEX, TRANSCRIPT

from smol_audio.batches import Part, part
from smol_audio.projectors import Projector, Variant
from smol_audio.rows import ANSWERED, Drawn, Voice, Writer


@torch.no_grad()
def look(
    listener: Any,
    writer: Writer,
    projectors: Sequence[Projector],
    variants: Sequence[Variant],
    dev: Sequence[Voice],
    at_once: int,
) -> list[dict[str, float]]:
    """Of every projector: mean recall of the worded choice by kind of voice, share of right sexes, transcript loss.

    Recall is by the labels' first tokens, which all differ, over the labels' lengths: the later tokens of a label that
    has begun are all but certain. A projector that leaves German speakers out is tried on these; others on none.
    """
    found = []
    for at, variant in enumerate(variants):
        one = Looker(listener, writer, projectors, at, at_once)
        told: dict[str, float] = {}
        for name, voices in groups(dev, variant).items():
            emotions = tuple(dict.fromkeys(emotion for voice in voices for emotion in voice.votes))
            told[name] = one.recall(voices, emotions)
        english = [voice for voice in dev if voice.language == "en"]
        if english:
            told["sex"] = one.sex(english)
            told["transcript"] = one.transcript(english)
        found.append(told)
    return found


def groups(dev: Sequence[Voice], variant: Variant) -> dict[str, list[Voice]]:
    """Dev voices by kind, German ones only where they are new to the projector and new to all that are bundled."""
    found: dict[str, list[Voice]] = {}
    for voice in dev:
        if voice.language == "en":
            found.setdefault("natural" if voice.natural else "synthetic", []).append(voice)
        elif voice.speaker in variant.without and variant.name.startswith("without"):
            found.setdefault("emodb", []).append(voice)
    return found


class Looker:
    """One projector among several, asked without a rough take."""

    def __init__(
        self, listener: Any, writer: Writer, projectors: Sequence[Projector], at: int, at_once: int
    ) -> None:
        self.listener, self.writer, self.projectors, self.at, self.at_once = (
            listener,
            writer,
            projectors,
            at,
            at_once,
        )

    def recall(self, voices: Sequence[Voice], emotions: Sequence[str]) -> float:
        """Mean recall over emotions."""
        chosen = self._chosen(voices, CHOICE.format(", ".join(emotions)), emotions)
        right: dict[str, list[bool]] = {}
        for voice, one in zip(voices, chosen, strict=True):
            right.setdefault(voice.emotion, []).append(one == voice.emotion)
        return float(np.mean([np.mean(values) for values in right.values()]))

    def sex(self, voices: Sequence[Voice]) -> float:
        chosen = self._chosen(voices, SEX, ("male", "female"))
        return float(np.mean([one == voice.sex for voice, one in zip(voices, chosen, strict=True)]))

    def transcript(self, voices: Sequence[Voice]) -> float:
        """Mean cross-entropy of a transcript's token, in nats, when all tokens before are right."""
        total = count = 0.0
        for start in range(0, len(voices), self.at_once):
            some = voices[start : start + self.at_once]
            rows = self._rows(some, [Drawn(TRANSCRIPT, voice.transcript) for voice in some])
            answers = rows.rows.answers
            logs = self._answer(rows, answers != ANSWERED)
            said = answers[answers != ANSWERED].to(logs.device)
            total -= float(logs.gather(1, said[:, None]).sum())
            count += len(said)
        return total / count

    def _chosen(self, voices: Sequence[Voice], question: str, labels: Sequence[str]) -> list[str]:
        tokens = [self.writer.tokens(label) for label in labels]
        order = sorted(range(len(voices)), key=lambda row: voices[row].frames)
        found = [""] * len(voices)
        for start in range(0, len(order), self.at_once):
            some = order[start : start + self.at_once]
            made = self._rows([voices[row] for row in some], [Drawn(question, None)] * len(some))
            wanted = torch.zeros_like(made.rows.mask, dtype=torch.bool)
            wanted[torch.arange(len(some)), made.rows.first] = True
            logs = self._answer(made, wanted).cpu()
            scores = logs[:, [one[0] for one in tokens]] / torch.tensor([float(len(one)) for one in tokens])
            for row, best in zip(some, scores.argmax(dim=1).tolist(), strict=True):
                found[row] = labels[int(best)]
        return found

    def _rows(self, voices: Sequence[Voice], asked: Sequence[Drawn]) -> Part:
        return part(self.writer, voices, asked, [self.at] * len(voices))

    def _answer(self, made: Part, wanted: torch.Tensor) -> torch.Tensor:
        heard = self.listener.hear(made.sounds)
        return self.listener.answer(made, heard, self.projectors, wanted.to(heard[0].device))
