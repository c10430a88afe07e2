"""Five hundred damaged files at every door: one line that says what is wrong, exit code 2, and nothing written.

Where a damage leaves a file that says the same, or that nobody can tell from a whole one, the case is listed in
HARMLESS with its reason: there the command does its work.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile
from command_line import esn
from malformed import damaged, entries_damaged, tree
from tiny_omni import noise

WRITTEN = Path(__file__).parent.parent / "written" / "0.1"
STATISTICS = WRITTEN / "demo" / "stats.safetensors"
NEURONS = next((WRITTEN / "neurons").glob("*.safetensors"))
RESULTS = sorted(path for path in (WRITTEN / "analyses").glob("*.json") if ".facts" not in path.name)
CONFIG = "name: damaged\nmodels: [toy-omni]\ncorpora: [toy-studio]\nselectors: [mad, lap]\ntops: [0.02, 0.05]\n"

HARMLESS: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Case:
    """One damaged file, and the words of a command that reads it."""

    door: str
    damage: str
    name: str
    content: bytes
    words: Callable[[Path, Path], list[str | Path]]

    def __str__(self) -> str:
        return f"{self.door}: {self.damage}"


def _binary() -> Iterator[Case]:
    doors: dict[str, tuple[Path, Callable[[Path, Path], list[str | Path]]]] = {
        "select": (STATISTICS, lambda file, out: ["select", file, "--top", "0.1", "--out", out / "n.safetensors"]),
        "efficiency": (STATISTICS, lambda file, out: ["efficiency", file, "--top", "0.1", "--out", out / "e.json"]),
        "merge": (STATISTICS, lambda file, out: ["merge", file, STATISTICS, "--out", out / "m.safetensors"]),
        "layers": (NEURONS, lambda file, out: ["layers", file, "--out", out / "l.json"]),
        "overlap": (NEURONS, lambda file, out: ["overlap", file, NEURONS, "--out", out / "o.json"]),
    }
    for door, (whole, words) in doors.items():
        for damage, content in damaged(whole.read_bytes(), seed=0, text=False):
            yield Case(door, damage, "damaged.safetensors", content, words)


def _results() -> Iterator[Case]:
    """Every kind of result, by the door that reads any."""

    def words(file: Path, out: Path) -> list[str | Path]:
        return ["doctor", "--no-self-test", "--quiet", file]

    for path in RESULTS:
        whole = path.read_bytes()
        for damage, content in damaged(whole, seed=0, text=True):
            yield Case(f"result {path.stem}", damage, "damaged.json", content, words)
        for damage, content in entries_damaged(json.loads(whole)):
            yield Case(f"result {path.stem}", damage, "damaged.json", content, words)


def _studies() -> Iterator[Case]:
    def words(file: Path, out: Path) -> list[str | Path]:
        shutil.copytree(WRITTEN / "demo", out / "study")
        shutil.copy(file, out / "study" / "results.json")
        return ["report", out / "study"]

    for damage, content in damaged((WRITTEN / "demo" / "results.json").read_bytes(), seed=0, text=True):
        yield Case("report", damage, "results.json", content, words)


def _configs() -> Iterator[Case]:
    def words(file: Path, out: Path) -> list[str | Path]:
        return ["study", file, "--dry-run", "--out", out / "study"]

    for damage, content in damaged(CONFIG.encode(), seed=0, text=True):
        yield Case("config", damage, "config.yaml", content, words)
    for damage, line in {
        "a key twice": "tops: [0.1]",
        "an infinity": "alphas: [.inf]",
        "not a number": "alphas: [.nan]",
        "a share above one": "alphas: [1]\ntops: [2]",
        "no list": "alphas: 0",
        "an unknown key": "alpha: [1]",
        "an unknown selector": "stages: [baseline, magic]",
        "a list of lists": "alphas: [[1]]",
        "a null": "alphas: null",
        "an anchor to itself": "alphas: &a [*a]",
        "a Python object": "seed: !!python/object/apply:os.getpid []",
    }.items():
        yield Case("config", damage, "config.yaml", f"{CONFIG}{line}\n".encode(), words)


def _tables() -> Iterator[Case]:
    def words(file: Path, out: Path) -> list[str | Path]:
        soundfile.write(file.parent / "a.wav", noise(0.3)[0], 16_000)
        return ["corpora", "check", file, "--out", out / "check.json"]

    whole = b"audio,emotion,speaker\na.wav,angry,ada\na.wav,sad,ada\na.wav,happy,ben\n"
    for damage, content in damaged(whole, seed=0, text=True):
        yield Case("table", damage, "clips.csv", content, words)


CASES = [*_binary(), *_results(), *_studies(), *_configs(), *_tables()]


def refused(case: Case, folder: Path) -> str:
    """What is wrong with the answer to a damaged file; nothing when it is what was promised."""
    (folder / "in").mkdir(parents=True)
    out = folder / "out"
    out.mkdir()
    file = folder / "in" / case.name
    file.write_bytes(case.content)
    words = case.words(file, out)
    before = tree(folder)
    answer = esn(*words)
    if (case.door, case.damage) in HARMLESS:
        return "" if answer.code == 0 else f"exit {answer.code}: {answer.err}"
    if answer.code != 2:
        return f"exit {answer.code}: {(answer.err or answer.out).strip()[-160:]}"
    told = [line for line in answer.err.splitlines() if not line.startswith("esn: note:")]
    if len(told) != (0 if words[0] == "doctor" else 1):
        return f"{len(told)} lines: {answer.err[:200]}"
    return "" if tree(folder) == before else f"written: {sorted(set(tree(folder)) ^ set(before))}"


def test_there_are_enough():
    assert len(CASES) >= 500
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.long
@pytest.mark.parametrize("door", sorted({case.door for case in CASES}))
def test_a_damaged_file_is_refused_in_a_line(door: str, tmp_path: Path):
    wrong = {
        str(case): told
        for number, case in enumerate(CASES)
        if case.door == door and (told := refused(case, tmp_path / str(number)))
    }
    assert wrong == {}
