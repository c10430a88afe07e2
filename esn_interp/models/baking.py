"""A steered model as an ordinary checkpoint: gains of gates multiplied into the weights that read them.

Whatever serves the base model serves the steered one, at its own speed; nothing of this package is needed for it.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.utils.hub import cached_file

from esn_interp.errors import EditError, EsnError, ModelError, first_line
from esn_interp.files import making_of, write_text
from esn_interp.models.baked import Baked
from esn_interp.models.columns import Columns
from esn_interp.models.fingerprint import sample_positions
from esn_interp.models.plans import Gains

CHANGED = "changed.safetensors"
CARD = "README.md"


@dataclass(frozen=True, eq=False)
class Scaled:
    """Part of a layer's weight whose columns are scaled: all of it, or one expert's."""

    name: str
    weight: Tensor
    axis: int
    neurons: Tensor
    gains: Tensor

    @classmethod
    def of(cls, name: str, columns: Columns, neurons: np.ndarray, gains: np.ndarray) -> "list[Scaled]":
        """One for every expert that is named, or one for the layer."""
        index, factor = torch.from_numpy(neurons), torch.from_numpy(gains)
        if not columns.experts:
            return [cls(name, columns.weight.data, columns.axis, index, factor)]
        owner = index // columns.width
        return [
            cls(
                f"{name}.{expert}",
                columns.weight.data[expert],
                columns.axis - 1,
                index[owner == expert] % columns.width,
                factor[owner == expert],
            )
            for expert in owner.unique().tolist()
        ]

    def apply(self, stored: Tensor, *, transposed: bool = False) -> Tensor:
        """A stored copy of the weight with its columns scaled, in its own precision."""
        axis, new = self.axis ^ transposed, stored.clone()
        shape = [-1, 1] if axis == 0 else [1, -1]
        picked = new.index_select(axis, self.neurons)
        new.index_copy_(axis, self.neurons, picked * self.gains.to(stored.dtype).view(shape))
        return new


def changes(model: nn.Module, columns: Mapping[int, Columns], gains: Gains) -> list[Scaled]:
    """What is to be scaled, by the names of the model's own parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        one
        for layer, (neurons, gain) in gains.items()
        for one in Scaled.of(names[id(columns[layer].weight)], columns[layer], neurons, gain)
    ]


def write_baked(
    model: nn.Module,
    processor: Any,
    place: str | None,
    out: Path,
    baked: Baked,
    scaled: Sequence[Scaled],
    *,
    patch: bool,
    overwrite: bool = False,
) -> None:
    """Write the folder, whole or not at all.

    Raises
    ------
    EsnError
        When the disk or its rights don't let it be written.
    EditError
        When ``out`` is there and not empty, unless it may be replaced.
    ModelError
        When the weights are not found in the files of the base model.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not overwrite)):
        raise EditError(f"{out}: there is something already; name a new folder, or say that it may be replaced")
    making, old = making_of(out), making_of(out)
    try:
        making.mkdir(parents=True)
        if patch:
            _write_changed(making, model, scaled)
        elif (folder := _local(place)) is not None and list(folder.glob("*.safetensors")):
            _copy(folder, making, scaled)
        else:
            _save(model, processor, making, scaled)
        baked.save(making)
        if (making / CARD).is_file():
            (making / CARD).rename(making / f"BASE_{CARD}")
        write_text(making / CARD, card(baked, patch=patch))
        if out.exists():
            out.rename(old)
        making.rename(out)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise EsnError(f"{out}: can't be written: {reason}; nothing of it is left") from error
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for folder in (making, old):
            shutil.rmtree(folder, ignore_errors=True)


def _local(place: str | None) -> Path | None:
    """The folder on this machine that a model was loaded from; of a model of the hub, that of its copy."""
    if place is None or Path(place).is_dir():
        return None if place is None else Path(place)
    config = cached_file(place, "config.json", local_files_only=True, _raise_exceptions_for_missing_entries=False)
    return None if config is None else Path(config).parent


def _write_changed(folder: Path, model: nn.Module, scaled: Sequence[Scaled]) -> None:
    """The changed tensors alone, under the names that transformers has for them."""
    parameters = dict(model.named_parameters())
    changed: dict[str, Tensor] = {}
    for one in scaled:
        name, expert = (one.name, None) if one.name in parameters else one.name.rsplit(".", 1)
        whole = changed.setdefault(name, parameters[name].detach().cpu().clone().contiguous())
        if expert is None:
            changed[name] = one.apply(whole).contiguous()
        else:
            whole[int(expert)] = one.apply(whole[int(expert)])
    save_file(changed, folder / CHANGED, metadata={"format": "pt"})


def _save(model: nn.Module, processor: Any, folder: Path, scaled: Sequence[Scaled]) -> None:
    """A model that has no folder of its own, as transformers saves it."""
    held = [(one.weight, one.weight.clone()) for one in scaled]
    try:
        for one in scaled:
            device = one.weight.device
            moved = Scaled(one.name, one.weight, one.axis, one.neurons.to(device), one.gains.to(device))
            one.weight.copy_(moved.apply(one.weight))
        model.save_pretrained(folder)  # pyright: ignore[reportCallIssue]
    finally:
        for weight, before in held:
            weight.copy_(before)
    for part in (processor.whole, processor.tokenizer, processor.feature_extractor):
        if part is not None:
            part.save_pretrained(folder)
            if part is processor.whole:
                break


def _copy(place: Path, folder: Path, scaled: Sequence[Scaled]) -> None:
    """All files of the base model; those that hold scaled weights are written anew.

    Tensors are found by what they hold, since checkpoints have names of their own for them.
    """
    files = sorted(place.glob("*.safetensors"))
    found = _found(files, scaled)
    for item in place.iterdir():
        if item.is_dir():
            shutil.copytree(item, folder / item.name)
        elif item not in files or not any(file == item for file, _ in found):
            shutil.copy(item, folder / item.name)
    for file in {file for file, _ in found}:
        tensors = load_file(file)
        for (where, key), targets in found.items():
            if where == file:
                for target in targets:
                    tensors[key] = target.scaled(tensors[key])
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata()
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / file.name, metadata)


@dataclass(frozen=True, eq=False)
class _Target:
    """A stored tensor is, or holds as one of its experts, a weight that is scaled; perhaps the other way round."""

    one: Scaled
    expert: int | None
    transposed: bool

    def part(self, stored: Tensor) -> Tensor:
        return stored if self.expert is None else stored[self.expert]

    def matches(self, stored: Tensor) -> bool:
        part, weight = self.part(stored), self.one.weight
        part = part.T if self.transposed else part
        if part.shape != weight.shape:
            return False
        at = sample_positions(weight.numel())
        same = part.reshape(-1)[at].to(weight.dtype) == weight.reshape(-1)[at.to(weight.device)].cpu()
        return bool(same.all()) and torch.equal(part.to(weight.dtype), weight.cpu())

    def scaled(self, stored: Tensor) -> Tensor:
        new = self.one.apply(self.part(stored), transposed=self.transposed)
        if self.expert is None:
            return new
        stored = stored.clone()
        stored[self.expert] = new
        return stored


def _found(files: Sequence[Path], scaled: Sequence[Scaled]) -> dict[tuple[Path, str], list[_Target]]:
    """Which stored tensors hold the weights that are to be scaled."""
    candidates: dict[str, list[tuple[Path, str, _Target]]] = {one.name: [] for one in scaled}
    for file in files:
        with safe_open(str(file), framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118 (not a mapping)
                shape = opened.get_slice(key).get_shape()
                for one, expert in _fitting(shape, scaled):
                    stored = opened.get_tensor(key)
                    for transposed in (False, True):
                        if (target := _Target(one, expert, transposed)).matches(stored):
                            candidates[one.name].append((file, key, target))
                            break
    found: dict[tuple[Path, str], list[_Target]] = {}
    for name, places in candidates.items():
        if not places:
            raise ModelError(f"{files[0].parent}: no tensor in its files holds {name}; bake a patch instead")
        alike = [_common_end(key, name) for _, key, _ in places]
        if alike.count(max(alike)) > 1:
            raise ModelError(
                f"{files[0].parent}: several tensors hold what {name} does; bake a patch instead"
            )
        file, key, target = places[alike.index(max(alike))]
        found.setdefault((file, key), []).append(target)
    return found


def _fitting(shape: Sequence[int], scaled: Sequence[Scaled]) -> Iterable[tuple[Scaled, int | None]]:
    for one in scaled:
        if sorted(shape[-2:]) != sorted(one.weight.shape):
            continue
        if len(shape) == 2:
            yield one, None
        elif len(shape) == 3 and (expert := one.name.rsplit(".", 1)[-1]).isdigit() and int(expert) < shape[0]:
            yield one, int(expert)


def _common_end(one: str, other: str) -> int:
    """How many parts of two dotted names agree, from the end."""
    same = [a == b for a, b in zip(one.split(".")[::-1], other.split(".")[::-1], strict=False)]
    return same.index(False) if False in same else len(same)


def card(baked: Baked, *, patch: bool) -> str:
    """What was done to the model, by whom, and how it is used."""
    rows = "\n".join(
        f"| {layer} | {len(neurons):,} | {float(gains.min()):g} | {float(gains.max()):g} |"
        for layer, (neurons, gains) in sorted(baked.layers.items())
    )
    if patch:
        use = (
            f"`{CHANGED}` holds the changed weights alone, under the names that transformers has for them. Load the"
            " base model, then put them in its place:\n\n"
            "```python\nfrom safetensors.torch import load_file\n\n"
            f'model.load_state_dict(load_file("{CHANGED}"), strict=False)\n```'
        )
    else:
        use = "Loads like the base model, wherever that does: no code comes with it, and none is needed."
    front = json.dumps(baked.base)
    return f"""---
base_model: {front}
tags: [steered]
---
# {Path(baked.base).name}, steered

{baked.summary()[:1].upper()}{baked.summary()[1:]}. **This is not the base model**: it was changed on purpose,
and what it says about emotion is shifted by that.

- Base model: `{baked.base}`, fingerprint `{baked.base_fingerprint}`
- Done by: {baked.by or "somebody who did not say"}
- Made with: esn-interp {baked.made_with}

## What was done

A gate `g` of a decoder layer computes `down(g * u)`. Multiplying it by a number at every position is multiplying a
column of `down` by it, which was done here; nothing else differs. `steered.json` lists every neuron and its gain.

| layer | gates | least gain | greatest gain |
|---|---|---|---|
{rows}

## Use

{use}
"""
