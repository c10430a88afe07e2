"""The checks of a verification: each compares what is done here with something independent, on the same clips.

A check gives a `Finding`; it raises `Skip` where it does not apply to the model.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from esn_interp.errors import EditError, EsnError
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.models.baking import CHANGED
from esn_interp.models.bare import (
    bare_hidden,
    bare_logits,
    bare_tokens,
    exchanged,
    products,
    read_hidden,
    read_tokens,
)
from esn_interp.models.edits import Edit
from esn_interp.models.labels import label_tokens
from esn_interp.models.loading import load
from esn_interp.tasks.recognition import Recognition

Made = TypeVar("Made")

NEW_TOKENS = 12
"""Tokens of a greedy answer that are compared."""
_SHARE, _BAKED_LAYERS = 0.02, 2
_STEPS, _SCORES, _EDITS = 4, 1e-4, 1e-5
_SPARE = 1.2


class Skip(Exception):
    """Why a check does not apply."""


@dataclass(frozen=True)
class Finding:
    """What was measured, how large it may be, and in words what was compared; see `Check`."""

    figure: float
    bound: float
    unit: str
    told: str
    plain_seconds: float = float("nan")

    @property
    def passed(self) -> bool:
        """Whether the figure is within its bound; one that is not a number is not."""
        return self.figure <= self.bound


@dataclass(eq=False)
class Subject:
    """A model and the clips that it is verified on."""

    lm: AudioLM
    recognition: Recognition
    waveforms: Sequence[np.ndarray]
    seed: int
    bake: bool = True

    @cached_property
    def alone(self) -> list[Encoded]:
        """Every clip by itself, encoded."""
        return [self.lm.encode([wave], self.recognition.prompt) for wave in self.waveforms]

    @cached_property
    def labels(self) -> list[int]:
        """The token of each label.

        Raises
        ------
        Skip
            When a label has several: then the bare model has no single score for it.
        """
        tokens = label_tokens(self.lm.processor.tokenizer, self.recognition.labels)
        if any(len(label) > 1 for label in tokens):
            raise Skip("labels of several tokens, whose score is no single number of the bare model")
        return [label[0] for label in tokens]

    @cached_property
    def size(self) -> float:
        """The largest number that comes out of the head: what its precision is relative to."""
        return max(float(bare_logits(self.lm, one.inputs.tensors).abs().max()) for one in self.alone)

    def bound(self, least: float) -> float:
        """How far log-probabilities may lie apart: four rounding steps of the head's largest number (our choice)."""
        return max(least, _STEPS * torch.finfo(self.lm.dtype).eps * self.size)

    def edits(self, *gains: float, layers: int | None = None) -> list[Edit]:
        """Gains of some gates, drawn at random in every layer, or in so many, evenly spaced."""
        rng, widths = np.random.default_rng(self.seed), self.lm.widths
        chosen = range(len(widths)) if layers is None else np.linspace(0, len(widths) - 1, layers).round().astype(int)
        edits: list[Edit] = []
        for layer in sorted(set(map(int, chosen))):
            neurons = np.sort(rng.choice(widths[layer], max(1, round(_SHARE * widths[layer])), replace=False))
            gain = rng.choice(np.array(gains, dtype=np.float32), len(neurons))
            edits.append(Edit(layer, neurons, gain=gain))
        return edits

    def scores(self, edits: Sequence[Edit] = (), plan: str | None = None) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels, every clip by itself."""
        labels = self.recognition.labels
        return np.concatenate([self.lm.scores(one, labels, edits=edits, plan=plan) for one in self.alone])

    def bare_scores(self, lm: AudioLM) -> Float[np.ndarray, "clip label"]:
        """The same from the logits of the bare model."""
        rows = [bare_logits(lm, one.inputs.tensors)[:, self.labels] for one in self.alone]
        return torch.cat(rows).log_softmax(-1).numpy()

    def plainly(self, run: Callable[[], list[Tensor]]) -> tuple[list[Tensor], float]:
        """What the bare model gives, and how long it took."""
        return timed(run, self.lm.device)


def timed(run: Callable[[], list[Tensor]], device: torch.device) -> tuple[list[Tensor], float]:
    """What a function gives, and the seconds that it took, with all that it left to the device."""
    settle(device)
    start = time.perf_counter()
    result = run()
    settle(device)
    return result, time.perf_counter() - start


def settle(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _nothing(step: int, layer: int, gate: Tensor, experts: Tensor | None = None) -> None:
    """A tap that only makes sure that gates are read."""


def _apart(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference; infinite where shapes differ or a number is none."""
    if any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        return float("inf")
    largest = max(float((a.float() - b.float()).abs().max()) for a, b in zip(ours, theirs, strict=True))
    return largest if np.isfinite(largest) else float("inf")


def _differ(ours: Float[np.ndarray, "clip label"], theirs: Float[np.ndarray, "clip label"]) -> float:
    return float(np.abs(ours - theirs).max())


# ---------------------------------------------------------------- nothing is changed


def forward(subject: Subject) -> Finding:
    """The bare model's last hidden states, and those of a run in which every gate is read."""
    lm = subject.lm
    plain, seconds = subject.plainly(lambda: [bare_hidden(lm, one.inputs.tensors) for one in subject.alone])
    ours = [read_hidden(lm, one.inputs.tensors, one.inputs.scopes, _nothing) for one in subject.alone]
    told = (
        f"last hidden states of {len(ours)} prompts, every gate read in a trace, against the model's own forward with"
        " nothing of ours in it"
    )
    return Finding(_apart(ours, plain), 0.0, "largest difference", told, seconds)


def generation(subject: Subject) -> Finding:
    """The bare model's greedy tokens, and those of a run in which every gate is read at every step."""
    lm, chosen = subject.lm, subject.alone[:2]
    plain, seconds = subject.plainly(
        lambda: [bare_tokens(lm, one.inputs.tensors, max_new_tokens=NEW_TOKENS) for one in chosen]
    )
    ours = [
        read_tokens(lm, one.inputs.tensors, one.inputs.scopes, _nothing, max_new_tokens=NEW_TOKENS) for one in chosen
    ]
    pairs = zip(ours, plain, strict=True)
    wrong = sum(1 for a, b in pairs if a.shape != b.shape or not torch.equal(a.cpu(), b.cpu()))
    told = f"greedy answers of up to {NEW_TOKENS} tokens to {len(chosen)} clips, every gate read at every step"
    return Finding(float(wrong), 0.0, "answers that differ", told, seconds)


def gates(subject: Subject) -> Finding:
    """Gates as a trace shows them, and as the bare model's projections are seen to use them."""
    lm, one = subject.lm, subject.alone[0]
    seen = products(lm, one.inputs.tensors)
    if not seen:
        raise Skip("no layer has plain linear projections around its gates (experts, quantised or adapted weights)")
    apart: dict[int, float] = {}
    by_activation: list[int] = []

    def tap(step: int, layer: int, gate: Tensor, experts: Tensor | None = None) -> None:
        if (made := seen.get(layer)) is not None:
            shown = gate.reshape(made.read.shape)
            apart[layer] = _apart([shown * made.other], [made.read])
            by_activation.extend([layer] if torch.equal(shown, made.gate) else [])

    read_hidden(lm, one.inputs.tensors, one.inputs.scopes, tap)
    if missing := sorted(seen.keys() - apart.keys()):
        return Finding(float("inf"), 0.0, "largest difference", f"layer {missing[0]} was not shown by the trace")
    told = (
        f"gates of one prompt in {len(apart)} of {lm.n_layers} layers: times the other projection they are what the"
        f" down projection of the bare model reads; in {len(by_activation)} layers they also are the activation of its"
        " gate projection, worked out anew"
    )
    return Finding(max(apart.values()), 0.0, "largest difference", told)


def label_scores(subject: Subject) -> Finding:
    """Label scores, and what follows from the bare model's logits over its vocabulary."""
    plain = subject.bare_scores(subject.lm)
    told = f"log-probabilities of {len(subject.labels)} labels, against the bare model's logits over its vocabulary"
    return Finding(_differ(subject.scores(), plain), subject.bound(_SCORES), "largest difference, nats", told)


def batches(subject: Subject) -> Finding:
    """Clips by themselves, and side by side, where shorter ones are padded."""
    alone = subject.scores()
    together = subject.lm.scores(
        subject.lm.encode(subject.waveforms, subject.recognition.prompt), subject.recognition.labels
    )
    changed = int((alone.argmax(axis=1) != together.argmax(axis=1)).sum())
    told = f"log-probabilities of {len(alone)} clips, each alone and all in one padded batch; {changed} labels change"
    return Finding(_differ(alone, together), subject.bound(_SCORES), "largest difference, nats", told)


# ---------------------------------------------------------------- edits


def ablation(subject: Subject) -> Finding:
    """Silenced gates: in a trace, and in the weights."""
    return _plans(subject, 0.0)


def gain(subject: Subject) -> Finding:
    """Gates that are multiplied: in a trace, and in the weights."""
    return _plans(subject, 0.6, 1.7)


def _plans(subject: Subject, *gains: float) -> Finding:
    edits, plain = subject.edits(*gains), subject.scores()
    traced = subject.scores(edits, "traced")
    if (moved := _differ(traced, plain)) == 0:
        return Finding(float("inf"), 0.0, "largest difference, nats", "the traced edit changes no score at all")
    scaled = _or_skip(lambda: subject.scores(edits, "scaled"))
    by = " or ".join(f"{value:g}" for value in gains)
    told = (
        f"{sum(len(edit.neurons) for edit in edits):,} gates times {by} at all positions, plan traced against plan"
        f" scaled; scores move by up to {moved:.3g} nats"
    )
    return Finding(_differ(traced, scaled), subject.bound(_EDITS), "largest difference, nats", told)


def put_back(subject: Subject) -> Finding:
    """The bare model before and after its weights were scaled for a run, and after a run that broke off."""
    lm, one = subject.lm, subject.alone[0]
    before = bare_hidden(lm, one.inputs.tensors)
    edits = subject.edits(0.0, 1.7)
    _or_skip(lambda: subject.scores(edits, "scaled"))
    beyond = [*edits, Edit(0, edits[0].neurons, gain=0.5, positions=frozenset({"generated"}))]
    try:
        lm.scores(one, subject.recognition.labels, edits=beyond, plan="traced")
    except EditError:
        pass  # as it must: the prompt has no token where the last edit acts
    else:
        return Finding(float("inf"), 0.0, "largest difference", "an edit that touched no token was no error")
    after = bare_hidden(lm, one.inputs.tensors)
    told = "last hidden states of the bare model, before edits and after them, one of which was refused in its run"
    return Finding(_apart([after], [before]), 0.0, "largest difference", told)


def bake(subject: Subject) -> Finding:
    """A baked checkpoint, loaded and run by plain transformers, against the traced edit."""
    if not subject.bake:
        raise Skip("not asked for")
    lm = subject.lm
    weights = sum(parameter.numel() * parameter.element_size() for parameter in lm.model.parameters())
    folder = Path(tempfile.mkdtemp(prefix="esn-verify-"))
    try:
        why = _no_copy(lm, folder, _SPARE * weights)
        edits = subject.edits(0.0, 1.7, layers=_BAKED_LAYERS if why else None)
        baked = _or_skip(lambda: lm.bake(edits, folder / "baked", by="esn verify", patch=bool(why)))
        traced = subject.scores(edits, "traced")
        if not why:
            place = None if lm.device.type == "cpu" else str(lm.device)
            served = load(folder / "baked", component=lm.component, dtype=lm.dtype, device_map=place)
            if served.baked is None or served.baked.digest != baked.digest:
                return Finding(float("inf"), 0.0, "largest difference, nats", "the checkpoint is not known as steered")
            theirs, how = subject.bare_scores(served), "a full copy, loaded anew"
        else:
            with exchanged(lm, load_file(folder / "baked" / CHANGED)):
                theirs = subject.bare_scores(lm)
            how = f"a patch, put in the place of the model's own weights ({why})"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    told = f"{baked.count:,} gates in {len(baked.layers)} layers baked into {how}; the bare model against plan traced"
    return Finding(_differ(traced, theirs), subject.bound(_EDITS), "largest difference, nats", told)


def _no_copy(lm: AudioLM, folder: Path, size: float) -> str:
    """Why a full copy of the model, of so many bytes, is not written and loaded beside it; empty where it may be."""
    if type(lm.model).__module__.startswith("transformers_modules"):
        return "a copy would need the code that came with the model"
    if shutil.disk_usage(folder).free < size:
        return "the disk has no room for a full copy"
    return "memory has no room for a second model" if _free(lm.device) < size else ""


def _free(device: torch.device) -> float:
    """Bytes that are free for another model where this one is; 0 where that can't be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1]
        return 1024 * float(told.split()[0])
    except (OSError, IndexError):
        return 0.0


def _or_skip(run: Callable[[], Made]) -> Made:
    """What a function gives; what is refused for this model is no fault."""
    try:
        return run()
    except EsnError as error:
        raise Skip(str(error)) from error


CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "unedited forward": forward,
    "unedited answers": generation,
    "gates": gates,
    "label scores": label_scores,
    "batches": batches,
    "ablation": ablation,
    "gain": gain,
    "weights put back": put_back,
    "bake": bake,
}
"""Every check by its name, in the order in which they are run."""
