"""Whether a file or folder is whole, and what it is."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from esn_interp.analysis.written import load_result
from esn_interp.doctor.finding import BAD, FINE, Finding
from esn_interp.drawing.numbers import count
from esn_interp.errors import EsnError, first_line
from esn_interp.files import HEADER
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.audio import SAMPLE_RATE, read_audio
from esn_interp.speech.corpora import corpus
from esn_interp.studies.whole import load_study

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def _statistics(path: Path) -> str:
    found = GateStatistics.load(path)
    return f"statistics of {found.model} on {found.corpus}: {count(int(found.clips.sum()), 'clip')}"


def _neurons(path: Path) -> str:
    return f"a set of neurons: {NeuronSet.load(path)!r}"


OURS: dict[str, Callable[[Path], str]] = {"statistics": _statistics, "neurons": _neurons}
"""How our own safetensors files are read whole, by the kind in their header."""


def examine(path: str | Path) -> Finding:
    """Read one file or folder as what it is: ours, a checkpoint, a table of clips, a recording."""
    path = Path(path)
    if not path.exists():
        return Finding(str(path), BAD, "there is no such file or folder")
    if not os.access(path, os.R_OK):
        return Finding(str(path), BAD, "it can't be read by this user")
    try:
        return Finding(str(path), FINE, _read(path))
    except EsnError as error:
        return Finding(str(path), BAD, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return Finding(str(path), BAD, error.strerror or type(error).__name__)


def _read(path: Path) -> str:
    """What it is, in words, after all of it was read."""
    if path.is_dir():
        if (path / "results.json").is_file():
            study = load_study(path)
            return f"a study: {study.content['kind']}"
        if (path / "config.json").is_file():
            return _checkpoint(path)
        return _corpus(path)
    if path.suffix == ".safetensors":
        return _tensors(path)
    if path.suffix == ".json":
        result = load_result(path)
        return f"a result: {result.kind}"
    return _corpus(path) if path.suffix in TABLES else _recording(path)


def _tensors(path: Path) -> str:
    """What a safetensors file holds; that it is as long as its header says is looked at on opening."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            header, held = json.loads((file.metadata() or {}).get(HEADER, "{}")), len(list(file.keys()))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise EsnError(f"{path}: it is damaged or cut short ({first_line(error)})") from None
    kind = header.get("kind", "tensors that are not ours") if isinstance(header, dict) else None
    if not isinstance(kind, str):
        raise EsnError(f"{path}: its header does not say what it is; the file is damaged")
    reader = OURS.get(kind)
    return reader(path) if reader else f"{kind}: {held}"


def _checkpoint(folder: Path) -> str:
    """Weights in one file or in shards, each of which an index names."""
    index = folder / "model.safetensors.index.json"
    names = sorted({*_index(index).values()} if index.is_file() else {p.name for p in folder.glob("*.safetensors")})
    if not names:
        raise EsnError(f"{folder}: a config.json, and no weights in safetensors beside it: download it anew")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise EsnError(f"{folder}: {len(missing)} of {len(names)} files of weights are missing, {missing[0]} first")
    for name in names:
        _tensors(folder / name)
    size = sum((folder / name).stat().st_size for name in names)
    return f"a checkpoint, whole: {count(len(names), 'file')} of weights, {size / 1e9:.2f} GB"


def _index(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["weight_map"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EsnError(f"{path}: this is not an index of weights") from None


def _corpus(path: Path) -> str:
    clips = corpus(path)
    return f"a corpus: {len(clips)} clips, {len(set(clips.speakers))} speakers, {len(clips.emotions)} emotions"


def _recording(path: Path) -> str:
    sound = read_audio(path)
    return f"a recording: {len(sound) / SAMPLE_RATE:.1f} s at 16 kHz"
