"""Every damaged file that is tried, and the command that reads it.

``DOORS`` has, for each door, a whole file and the words of the command: what is whole is accepted, or else a refusal
would say nothing. ``CASES`` are its damages.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
from malformed import damaged, entries_damaged
from tiny_omni import noise

WRITTEN = Path(__file__).parent.parent / "written" / "0.1"
STATISTICS, NEURONS = WRITTEN / "statistics", WRITTEN / "neurons"
RESULTS = sorted(path for path in (WRITTEN / "analyses").glob("*.json") if ".facts" not in path.name)

EACH = 24

Words = list[str | Path]


@dataclass(frozen=True)
class Door:
    """A command that reads a file: a whole one by its name, and the words for any in its place."""

    name: str
    file: str
    whole: bytes
    words: Callable[[Path, Path], Words]
    damages: Callable[[bytes], Iterator[tuple[str, bytes]]]
    tells: bool = True  # on stderr, in one line; else in the table that it prints
    prepared: Callable[[Path], None] = field(default=lambda folder: None)


@dataclass(frozen=True)
class Case:
    """One damaged file at a door."""

    door: Door
    damage: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.door.name}: {self.damage}"


def _tensors(name: str, whole: Path, words: Callable[[Path, Path], Words]) -> Door:
    return Door(
        name, "damaged.safetensors", whole.read_bytes(), words, lambda content: damaged(content, seed=0, text=False)
    )


def _text(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from damaged(content, seed=0, text=True)


def _object(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _text(content)
    yield from entries_damaged(json.loads(content))


def _some_of_object(content: bytes) -> Iterator[tuple[str, bytes]]:
    """As `_object`, a sample: there are many kinds of results, and one way to read them."""
    yield from random.Random(0).sample(list(_object(content)), EACH)


def _lines(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Of a file of objects, one a line: as text, and the first object entry by entry."""
    yield from _text(content)
    first, _, rest = content.partition(b"\n")
    for damage, line in entries_damaged(json.loads(first)):
        yield f"line 1: {damage}", line + b"\n" + rest


def _study(name: str) -> Door:
    """A whole study's folder, with its results damaged."""

    def words(file: Path, out: Path) -> Words:
        folder = file.parent / "study"
        shutil.copytree(WRITTEN / name, folder)
        shutil.copy(file, folder / "results.json")
        return ["report", folder]

    return Door(f"report of {name}", "results.json", (WRITTEN / name / "results.json").read_bytes(), words, _object)


CONFIG = b"name: damaged\nmodels: [toy-omni]\ncorpora: [toy-studio]\nselectors: [mad, lap]\ntops: [0.02, 0.05]\n"
WRONG_LINES = {
    "a key twice": "tops: [0.1]",
    "an infinity": "alphas: [.inf]",
    "not a number": "alphas: [.nan]",
    "a share above one": "alphas: [1]\ntops: [2]",
    "no list": "alphas: 0",
    "an unknown key": "alpha: [1]",
    "an unknown stage": "stages: [baseline, magic]",
    "a list of lists": "alphas: [[1]]",
    "a null": "alphas: null",
    "an anchor to itself": "alphas: &a [*a]",
    "a Python object": "seed: !!python/object/apply:os.getpid []",
}


def _config(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _text(content)
    for damage, line in WRONG_LINES.items():
        yield damage, content + line.encode() + b"\n"


def _with_recordings(folder: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
        soundfile.write(folder / name, noise(0.3, seed=ord(name[0]))[0], 16_000)


TABLE = b"audio,emotion,speaker\na.wav,angry,ada\nb.wav,sad,ada\nc.wav,happy,ben\nd.wav,sad,ben\n"
PAIRS = (WRITTEN / "listening" / "pairs.jsonl").read_bytes()
ANSWERS = (WRITTEN / "listening" / "listening-ann.csv").read_bytes()


def _records(table: bytes) -> bytes:
    names, *rows = (line.split(",") for line in table.decode().split())
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def _beside_pairs(folder: Path) -> None:
    for path in (WRITTEN / "listening").glob("*.wav"):
        shutil.copy(path, folder)


def _check(file: Path, out: Path) -> Words:
    return ["corpora", "check", "--corpus", file, "--split-by", "sentence"]


MAD = ("--selector", "mad", "--filter", "none", "--top", "0.2")
DOORS: Sequence[Door] = (
    _tensors(
        "select",
        STATISTICS / "dense.safetensors",
        lambda file, out: ["select", file, *MAD, "--out", out / "n.safetensors"],
    ),
    _tensors(
        "select, experts",
        STATISTICS / "experts.safetensors",
        lambda file, out: ["select", file, *MAD, "--out", out / "n.safetensors"],
    ),
    _tensors(
        "efficiency",
        STATISTICS / "per_clip.safetensors",
        lambda file, out: ["efficiency", file, *MAD, "--sizes", "1", "--resamples", "2", "--out", out / "e.json"],
    ),
    _tensors(
        "merge", STATISTICS / "dense.safetensors", lambda file, out: ["merge", file, "--out", out / "m.safetensors"]
    ),
    _tensors("layers", NEURONS / "mad.safetensors", lambda file, out: ["layers", file, "--out", out / "l.json"]),
    _tensors(
        "overlap",
        NEURONS / "mad.safetensors",
        lambda file, out: ["overlap", file, NEURONS / "lap.safetensors", "--out", out / "o.json"],
    ),
    *(
        Door(
            f"result {path.stem}",
            "damaged.json",
            path.read_bytes(),
            lambda file, out: ["doctor", "--no-self-test", "--quiet", file],
            _some_of_object,
            tells=False,
        )
        for path in RESULTS
    ),
    Door(
        "figure",
        "damaged.json",
        (WRITTEN / "analyses" / "efficiency.json").read_bytes(),
        lambda file, out: ["figure", file, "--out", out / "f.html"],
        _object,
    ),
    *map(_study, ("demo", "recognition", "conversion")),
    Door(
        "config",
        "config.yaml",
        CONFIG,
        lambda file, out: ["study", file, "--dry-run", "--out", out / "study"],
        _config,
    ),
    Door("table", "clips.csv", TABLE, _check, _text, prepared=_with_recordings),
    Door("lines", "clips.jsonl", _records(TABLE), _check, _lines, prepared=_with_recordings),
    Door(
        "pairs",
        "pairs.jsonl",
        PAIRS,
        lambda file, out: ["evc", "listen", file.parent, "--out", out / "page.html"],
        _lines,
        prepared=_beside_pairs,
    ),
    Door(
        "answers", "answers.csv", ANSWERS, lambda file, out: ["evc", "score", file, "--out", out / "scored.json"], _text
    ),
)

CASES = [
    Case(door, damage, content)
    for door in DOORS
    for damage, content in door.damages(door.whole)
    if content != door.whole
]
