"""Many hundred damaged files at every door: one line that says what is wrong, exit code 2, and nothing written.

Where a damage leaves a file that says the same, or that nobody can tell from a whole one, the case is listed in
``harmless.txt``: there the command does its work.
"""

import random
from pathlib import Path

import pytest
from command_line import esn
from malformed import tree
from malformed_cases import CASES, DOORS, Case, Door

HARMLESS = set((Path(__file__).parent / "harmless.txt").read_text(encoding="utf-8").splitlines())
SAMPLE = 150

# What earlier releases wrote says so, and few clips say that they are few; both are no answer to what is damaged.
pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.errors.EsnWarning")


def answered(door: Door, content: bytes, folder: Path) -> tuple[int, list[str], bool]:
    """The exit code of a door's command for this file, what it says on stderr beside notes, and whether it wrote."""
    (folder / "in").mkdir(parents=True)
    out = folder / "out"
    out.mkdir()
    file = folder / "in" / door.file
    file.write_bytes(content)
    door.prepared(file.parent)
    words = door.words(file, out)
    before = tree(folder)
    answer = esn(*words)
    told = [line for line in answer.err.splitlines() if not line.startswith("esn: note:")]
    return answer.code, told, tree(folder) != before


def wrong(case: Case, folder: Path) -> str:
    """What is wrong with the answer to a damaged file; nothing when it is what was promised."""
    code, told, written = answered(case.door, case.content, folder)
    if str(case) in HARMLESS:
        return "" if code == 0 else f"exit {code}: {told}"
    if code != 2 or written:
        return f"exit {code}, {'written' if written else 'nothing written'}: {told}"
    name = Path(case.door.file).stem  # a corpus is called by it; of gates of two models, both are named
    if case.door.tells and (len(told) != 1 or (name not in told[0] and "not from" not in told[0])):
        return f"not one line that names the file: {told}"
    return ""


def test_there_are_enough():
    assert len(CASES) >= 500
    names = [str(case) for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) >= HARMLESS


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_whole_file_is_accepted(door: Door, tmp_path: Path):
    """Else a refusal would say nothing of the damage."""
    code, told, _ = answered(door, door.whole, tmp_path)
    assert code == 0, told


@pytest.mark.slow
def test_some_damaged_files_are_refused_in_a_line(tmp_path: Path):
    some = random.Random(0).sample(CASES, SAMPLE)
    found = {str(case): told for number, case in enumerate(some) if (told := wrong(case, tmp_path / str(number)))}
    assert found == {}


@pytest.mark.long
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_damaged_file_is_refused_in_a_line(door: Door, tmp_path: Path):
    found = {
        str(case): told
        for number, case in enumerate(CASES)
        if case.door is door and (told := wrong(case, tmp_path / str(number)))
    }
    assert found == {}
