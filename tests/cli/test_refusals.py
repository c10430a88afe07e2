"""What a user can get wrong ends in one clear line and exit code 2: never a traceback, never half a file."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command_line import esn, write_clips, write_wave
from tiny_omni import noise, save_tiny

Words = list[str | Path]


@dataclass(frozen=True)
class World:
    """Everything that is right, so that one thing at a time can be wrong."""

    folder: Path
    model: Path
    clips: Path
    statistics: Path
    neurons: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    made = World(
        folder,
        model=save_tiny(folder / "model"),
        clips=write_clips(folder / "clips", speakers=["anna", "bernd", "cleo"]),
        statistics=folder / "stats.safetensors",
        neurons=folder / "esns.safetensors",
    )
    assert esn(*collect(made, made.clips, made.statistics)).code == 0
    select = ("select", made.statistics, "--selector", "mad", "--count", "5", "--filter", "none")
    assert esn(*select, "--out", made.neurons).code == 0
    return made


def collect(world: World, corpus: str | Path, out: Path, model: str | Path | None = None) -> Words:
    return ["collect", "--model", model or world.model, "--corpus", corpus, "--split", "all", "--out", out]


def select(world: World, statistics: Path, *options: str) -> Words:
    return ["select", statistics, "--out", world.folder / "never.safetensors", *options]


def ablate(world: World, **other: str | Path) -> Words:
    given = {"model": world.model, "neurons": world.neurons, "corpus": world.clips} | other
    return [
        "ablate",
        *(w for k, v in given.items() for w in (f"--{k}", v)),
        "--split",
        "all",
        "--allow-identification-clips",
        "--out",
        never(world),
    ]


def never(world: World, suffix: str = ".json") -> Path:
    return world.folder / f"never{suffix}"


def results(world: World) -> list[Path]:
    """What a refused command must not leave; a checkpoint may stay, to go on from."""
    return [path for path in world.folder.glob("never*") if ".partial" not in path.name]


def text_file(world: World, name: str) -> Path:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Dear listener, this is a letter.\n", encoding="utf-8")
    return path


def empty_file(world: World, name: str) -> Path:
    path = world.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


REFUSED: dict[str, tuple[Callable[[World], Words], tuple[str, ...]]] = {
    # wrong paths
    "statistics missing": (
        lambda w: select(w, w.folder / "gone.safetensors", "--selector", "mad", "--top", "0.1"),
        ("gone.safetensors", "no such file"),
    ),
    "statistics are a folder": (
        lambda w: select(w, w.clips, "--selector", "mad", "--top", "0.1"),
        ("clips", "folder"),
    ),
    "neurons missing": (lambda w: ablate(w, neurons=w.folder / "gone.safetensors"), ("gone.safetensors",)),
    "report of no folder": (lambda w: ["report", w.folder / "gone"], ("gone", "no such folder")),
    "report of a folder without results": (lambda w: ["report", w.clips], ("results.json", "no such file")),
    "out through a file": (
        lambda w: ["demo", "--out", text_file(w, "letter.txt") / "demo"],
        ("letter.txt", "not a folder"),
    ),
    "out of another kind": (
        lambda w: [*ablate(w)[:-1], w.folder / "result.csv"],
        ("result.csv", "result.json"),
    ),
    # files that are not what they are called
    "empty statistics": (
        lambda w: select(w, empty_file(w, "empty.safetensors"), "--selector", "mad", "--top", "0.1"),
        ("empty.safetensors", "not a safetensors file"),
    ),
    "text called statistics": (
        lambda w: select(w, text_file(w, "letter.safetensors"), "--selector", "mad", "--top", "0.1"),
        ("letter.safetensors", "not a safetensors file"),
    ),
    "statistics as neurons": (lambda w: ablate(w, neurons=w.statistics), ("'statistics'", "'neurons'")),
    "neurons as statistics": (
        lambda w: select(w, w.neurons, "--selector", "mad", "--top", "0.1"),
        ("'neurons'", "'statistics'"),
    ),
    "text as a corpus table": (
        lambda w: collect(w, text_file(w, "letter.csv"), never(w, ".safetensors")),
        ("letter",),
    ),
    # names
    "unknown corpus": (
        lambda w: collect(w, "iemocrap", never(w, ".safetensors")),
        ("'iemocrap'", "toy-studio", "toy-phone", "emodb"),
    ),
    "corpus without its root": (
        lambda w: collect(w, "emodb", never(w, ".safetensors")),
        ("emodb", "--root"),
    ),
    "unknown model": (
        lambda w: collect(w, w.clips, never(w, ".safetensors"), model="toy-only"),
        ("'toy-only'", "toy-omni"),
    ),
    "a folder that is no model": (
        lambda w: collect(w, w.clips, never(w, ".safetensors"), model=w.clips),
        ("clips", "config.json"),
    ),
    "unknown selector": (
        lambda w: select(w, w.statistics, "--selector", "madd", "--top", "0.1"),
        ("'madd'", "lap", "lape", "mad", "cas"),
    ),
    "unknown scope": (
        lambda w: select(
            w, w.statistics, "--selector", "mad", "--count", "5", "--filter", "none", "--scope", "audios"
        ),
        ("'audios'", "audio, text, last"),
    ),
    "unknown pooling": (
        lambda w: select(w, w.statistics, "--selector", "mad", "--top", "0.1", "--pooling", "max"),
        ("max", "clip or token"),
    ),
    "unknown filter": (
        lambda w: select(w, w.statistics, "--selector", "mad", "--top", "0.1", "--filter", "right"),
        ("right", "correct or none"),
    ),
    "unknown emotion": (
        lambda w: ablate(
            w, corpus=write_clips(w.folder / "bored", speakers=["dora"], emotions=["bored", "happy"])
        ),
        ("bored", "neutral, happy, angry, sad, fearful"),
    ),
    "unknown split": (lambda w: [*ablate(w), "--split", "test"], ("test", "evaluation")),
    "unknown command": (lambda w: ["ablation"], ("ablation", "esn --help")),
    "unknown option": (lambda w: ["models", "--loud"], ("--loud", "esn models --help")),
    # numbers
    "no size": (lambda w: select(w, w.statistics, "--selector", "mad"), ("top", "count", "threshold")),
    "two sizes": (
        lambda w: select(w, w.statistics, "--selector", "mad", "--top", "0.1", "--count", "3"),
        ("top", "count"),
    ),
    "more than everything": (
        lambda w: select(w, w.statistics, "--selector", "mad", "--top", "1.5"),
        ("1.5", "(0, 1]"),
    ),
    "alphas that are no numbers": (
        lambda w: ["dose", *ablate(w)[1:], "--alphas", "0,lots"],
        ("--alphas", "'lots'"),
    ),
    "an alpha below what makes sense": (
        lambda w: ["dose", *ablate(w)[1:], "--alphas", "0,-2"],
        ("--alphas", "-2"),
    ),
    "an infinite alpha": (lambda w: ["dose", *ablate(w)[1:], "--alphas", "inf"], ("--alphas", "inf")),
    "no clips": (
        lambda w: [*collect(w, w.clips, never(w, ".safetensors")), "--limit", "0"],
        ("--limit", "1"),
    ),
    "a batch of no clips": (
        lambda w: [*collect(w, w.clips, never(w, ".safetensors")), "--batch-size", "0"],
        ("--batch-size", "'0'", "auto"),
    ),
    "a batch of some clips": (
        lambda w: [*collect(w, w.clips, never(w, ".safetensors")), "--batch-size", "some"],
        ("--batch-size", "'some'", "auto"),
    ),
    # a missing value
    "an option without a value": (lambda w: ["models", "--seed"], ("--seed",)),
    "an argument that is missing": (lambda w: ["report"], ("DIR", "esn report --help")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case: str, world: World):
    words, told = REFUSED[case]
    line = esn(*words(world)).refusal
    for part in told:
        assert part in line, line
    assert not results(world)


def bad_wave(kind: str, world: World) -> Path:
    """A corpus folder with one bad clip among good ones."""
    corpus = write_clips(world.folder / f"with {kind}", speakers=["anna", "bernd"])
    name = f"with {kind}/angry/anna/angry-anna-0.wav"
    wave = noise(0.5)[0]
    if kind == "empty file":
        empty_file(world, name).write_bytes(b"")
    elif kind == "text file":
        text_file(world, name)
    elif kind == "silence":
        write_wave(world.folder / name, np.zeros_like(wave))
    else:
        write_wave(world.folder / name, np.where(np.arange(len(wave)) == 7, np.nan, wave))
    return corpus


BAD = {
    "empty file": "empty",
    "text file": "",
    "silence": "silent",
    "not a number": "finite",
    "dangling link": "",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_clip_stops_a_strict_run(kind: str, world: World):
    words = collect(world, bad_wave(kind, world), never(world, ".safetensors"))
    line = esn(*words, "--strict").refusal
    assert "angry-anna-0" in line
    assert BAD[kind] in line


def test_bad_clips_are_skipped_counted_and_listed(world: World, tmp_path: Path):
    corpus = bad_wave("silence", world)
    answer = esn(*collect(world, corpus, tmp_path / "stats.safetensors"), "--json", "--quiet")
    assert answer.code == 0
    (skipped,) = answer.content["skipped"]
    assert "angry-anna-0" in skipped["clip"]
    assert "silent" in skipped["reason"]
    assert sum(answer.content["seen"].values()) == 9
    assert "skipped 1 of 10 clips" in answer.err  # --quiet hides progress, not losses


def test_a_corpus_of_bad_clips_only_is_refused(world: World):
    corpus = world.folder / "only letters"
    for emotion in ("happy", "sad"):
        text_file(world, f"only letters/{emotion}/anna/0.wav")
    assert (
        "none of its 2 clips" in esn(*collect(world, corpus, never(world, ".safetensors")), "--quiet").refusal
    )


@pytest.fixture(scope="module")
def stranger(world: World) -> World:
    """The same world with another model of the same shape."""
    model = save_tiny(world.folder / "stranger", seed=1)
    statistics, neurons = world.folder / "foreign.safetensors", world.folder / "foreign-esns.safetensors"
    corpus = write_clips(world.folder / "foreign", speakers=["dora", "emil"])
    assert esn(*collect(world, corpus, statistics, model=model)).code == 0
    chosen = ("select", statistics, "--selector", "mad", "--count", "5", "--filter", "none", "--out", neurons)
    assert esn(*chosen).code == 0
    return World(world.folder, model, corpus, statistics, neurons)


def test_files_of_another_model_are_refused(world: World, stranger: World):
    for line in (
        esn("merge", world.statistics, stranger.statistics, "--out", never(world, ".safetensors")).refusal,
        esn(*ablate(world, neurons=stranger.neurons)).refusal,
        esn("dose", *ablate(world, neurons=stranger.neurons)[1:]).refusal,
    ):
        assert str(world.model) in line
        assert str(stranger.model) in line
    assert not results(world)


def test_the_same_clips_do_not_count_twice(world: World):
    line = esn("merge", world.statistics, world.statistics, "--out", never(world, ".safetensors")).refusal
    assert "same clips" in line


def test_with_json_the_refusal_is_an_object_too(world: World):
    answer = esn(
        *select(world, world.folder / "gone.safetensors", "--selector", "mad", "--top", "1"), "--json"
    )
    assert answer.code == 2
    assert answer.content == {
        "error": answer.err.strip().removeprefix("esn: "),
        "kind": "EsnError",
        "exit": 2,
    }
    parsed = esn("models", "--loud", "--json")
    assert (parsed.code, parsed.content["kind"], parsed.content["exit"]) == (2, "UsageError", 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("select", "gone.safetensors", "--selector", "mad", "--top", "0.1", "--out", "x.safetensors"),
            "no such file",
        ),
        (("collect", "--model", "toy-only", "--corpus", "toy-studio", "--out", "x.txt"), "x.safetensors"),
        (("report",), "Missing argument"),
    ],
)
def test_the_executable_refuses_alike(words: tuple[str, ...], told: str, tmp_path: Path):
    executable = Path(sys.executable).with_name("esn")
    done = subprocess.run([executable, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert told in line
    assert list(tmp_path.iterdir()) == []
