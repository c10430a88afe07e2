"""Training of projectors: the decoder runs, but does not move, and neither does the encoder."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from esn_interp.files import write_atomic, write_json
from smol_audio.batches import Draws, Part
from smol_audio.looks import look
from smol_audio.projectors import Projector, Variant, apply_each
from smol_audio.recipe import Recipe
from smol_audio.rows import ANSWERED, Voice, Writer
from smol_audio.sounds import Sounds, roughened

PROBED = 512  # sounds that tell how wide what the encoder says is
TRIAL = (20, 60)  # steps after which the pace is taken, and has been


class Moved(RuntimeError):
    """Weights changed that must not."""


def digest(module: nn.Module) -> str:
    """Hex digits over every bit of a module's weights."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class Listener:
    """The frozen encoder, and the frozen decoder behind whatever projectors."""

    def __init__(self, lm: Any, sounds: Sounds) -> None:
        self.lm, self.model = lm, lm.model
        self.model.requires_grad_(False)
        self.sounds = sounds.to(lm.device)
        self.tower: Any = self.model.model.audio_tower
        self.embedding: nn.Embedding = self.model.get_input_embeddings()

    @property
    def parts(self) -> dict[str, nn.Module]:
        whole = self.model.model
        return {"encoder": self.tower, "decoder": whole.language_model, "head": self.model.lm_head}

    @torch.no_grad()
    def hear(self, which: Tensor, *, rough: bool = False) -> tuple[Tensor, Tensor]:
        """What the encoder makes of some sounds, ``[sound, frame, column]``, and how many frames are sound."""
        which = which.to(self.lm.device)
        features, mask = self.sounds.features(which, 2 * self.tower.max_source_positions)
        if rough:
            features = roughened(features, self.sounds.tops[which], self.sounds.frames[which])
        frames = self.tower(features.to(self.lm.dtype), input_features_mask=mask.long()).last_hidden_state
        _, counts = self.tower._get_feat_extract_output_lengths(mask.sum(-1))
        return frames[:, : int(counts.max())].float(), counts

    def answer(
        self, part: Part, heard: tuple[Tensor, Tensor], projectors: Sequence[Projector], wanted: Tensor
    ) -> Tensor:
        """Log-probabilities of the next token at the positions that are wanted, each row by its own projector."""
        frames, counts = heard
        ids = part.rows.ids.to(self.lm.device)
        words = self.embedding(ids)
        sound = apply_each(projectors, part.which.to(self.lm.device), frames, words.shape[-1])
        real = torch.arange(frames.shape[1], device=counts.device) < counts[:, None]
        place = part.rows.sounding.to(self.lm.device)[..., None].expand_as(words)
        embedded = words.masked_scatter(place, sound[real].to(words.dtype))
        # Rows are padded on the right, where nothing that is asked about can see.
        hidden = self.model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return self.model.lm_head(hidden[wanted]).float().log_softmax(dim=-1)


class Trainer:
    """One training of one or several projectors, which goes on where it was when its folder holds a beginning."""

    def __init__(
        self,
        lm: Any,
        sounds: Sounds,
        voices: Sequence[Voice],
        dev: Sequence[Voice],
        variants: Sequence[Variant],
        recipe: Recipe,
        out: Path,
        *,
        at_once: int = 8,
        workers: int = 0,
        begin: Path | None = None,
    ) -> None:
        self.listener, self.dev, self.variants, self.recipe, self.out = (
            Listener(lm, sounds),
            dev,
            variants,
            recipe,
            out,
        )
        self.frozen = {name: digest(part) for name, part in self.listener.parts.items()}
        self.writer = Writer(lm.processor)
        self.draws = Draws(self.writer, voices, variants, recipe, at_once)
        self.at_once, self.workers = at_once, workers
        self.projectors = self._projectors(
            [voice.sound for voice in voices][:: max(1, len(voices) // PROBED)], begin
        )
        weights = [weight for one in self.projectors for weight in one.parameters()]
        self.optimiser = torch.optim.AdamW(
            weights, lr=recipe.rate, weight_decay=recipe.decay, betas=(0.9, 0.98)
        )
        self.step, self.steps, self.curve = 0, recipe.steps, list[dict[str, Any]]()
        self._losses = torch.zeros(len(variants), device=lm.device)
        self._restore()

    def _projectors(self, some: Sequence[int], begin: Path | None) -> list[Projector]:
        found = []
        for start in range(0, len(some), self.at_once):
            frames, counts = self.listener.hear(torch.tensor(some[start : start + self.at_once]))
            found += [one[:count] for one, count in zip(frames, counts.tolist(), strict=True)]
        heard = torch.cat(found).cpu()
        mean, spread = heard.mean(dim=0), heard.std(dim=0) + 1e-3
        size = float(self.listener.embedding.weight.detach().float().square().mean().sqrt())
        width = self.listener.embedding.weight.shape[1]
        projectors = []
        for variant in self.variants:
            torch.manual_seed(variant.seed)
            one = Projector(mean, spread, width, size, self.recipe.dropout).to(self.listener.lm.device)
            if begin is not None:
                one.take(load_file(begin))
            projectors.append(one)
        return projectors

    def run(self, *, said: Callable[[str], None] = print) -> dict[str, Any]:
        """Train for the recipe's steps, with a look at dev now and then, which changes nothing.

        Raises
        ------
        Moved
            When encoder, decoder or head are not to the bit what they were.
        """
        if not self.curve:
            self._look(said)
        with self._drawn() as parts:
            begun, since = time.monotonic(), self.step
            while self.step < self.steps:
                self._learn(next(parts))
                self.step += 1
                if self.recipe.seconds and self.step - since == TRIAL[0]:
                    begun = time.monotonic()
                if self.recipe.seconds and self.step == TRIAL[1] and since == 0:
                    pace = (time.monotonic() - begun) / (TRIAL[1] - TRIAL[0])
                    self.steps = min(self.steps, TRIAL[1] + int(self.recipe.seconds / pace))
                    said(f"{pace:.3f} s a step: {self.steps} steps")
                if self.step % self.recipe.every == 0 or self.step == self.steps:
                    self._look(said)
        for name, part in self.listener.parts.items():
            if digest(part) != self.frozen[name]:
                raise Moved(f"the {name} moved")
        for variant, projector in zip(self.variants, self.projectors, strict=True):
            projector.save(self.out / f"{variant.name}.safetensors")
        variants = [asdict(variant) for variant in self.variants]
        return {
            "recipe": asdict(self.recipe) | {"steps": self.steps},
            "variants": variants,
            "frozen": self.frozen,
            "curve": self.curve,
        }

    @contextmanager
    def _drawn(self) -> Generator[Iterator[list[Part]]]:
        """The parts of the steps to come, drawn ahead by workers where there are any."""
        loader = DataLoader(
            self.draws,
            sampler=range(self.step, 10**9),
            batch_size=None,
            num_workers=self.workers,
            multiprocessing_context="fork" if self.workers else None,
        )
        drawn = iter(loader)
        try:
            yield drawn
        finally:
            del drawn

    def _learn(self, parts: Sequence[Part]) -> None:
        torch.manual_seed(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * self._factor()
        self.optimiser.zero_grad(set_to_none=True)
        for part in parts:
            each = self._losses_of(part)
            each.sum().backward()
            self._losses.index_add_(0, part.which.to(each.device), each.detach())
        for one in self.projectors:
            nn.utils.clip_grad_norm_(one.parameters(), 1.0)
        self.optimiser.step()

    def _losses_of(self, part: Part) -> Tensor:
        """Each row's share of the loss of its projector: every answer counts once, however long it is."""
        device = self.listener.lm.device
        answers = part.rows.answers.to(device)
        wanted = answers != ANSWERED
        heard = self.listener.hear(part.sounds, rough=self.recipe.rough)
        logs = self.listener.answer(part, heard, self.projectors, wanted)
        rows = wanted.nonzero()[:, 0]
        count = wanted.sum(dim=1)
        said = -logs.gather(1, answers[wanted][:, None])[:, 0] / count[rows]
        each = torch.zeros(len(answers), device=device).index_add(0, rows, said)
        if self.recipe.choosing and len(part.choosing):
            choosing = part.choosing.to(device)
            begin = count.cumsum(0) - count  # where each row's answer begins among all that is wanted
            first = logs[begin[choosing]].gather(1, part.labels.to(device))
            sizes = part.sizes.to(device)
            scores = torch.where(sizes > 0, first / sizes.clamp(min=1), torch.full_like(first, -1e4))
            chosen = nn.functional.cross_entropy(scores, part.right.to(device), reduction="none")
            each = each.index_add(0, choosing, self.recipe.choosing * chosen)
        return each / self.recipe.batch

    def _factor(self) -> float:
        progress = self.step / self.steps
        return min(1.0, (self.step + 1) / self.recipe.warmup) * (
            0.5 * (1 + math.cos(math.pi * progress)) * 0.98 + 0.02
        )

    def _look(self, said: Callable[[str], None]) -> None:
        since = self.step - (self.curve[-1]["step"] if self.curve else 0)
        losses, self._losses = (self._losses / max(since, 1)).tolist(), torch.zeros_like(self._losses)
        for one in self.projectors:
            one.eval()
        found = look(self.listener, self.writer, self.projectors, self.variants, self.dev, self.at_once)
        for one in self.projectors:
            one.train()
        told = {
            variant.name: {"loss": loss, **values}
            for variant, loss, values in zip(self.variants, losses, found, strict=True)
        }
        self.curve.append({"step": self.step, **told})
        said(json.dumps({"step": self.step} | {name: _short(values) for name, values in told.items()}))
        self._keep()

    def _keep(self) -> None:
        state: dict[str, Tensor] = {}
        for at, one in enumerate(self.projectors):
            state |= {
                f"projector.{at}.{name}": value.detach().cpu() for name, value in one.state_dict().items()
            }
        for number, one in self.optimiser.state_dict()["state"].items():
            state |= {f"adam.{number}.{name}": torch.as_tensor(value).cpu() for name, value in one.items()}
        told = {"step": self.step, "steps": self.steps, "curve": self.curve, "frozen": self.frozen}
        metadata = {name: json.dumps(value) for name, value in told.items()}
        write_atomic(self.out / "state.safetensors", lambda file: save_file(state, file, metadata=metadata))
        write_json(
            self.out / "curve.json", {"kind": "smol-audio training", "version": 2, "curve": self.curve}
        )

    def _restore(self) -> None:
        path = self.out / "state.safetensors"
        if not path.is_file():
            return
        with safe_open(path, "pt") as file:
            told = {name: json.loads(value) for name, value in file.metadata().items() if name != "format"}
        if told["frozen"] != self.frozen:
            raise Moved(f"{path} belongs to another encoder or decoder")
        state = load_file(path)
        for at, one in enumerate(self.projectors):
            begin = f"projector.{at}."
            one.load_state_dict({k.removeprefix(begin): v for k, v in state.items() if k.startswith(begin)})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("adam."):
                _, number, kind = name.split(".", 2)
                moments.setdefault(int(number), {})[kind] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.step, self.steps, self.curve = told["step"], told["steps"], told["curve"]


def _short(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
