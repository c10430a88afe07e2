"""The example at the end of every command's help does what it says, on the bundled model and few clips."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer
from command_line import esn, write_clips, write_wave
from grown import require_smol_audio
from headless_browser import CHROMIUM
from tiny_omni import noise

from esn_interp.analysis.listening.pairs import ListeningPair, Side, write_pairs
from esn_interp.cli import app
from esn_interp.speech.corpora import corpus

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {
    f"{name} {part}".strip(): one
    for name, command in GROUP.commands.items()
    for part, one in getattr(command, "commands", {"": command}).items()
}
FEW = {"--limit": "10", "--draws": "1", "--permutations": "99", "--splits": "1", "--max-seconds": "1"}
"""What makes a command short, given to each that takes it."""
SHORTER = {
    "asking": ("--limit", "15", "--filter", "none"),
    "baselines": ("--filter", "none", "--strengths", "4", "--side-clips", "1"),
    "compare": ("--tops", "0.02", "--selectors", "mad,lap"),
    "collect": ("--limit", "30"),
    "dose": ("--alphas", "0,4"),
    "efficiency": ("--sizes", "2,4", "--resamples", "2"),
    "ground": ("--prompt", "Transcribe the speech."),
    "inject": ("--alphas", "4", "--methods", "mix"),
    "side-effects": ("--tasks", "sex,text"),
    "verify": ("--limit", "2"),
}
STUDY = """
name: a short one
models: [toy-omni]
corpora: [{corpus: toy-studio, limit: 30}]
stages: [check, baseline, report]
"""


ANSWERS = """listener,pair,emotion,left,right,choice
{name},1,angry,steered,unsteered,left
{name},2,angry,unsteered,steered,right
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything lies that examples take: what other commands leave, a recording, a config, answers."""
    here = tmp_path_factory.mktemp("examples")
    for name, stats, neurons in (
        ("toy-studio", "stats.safetensors", "esns.safetensors"),
        ("toy-phone", "phone.safetensors", "phone-esns.safetensors"),
    ):
        words = ("--model", "toy-omni", "--corpus", name, "--limit", "30", "--per-clip", "--out", here / stats)
        assert esn("collect", *words).code == 0
        chosen = esn("select", here / stats, "--selector", "mad", "--top", "0.02", "--out", here / neurons)
        assert chosen.code == 0, chosen.err
    soundfile.write(here / "hello.wav", corpus("toy-studio")[0].waveform(), 16_000)
    (here / "study.yaml").write_text(STUDY, encoding="utf-8")
    for name in ("anna", "bernd"):
        (here / f"{name}.csv").write_text(ANSWERS.format(name=name), encoding="utf-8")
    sides = [Side(condition=name, file=f"{name}.wav") for name in ("steered", "unsteered")]
    for side in sides:
        write_wave(here / "evc" / "listening" / side.file, noise(0.2)[0])
    write_pairs(
        here / "evc" / "listening", [ListeningPair(id="1", emotion="angry", first=sides[0], second=sides[1])]
    )
    return here


def words_of(command: str) -> list[str]:
    """The words of an example; a line that ends in a backslash goes on."""
    return shlex.split(COMMANDS[command].epilog.replace("\\\n", " "))


def run_example(command: str) -> dict[str, Any]:
    """What the example of a command's help tells, run on few clips in the current folder."""
    _, *words = words_of(command)
    takes = {option for one in COMMANDS[command].params for option in one.opts}
    short = [word for option, value in FEW.items() if option in takes for word in (option, value)]
    told = esn(*words, *short, *SHORTER.get(command, ()), "--json")
    assert told.code == 0, told.err
    return told.content


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("demo", "report")])
def test_the_example_of_a_command_runs(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    if command == "figure" and CHROMIUM is None:
        pytest.skip("a PDF is drawn by a Chromium, and there is none")
    if command == "fetch":
        require_smol_audio()  # then it finds all that it looks for, and asks no network
    content = run_example(command)
    named = words_of(command)
    if "--out" in named and "--dry-run" not in named:
        assert Path(named[named.index("--out") + 1]).exists()
    if "result" in content:
        assert content["result"]["kind"]


@pytest.mark.usefixtures("planted_demo")
def test_the_examples_of_the_demo_and_of_its_report_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert run_example("demo")["summary"]
    page = (tmp_path / "esn-demo" / "report.html").read_bytes()
    assert run_example("report") == {"report": "esn-demo/report.html", "bytes": len(page)}


def test_a_study_of_which_a_part_cannot_be_done_says_so_and_ends_in_exit_code_3(folder: Path):
    """In noise there is no emotion to be heard: on it, no neurons are to be found."""
    noises = write_clips(folder / "noises", speakers=["anna", "bernd", "cleo", "dirk"])
    config = (folder / "study.yaml").read_text(encoding="utf-8")
    config = config.replace("limit: 30}", f"limit: 10}}, {{corpus: {noises}}}")
    config = config.replace("baseline, report", "baseline, collect, select, report")
    (folder / "few.yaml").write_text(config, encoding="utf-8")
    told = esn("study", folder / "few.yaml", "--out", folder / "few")
    assert told.code == 3, told.err
    undone = [line for line in told.out.splitlines() if line.startswith("not done: ")]
    assert any("where guessing gives" in line for line in undone), told.out
    assert (folder / "few" / "report.html").exists()
    again = esn("study", folder / "few.yaml", "--out", folder / "few", "--json")
    assert (again.code, len(again.content["results"]["not_done"])) == (3, len(undone))
