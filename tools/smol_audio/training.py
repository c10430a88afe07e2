"""Training of a projector: the decoder runs, but does not move, and neither does the encoder."""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from toy_omni.questions import CHOICE

from esn_interp.files import write_atomic, write_json
from smol_audio.rows import ANSWERED, Rows, Voice, Writer, draw

AT_ONCE = 8  # rows that are padded to one length
SHARES = {"choice": 3.0, "lettered": 1.5, "free": 1.5, "yes or no": 1.0, "transcript": 2.5, "sex": 1.0}


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and on what."""

    steps: int = 4000
    batch: int = 32
    rate: float = 2e-3
    warmup: int = 60
    decay: float = 0.01
    dropout: float = 0.1
    every: int = 200
    patience: int = 4
    german: float = 0.25
    natural: float = 0.4
    """Share of the English clips that natural voices say, though they are few."""
    votes: bool = False
    """Whether answers are drawn by the votes of listeners; else all say what most say: less noise."""
    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))


class Moved(RuntimeError):
    """Weights changed that must not."""


def digest(module: nn.Module) -> str:
    """Hex digits over every bit of a module's weights."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@torch.no_grad()
def heard(lm: Any, waves: Sequence[np.ndarray], *, batch: int = 8) -> list[Tensor]:
    """What the encoder makes of each clip, ``[frame, width]``, as the model itself would hear it."""
    found: list[Tensor] = []
    for start in range(0, len(waves), batch):
        inputs = lm.prepare(waves[start : start + batch], "?").tensors
        features, mask = (inputs[name].to(lm.device) for name in ("input_features", "input_features_mask"))
        tower = lm.model.model.audio_tower
        frames = tower(features.to(lm.dtype), input_features_mask=mask).last_hidden_state
        _, counts = tower._get_feat_extract_output_lengths(mask.sum(-1))
        if len(frames) != len(waves[start : start + batch]):
            raise ValueError("a clip is longer than the encoder's window; leave it out")
        found += [one[:count].cpu() for one, count in zip(frames, counts.tolist(), strict=True)]
    return found


class Trainer:
    """One training, which goes on where it was when its folder holds a beginning."""

    def __init__(self, lm: Any, voices: Sequence[Voice], dev: Sequence[Voice], recipe: Recipe, out: Path) -> None:
        self.lm, self.voices, self.dev, self.recipe, self.out = lm, voices, dev, recipe, out
        self.model = lm.model
        self.model.requires_grad_(False)
        self.projector: nn.Module = self.model.model.multi_modal_projector.float().requires_grad_(True)
        self.frozen = {name: digest(part) for name, part in self._others().items()}
        self.writer = Writer(lm.processor)
        options: Any = {"lr": recipe.rate, "weight_decay": recipe.decay, "betas": (0.9, 0.98)}
        self.optimiser = torch.optim.AdamW(self.projector.parameters(), **options)
        self.step, self.curve = 0, list[dict[str, float]]()
        self._loss = 0.0
        self._by_language = {
            language: [voice for voice in voices if voice.language == language] for language in ("en", "de")
        }
        self._restore()

    def _others(self) -> dict[str, nn.Module]:
        whole = self.model.model
        return {"encoder": whole.audio_tower, "decoder": whole.language_model, "head": self.model.lm_head}

    def run(self) -> dict[str, Any]:
        """Train until dev has not risen for some time, or the steps are done; the best projector is kept.

        Raises
        ------
        Moved
            When encoder, decoder or head are not to the bit what they were.
        """
        if not self.curve:
            self._look()  # a training that only loses keeps what it began with
        while self.step < self.recipe.steps and not self._exhausted():
            self._learn()
            self.step += 1
            if self.step % self.recipe.every == 0 or self.step == self.recipe.steps:
                self._look()
        for name, part in self._others().items():
            if digest(part) != self.frozen[name]:
                raise Moved(f"the {name} moved")
        return {"recipe": asdict(self.recipe), "frozen": self.frozen, "curve": self.curve, "best": self._best()}

    def _learn(self) -> None:
        # Drawn from the step's own seed: a training that is taken up draws what it would have drawn.
        rng = random.Random(f"{self.recipe.seed} {self.step}")
        torch.manual_seed(rng.getrandbits(32))
        german = round(self.recipe.batch * self.recipe.german) if self._by_language["de"] else 0
        some = [*self._balanced(german, rng), *self._english(self.recipe.batch - german, rng)]
        asked = [draw(voice, self.recipe.shares, rng, votes=self.recipe.votes) for voice in some]
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * self._factor()
        self.optimiser.zero_grad(set_to_none=True)
        # A few at a time, the short ones together: one long clip would pad all others, and half the time is padding.
        order = sorted(range(len(some)), key=lambda at: len(some[at].frames))
        for start in range(0, len(order), AT_ONCE):
            part = order[start : start + AT_ONCE]
            voices = [some[at] for at in part]
            rows = self.writer.rows(voices, [asked[at] for at in part])
            logits, answers = self._run(voices, rows, dropout=self.recipe.dropout)
            each = nn.functional.cross_entropy(logits, answers[answers != ANSWERED], reduction="none")
            # Every answer counts once, however long it is.
            count = (answers != ANSWERED).sum(dim=1)
            loss = (each / count.repeat_interleave(count)).sum() / len(some)
            loss.backward()
            self._loss += float(loss.detach())
        nn.utils.clip_grad_norm_(self.projector.parameters(), 1.0)
        self.optimiser.step()

    def _english(self, count: int, rng: random.Random) -> list[Voice]:
        """The recipe's share of natural voices, where there are any."""
        kinds = [[voice for voice in self._by_language["en"] if voice.natural is kind] for kind in (True, False)]
        first = round(count * self.recipe.natural) if all(kinds) else count * bool(kinds[0])
        return [
            one for some, k in zip(kinds, (first, count - first), strict=True) if k for one in rng.choices(some, k=k)
        ]

    def _balanced(self, count: int, rng: random.Random) -> list[Voice]:
        voices = self._by_language["de"]
        if not count:
            return []
        kinds = [voice.emotion for voice in voices]
        return rng.choices(voices, [1 / kinds.count(kind) for kind in kinds], k=count)

    def _factor(self) -> float:
        progress = self.step / self.recipe.steps
        return min(1.0, (self.step + 1) / self.recipe.warmup) * (0.5 * (1 + math.cos(math.pi * progress)) * 0.98 + 0.02)

    def _run(self, voices: Sequence[Voice], rows: Rows, *, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
        """Logits at the positions that are answered, and all answers."""
        device, whole = self.lm.device, self.model.model
        frames = torch.cat([voice.frames for voice in voices]).to(device).float()
        if dropout:
            frames = nn.functional.dropout(frames, dropout)
        sound = self.projector(frames)
        words = self.model.get_input_embeddings()(rows.ids.to(device))
        place = rows.sounding.to(device)[..., None].expand_as(words)
        embedded = words.masked_scatter(place, sound.to(words.dtype))
        hidden = whole.language_model(inputs_embeds=embedded, attention_mask=rows.mask.to(device)).last_hidden_state
        answers = rows.answers.to(device)
        return self.model.lm_head(hidden[answers != ANSWERED]).float(), answers

    @torch.no_grad()
    def recall(self, voices: Sequence[Voice], emotions: Sequence[str]) -> float:
        """Mean recall of the worded choice, by the labels' first tokens, which all differ."""
        question = CHOICE.format(", ".join(emotions))
        labels = torch.tensor([self.writer.tokens(emotion)[0] for emotion in emotions])
        right: dict[str, list[bool]] = {}
        order = sorted(voices, key=lambda voice: len(voice.frames))
        for start in range(0, len(order), self.recipe.batch):
            some = order[start : start + self.recipe.batch]
            rows = self.writer.rows(some, [(question, None)] * len(some))
            answers = torch.full_like(rows.ids, ANSWERED)
            answers[torch.arange(len(some)), rows.first] = 0
            logits, _ = self._run(some, Rows(rows.ids, rows.mask, rows.sounding, answers, rows.first))
            for voice, at in zip(some, logits[:, labels].argmax(dim=1).tolist(), strict=True):
                right.setdefault(voice.emotion, []).append(emotions[at] == voice.emotion)
        return float(np.mean([np.mean(values) for values in right.values()]))

    def _look(self) -> None:
        kinds = dict.fromkeys((voice.language, voice.natural) for voice in self.dev)
        groups = {kind: [voice for voice in self.dev if (voice.language, voice.natural) == kind] for kind in kinds}
        each = {}
        for (language, natural), voices in groups.items():
            emotions = tuple(dict.fromkeys(emotion for voice in voices for emotion in voice.votes))
            each[f"{language}{'-natural' if natural else ''}"] = self.recall(voices, emotions)
        # Every kind of voice counts once: the synthesisers' are many.
        steps = self.step - (self.curve[-1]["step"] if self.curve else 0)
        loss, self._loss = self._loss / max(steps, 1), 0.0
        self.curve.append({"step": self.step, "loss": loss, "recall": float(np.mean(list(each.values()))), **each})
        if self.curve[-1] == self._best():
            self.save(self.out / "projector.safetensors")
        self._keep()

    def _best(self) -> dict[str, float]:
        return max(self.curve, key=lambda one: one["recall"], default={})

    def _exhausted(self) -> bool:
        best = self._best()
        return bool(best) and self.step - best["step"] >= self.recipe.patience * self.recipe.every

    def save(self, path: Path) -> None:
        """Write the projector in half precision, as it comes with the package."""
        state = {name: value.detach().half().cpu().contiguous() for name, value in self.projector.state_dict().items()}
        write_atomic(path, lambda file: save_file(state, file, metadata={"format": "pt"}))

    def _keep(self) -> None:
        state = {f"projector.{name}": value.detach().cpu() for name, value in self.projector.state_dict().items()}
        for number, one in self.optimiser.state_dict()["state"].items():
            state |= {f"adam.{number}.{name}": torch.as_tensor(value).cpu() for name, value in one.items()}
        told = {"step": str(self.step), "curve": json.dumps(self.curve), "frozen": json.dumps(self.frozen)}
        write_atomic(self.out / "state.safetensors", lambda file: save_file(state, file, metadata=told))
        write_json(self.out / "curve.json", {"kind": "smol-audio training", "version": 1, "curve": self.curve})

    def _restore(self) -> None:
        path = self.out / "state.safetensors"
        if not path.is_file():
            return
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            told = file.metadata()
        if json.loads(told["frozen"]) != self.frozen:
            raise Moved(f"{path} belongs to another encoder or decoder")
        state = load_file(path)
        own = {name.removeprefix("projector."): value for name, value in state.items() if name.startswith("projector.")}
        self.projector.load_state_dict(own)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("adam."):
                _, number, kind = name.split(".", 2)
                moments.setdefault(int(number), {})[kind] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.step, self.curve = int(told["step"]), json.loads(told["curve"])
