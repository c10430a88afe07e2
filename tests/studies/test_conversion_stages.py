"""What a study of conversions stores, how it goes on after a kill, and what becomes of it when something goes wrong."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import planted_speaker as planted
import pytest
from planted_conversions import TITLE, planted_world, results, run

from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
)
from esn_interp.errors import EsnError
from esn_interp.studies import processes
from esn_interp.studies.cache import Store
from esn_interp.studies.conversion import cell_units
from esn_interp.studies.conversion.config import STAGES

pytestmark = pytest.mark.usefixtures("speaker")


def test_a_second_run_finds_everything(converted: Path, tmp_path: Path, speaker: planted.PlantedSpeaker):
    folder = tmp_path / "copy"
    shutil.copytree(converted, folder)
    told: list[str] = []
    run(folder, told)
    assert speaker.said == 0
    assert sum("already there" in line for line in told) == len(STAGES) - 1
    assert results(folder) == results(converted)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"draws": 2}, True), ({"most_wer": 0.04}, False), ({"workers": 3}, False)],
)
def test_a_changed_setting_reruns_what_depends_on_it(converted: Path, tmp_path: Path, speaker, changed, said):
    folder = tmp_path / "copy"
    shutil.copytree(converted, folder)
    run(folder, **changed)
    assert (speaker.said > 0) == said


class Killed(BaseException):
    """Nothing of ours catches this, as nothing catches a kill."""


@pytest.mark.parametrize("at", [2, 20])
def test_a_study_that_is_cut_off_goes_on_to_the_same_results(converted: Path, tmp_path: Path, monkeypatch, at):
    fetch, calls = Store.fetch, [0]

    def watched(self, stage, key, make, load, **options):
        def cut():
            made = make()
            calls[0] += 1
            if calls[0] == at:
                raise Killed  # converted, but not yet written
            return made

        return fetch(self, stage, key, cut, load, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fetch", watched)
        with pytest.raises(Killed):
            run(tmp_path)
    assert not (tmp_path / "results.json").exists()
    run(tmp_path)
    assert results(tmp_path) == results(converted)


@pytest.mark.long
def test_a_killed_process_loses_nothing_that_was_written(converted: Path, tmp_path: Path):
    script = (
        "import sys; sys.path[:0] = ['tests/support', 'tools']\n"
        "import os, signal, pytest, planted_conversions as t\n"
        "from pathlib import Path\n"
        "speaker = t.planted_world(pytest.MonkeyPatch())\n"
        "speak, calls = speaker.speak_all, [0]\n"
        "def killing(*a, **k):\n"
        "    calls[0] += 1\n"
        "    if calls[0] == 60: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return speak(*a, **k)\n"
        "speaker.speak_all = killing\n"
        f"t.run(Path({str(tmp_path)!r}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("stages/units/*.json")}
    assert kept
    run(tmp_path)
    assert results(tmp_path) == results(converted)
    assert all((tmp_path / "stages" / "units" / name).stat().st_mtime_ns == at for name, at in kept.items())


def test_several_processes_give_the_same_results(converted: Path, tmp_path: Path, monkeypatch, speaker):
    # Forked, so that they know the planted world; in earnest they are begun anew.
    forked = multiprocessing.get_context("fork")
    monkeypatch.setattr(processes.multiprocessing, "get_context", lambda name: forked)
    run(tmp_path, workers=2)
    assert results(tmp_path) == results(converted)
    assert speaker.said == 0  # others did the work



# ---------------------------------------------------------------- what goes wrong


def test_without_a_successful_conversion_the_filter_is_left_off_and_that_is_said(tmp_path: Path):
    done = run(tmp_path, emotion_threshold=1.0, stages=["sample", "select"])
    assert done.choice is not None
    assert done.choice.setting.filtered is False
    assert any("filter on" in note for note in done.choice.notes)
    assert done.choice.unusable
    assert all("0 of" in reason for reason in done.choice.unusable)


def test_what_can_not_be_done_is_said_and_the_rest_goes_on(tmp_path: Path):
    done = run(tmp_path, page=True, emotion_threshold=1.0, compare_filter=False)
    reasons = {one["stage"]: one["reason"] for one in done.content["not_done"]}
    assert set(reasons) == {"select", "evaluate", "cross", "listen"}
    assert "no setting has neurons" in reasons["select"]
    assert done.effect is None
    assert "no setting has neurons" in done.summary()
    with pytest.raises(EsnError, match="nothing to draw"):
        done.plot()
    assert "What could not be done" in done.report.read_text()
    assert done.to_frame().empty


def test_a_speaker_who_never_says_anything_is_no_crash(tmp_path: Path, monkeypatch):
    spoken = planted.PlantedSpeaker._spoken
    monkeypatch.setattr(planted.PlantedSpeaker, "_spoken", lambda self, gates, row, seed: spoken(self, gates, row, 41))
    done = run(tmp_path, page=True)
    reasons = {one["stage"]: one["reason"] for one in done.content["not_done"]}
    assert "nothing was said" in reasons["sample"]
    sample = done.content["cells"][0]["sample"]
    assert sample["problems"] == {"nothing said": 24}


def test_sources_without_words_are_steered_by_ear_alone(tmp_path: Path, monkeypatch):
    planted_world(monkeypatch, planted.sources(transcript=""))
    done = run(tmp_path, max_wer=None)
    assert done.effect is not None
    assert done.effect.change_of("accuracy").value > 0.3
    assert done.content["summary"][TITLE]["wer_rise"] is None
    assert done.content["summary"][TITLE]["failed"] < 0.2


def test_all_neurons_leave_none_for_a_control(tmp_path: Path):
    done = run(tmp_path, tops=[1.0], selectors=["lap"], alphas=[1])
    assert done.effect is not None
    assert RANDOM not in done.effect.conditions
    assert any("no random control" in note for note in done.effect.notes)
    assert done.content["summary"][TITLE]["random_gain"] is None


def test_a_judge_that_does_not_know_a_target_is_named(tmp_path: Path):
    done = run(tmp_path, targets=["happy", "bored"], stages=["sample"])
    assert [one["reason"] for one in done.content["not_done"]] == [
        "judge soft can't hear whether speech is bored; it knows neutral, happy, angry, sad, fearful"
    ]


def test_a_corpus_without_the_sources_is_refused(tmp_path: Path):
    with pytest.raises(EsnError, match="no clip is surprised"):
        run(tmp_path, sources=["surprised"])


def test_a_fault_of_ours_is_not_remembered_as_done(tmp_path: Path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cell_units, "conversions", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(tmp_path)
    assert not list(tmp_path.glob("stages/units/*"))
    assert run(tmp_path, stages=["sample"]).content["not_done"] == []
