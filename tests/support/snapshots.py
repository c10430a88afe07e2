"""What others may rely on, as text: every public name with its parameters, and what is in each kind of file.

What is committed in ``tests/snapshots`` is compared with this; ``make snapshots`` writes it anew.
"""

import inspect
import json
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
from made_up_gates import heard_clips, statistics_of
from safetensors import safe_open

import esn_interp as esn
from esn_interp.analysis.listening.pairs import ListeningPair, Side, write_pairs
from esn_interp.analysis.written import results
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.heard import Heard
from esn_interp.speech.splits import Assignment
from esn_interp.tasks.budget import Budget
from esn_interp.tasks.checkpoints import write_checkpoint
from esn_interp.tasks.conversion_record import Conversion
from esn_interp.tasks.conversion_store import ConversionStore
from esn_interp.tasks.hearing import Plan

FOLDER = Path(__file__).parent.parent / "snapshots"
_PLAIN = (bool, int, float, str, tuple, type(None))


def snapshots() -> dict[str, str]:
    """The text of each file in the folder."""
    return {name: "".join(f"{line}\n" for line in lines()) for name, lines in SNAPSHOTS.items()}


def api() -> Iterator[str]:
    """Every public name, with the parameters of what can be called, and the members of classes."""
    for name in sorted(esn.__all__):
        value = getattr(esn, name)
        if isinstance(value, ModuleType):
            yield f"{name}: module"
            public = getattr(value, "__all__", None) or [one for one in vars(value) if not one.startswith("_")]
            for one in sorted(public):
                member = getattr(value, one)
                if getattr(member, "__module__", "").startswith("esn_interp") and callable(member):
                    yield f"{name}.{one}{parameters(member)}"
        elif inspect.isclass(value):
            yield f"{name}{parameters(value)}"
            yield from (f"{name}.{line}" for line in members(value))
        elif callable(value):
            yield f"{name}{parameters(value)}"
        else:
            yield f"{name}: {', '.join(sorted(one if isinstance(one, str) else one.name for one in value))}"


def members(kind: type) -> Iterator[str]:
    """Public methods with their parameters, properties, and fields that are set in the class."""
    for name in sorted(dir(kind)):
        if name.startswith("_"):
            continue
        static = inspect.getattr_static(kind, name)
        holders = [one.__module__ for one in kind.__mro__ if name in vars(one)]
        if not any(module.startswith("esn_interp") for module in holders):
            continue  # of a base class that is not ours
        if isinstance(static, property) or not callable(getattr(kind, name)):
            yield name
        else:
            yield f"{name}{parameters(getattr(kind, name))}"


def parameters(value: Any) -> str:
    """Names, order and defaults; types are for the checker."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    told = []
    for one in signature.parameters.values():
        default = one.default
        if default is not inspect.Parameter.empty and not isinstance(default, _PLAIN):
            default = ...
        told.append(one.replace(annotation=inspect.Parameter.empty, default=default))
    return str(signature.replace(parameters=told, return_annotation=inspect.Signature.empty))


def formats() -> Iterator[str]:
    """Each kind of file, its version, and the entries in it: of results from their fields, of others by example."""
    for kind, found in sorted(results().items()):
        yield f"result {kind} {found.version}: kind, version, package_version, {', '.join(_entries(found))}"
    with tempfile.TemporaryDirectory() as place:
        for title, path in examples(Path(place)):
            yield f"{title}: {', '.join(_held(path))}"


def _entries(kind: Any) -> Iterator[str]:
    """Fields, those of further dataclasses in brackets."""
    for field in fields(kind):
        inner = [one for one in (field.type, *get_args(field.type)) if isinstance(one, type) and is_dataclass(one)]
        yield f"{field.name} ({' '.join(_entries(inner[0]))})" if inner else field.name


def examples(folder: Path) -> Iterator[tuple[str, Path]]:
    """One file of each kind that is no result."""
    stats = statistics_of(heard_clips(6), per_clip=True)
    stats.save(folder / "statistics.safetensors")
    yield "statistics", folder / "statistics.safetensors"
    write_checkpoint(folder / "checkpoint.safetensors", stats, Plan(Budget(2), 3, [[0, 1]]), 2)
    yield "checkpoint", folder / "checkpoint.safetensors"
    NeuronSet.from_indices(stats.origin, {"happy": np.array([1, 2])}).save(folder / "neurons.safetensors")
    yield "neurons", folder / "neurons.safetensors"
    shares = (0.2, 0.3, 0.5)
    Assignment("made-up", "f0", "speaker", 0, shares, None, "", {"a": "evaluation"}).save(folder / "split.json")
    yield "split", folder / "split.json"
    Heard("tiny", {"training": {"made-up": ["ada"]}}, ("one",)).save(folder)
    yield "heard", folder / "heard.json"
    sides = Side(condition="steered", file="a.wav"), Side(condition="unsteered", file="b.wav")
    write_pairs(folder, [ListeningPair(id="1", emotion="sad", first=sides[0], second=sides[1])])
    yield "pairs", folder / "pairs.jsonl"
    store = ConversionStore(folder / "conversions", {"corpus_fingerprint": "f0"}, resume=False)
    store.add(Conversion("a", "ada", "sad", "", "happy", "", np.zeros(8, np.float32), 8, 0), None, None)
    yield "conversions", folder / "conversions" / "conversions.jsonl"
    yield "run of conversions", folder / "conversions" / "run.json"


def _held(path: Path) -> list[str]:
    """The entries of a file, and the names of its arrays, layers as one."""
    if path.suffix == ".safetensors":
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads(file.metadata()["esn"])
            arrays = {name.rpartition("/")[0] + "/NN" if name[-1].isdigit() else name for name in file.keys()}  # noqa: SIM118
        return [f"version {header['version']}", *sorted(header), *(f"[{name}]" for name in sorted(arrays))]
    text = path.read_text(encoding="utf-8")
    first = json.loads(text.split("\n")[0] if path.suffix == ".jsonl" else text)
    version = [f"version {first['version']}"] if "version" in first else []
    return [*version, *sorted(first)]


SNAPSHOTS = {"api.txt": api, "formats.txt": formats}
