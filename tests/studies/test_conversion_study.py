"""A study of conversions on a planted speaker: what it finds, what it keeps, and how it goes on after a kill."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import planted_speaker as planted
import pytest
from command_line import esn
from planted_listener import planted_set

from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.analysis.conversion.measures import Outcomes
from esn_interp.analysis.conversion.settings_result import ConversionGrid
from esn_interp.analysis.listening.pairs import read_pairs
from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.studies import work as study_work
from esn_interp.studies.cache import Store
from esn_interp.studies.config import load_config, ready_configs
from esn_interp.studies.conversion import cell_units, workers
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.config import STAGES, ConversionConfig
from esn_interp.studies.conversion.estimate import estimate
from esn_interp.studies.conversion.plan import ConversionPlan, work
from esn_interp.studies.conversion.record import SUMMARY
from esn_interp.studies.conversion.study import ConversionStudy
from esn_interp.studies.conversion.units import Unit
from esn_interp.studies.models import SpeakingModel
from esn_interp.studies.whole import load_study, report, study

TITLE = "planted-speaker on planted"


def planted_world(patch: pytest.MonkeyPatch, clips: Clips | None = None) -> planted.PlantedSpeaker:
    """Studies find the planted speaker, corpus and judges by name."""
    speaker, clips = planted.PlantedSpeaker(), clips or planted.sources()
    patch.setattr(SpeakingModel, "lm", property(lambda self: speaker))
    patch.setattr(SpeakingModel, "identity", "planted")
    patch.setattr(study_work, "corpus", lambda name, root=None, emotions=None: clips)
    planted.planted_ears(patch)
    return speaker


@pytest.fixture(autouse=True)
def speaker(monkeypatch: pytest.MonkeyPatch) -> planted.PlantedSpeaker:
    return planted_world(monkeypatch)


def run(folder: Path, told: list[str] | None = None, *, page: bool = False, **changed: Any) -> ConversionStudy:
    """A study; the report takes as long as all the rest, so it is made only where it is looked at."""
    if not page:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ConversionStudy, "write_page", lambda done: None)
            return run(folder, told, page=True, **changed)
    say = (lambda text: None) if told is None else told.append
    done = study(planted.config(**changed), folder, progress=False, say=say)
    assert isinstance(done, ConversionStudy)
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        planted_world(patch)
        run(folder, page=True)
    return folder


def content(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def results(folder: Path) -> str:
    """The results file without the date."""
    return json.dumps({name: value for name, value in content(folder).items() if name != "date"})


# ---------------------------------------------------------------- what it finds


def test_the_planted_neurons_are_found_and_steer(finished: Path):
    found = NeuronSet.load(finished / "esns.safetensors")
    truth = planted_set(planted.EMOTIONS)
    for target in planted.TARGETS:
        assert set(found.indices(target)) == set(truth.indices(target))
    summary = content(finished)["summary"][TITLE]
    assert tuple(summary) == SUMMARY
    assert (summary["selector"], summary["alpha"]) == ("mad", 1)
    assert 0.3 < summary["unsteered_accuracy"] < 0.7
    assert summary["steered_accuracy"] > 0.9
    assert summary["seen_gain"] > 0.3
    assert abs(summary["random_gain"]) < 0.1
    assert summary["own_neurons"] > summary["other_neurons"] + 0.3
    assert content(finished)["not_done"] == []


def test_a_gain_that_costs_the_words_is_not_chosen(finished: Path):
    choice = ConversionGrid.load(finished / "choice.json")
    table = choice.to_frame().query("selector == 'mad' and filtered").set_index("alpha")
    assert table.filter_probability[9] > table.filter_probability[1]
    assert table.wer[9] > 0.9
    assert choice.setting.alpha == 1


def test_the_three_sets_of_speakers_share_no_one(finished: Path):
    cell = ConversionPlan(planted.config(), finished).cells[0]
    sets = [set(clips.speakers) for clips in cell.splits.values()]
    assert [len(one) for one in sets] == [2, 3, 5]
    assert len(set.union(*sets)) == 10
    assert all(set(clips.column("emotion")) == {"neutral"} for clips in cell.splits.values())
    effect = ConversionEffect.load(finished / "unseen.json")
    assert set(effect.speakers) == sets[2]
    assert set(ConversionEffect.load(finished / "seen.json").speakers) == sets[1]
    assert effect.conditions == (UNSTEERED, STEERED, RANDOM, UNFILTERED)


def test_attempts_that_failed_are_counted_by_name(finished: Path):
    """The planted speaker says nothing, or never ends, in a known share of its attempts."""
    effect = ConversionEffect.load(finished / "unseen.json")
    counted = {(p.condition, p.name): p.count for p in effect.problems if p.condition == UNSTEERED}
    cell = ConversionPlan(planted.config(), finished).cells[0]
    rows = cell.measured("evaluation")[UNSTEERED]
    for name in ("nothing said", "never ended"):
        assert sum(p.count for p in effect.problems if (p.condition, p.name) == (UNSTEERED, name)) == sum(
            row.problem == name for row in rows
        )
    assert sum(counted.values()) > 0
    assert len(rows) == 10 * 4
    page = (finished / "report.html").read_text()
    assert "They count as missed; none is left out." in page


def test_every_clip_meets_one_random_draw(finished: Path):
    cell = ConversionPlan(planted.config(), finished).cells[0]
    met = [row for unit in cell.measuring("evaluation")[RANDOM] for row in unit.rows]
    assert sorted(met) == list(range(10))
    assert {unit.condition.draw for unit in cell.measuring("evaluation")[RANDOM]} == {0, 1, 2}


def test_the_filter_is_compared_with_its_absence(finished: Path):
    sieve = content(finished)["cells"][0]["filter"]
    assert sieve["accuracy"]["value"] == 0
    assert sieve["verdict"].startswith("The success filter makes no clear difference here")
    sample = content(finished)["cells"][0]["sample"]
    assert 0 < sample["kept"] < sample["conversions"] == 6 * 4
    assert "other emotion" in sample["reasons"]


def test_further_attempts_find_neurons_and_only_the_first_is_compared(tmp_path: Path):
    once, thrice = (ConversionPlan(planted.config(attempts=count), tmp_path / str(count)).cells[0] for count in (1, 3))
    assert len(thrice.sampling) == 3 * len(once.sampling) == 9
    first, second, _ = ([unit for unit in thrice.sampling if unit.attempt == number] for number in range(3))

    def heard(cell: Cell, units: Sequence[Unit]) -> list[Mapping[str, float]]:
        return [row.probabilities for unit in units for row in cell.outcomes(unit).rows]

    assert heard(once, once.sampling) == heard(thrice, first) != heard(thrice, second)
    said = len(thrice.statistics.origin.corpus_fingerprint.split("+"))
    assert said == 9
    assert thrice.statistics.clips.sum() > 2.5 * once.statistics.clips.sum()
    assert thrice.measuring("identification")[UNSTEERED] == first
    plan = ConversionPlan(planted.config(attempts=3), tmp_path / "3")
    planned = {one.stage: one.conversions for one in estimate(plan)}
    assert planned["sample"] == 3 * 6 * 4


def test_listeners_get_pairs_with_their_sounds(finished: Path):
    folder, pairs = read_pairs(finished)
    assert folder == finished / "listening"
    assert {pair.emotion for pair in pairs} == set(planted.TARGETS)
    for pair in pairs:
        assert (pair.first.condition, pair.second.condition) == (STEERED, UNSTEERED)
        assert pair.source is not None
        for name in (pair.first.file, pair.second.file, pair.source):
            assert (folder / name).stat().st_size > 1000


def test_what_is_heard_again_is_what_was_evaluated(finished: Path):
    """Sounds are made in a run of their own, with the seeds of the evaluation: the judges hear the same."""
    cell = ConversionPlan(planted.config(), finished).cells[0]
    judged = {(o.clip, o.target): o for o in cell.measured("evaluation")[STEERED]}
    for target in planted.TARGETS:
        for outcome in cell.outcomes(cell.playing(target)[STEERED]).rows:
            assert outcome.probabilities == judged[outcome.clip, target].probabilities


def test_results_load_again_and_frames_are_tables(finished: Path):
    assert ConversionCross.load(finished / "cross.json").targets == planted.TARGETS
    assert {path.name for path in (finished / "frames").iterdir()} == {
        "validation.csv", "unseen.csv", "seen.csv", "cross.csv",
    }  # fmt: skip
    assert load_config(finished / "config.yaml", kind=ConversionConfig) == planted.config()


def test_the_page_is_written_anew_from_the_files_alone(finished: Path, tmp_path: Path, speaker):
    copy = Path(shutil.copytree(finished, tmp_path / "copy", ignore=shutil.ignore_patterns("stages")))
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    assert report(copy) == copy / "report.html"
    assert (copy / "report.html").read_bytes() == before
    assert speaker.said == 0


def test_a_study_is_loaded_again(finished: Path):
    done = load_study(finished)
    assert isinstance(done, ConversionStudy)
    assert (done.folder, done.content) == (finished, content(finished))
    assert done.neurons is not None
    assert done.choice is not None
    assert done.effect is not None
    assert done.seen is not None
    assert done.cross is not None
    assert done.summary() == ConversionEffect.load(finished / "unseen.json").summary()
    with pytest.raises(EsnError, match="no such folder"):
        ConversionStudy.load(finished / "none")


def test_a_folder_of_an_earlier_version_plays_the_pairs_for_listeners(finished: Path, tmp_path: Path):
    copy = Path(shutil.copytree(finished, tmp_path / "copy", ignore=shutil.ignore_patterns("clips")))
    old = content(copy)
    for cell in old["cells"]:
        del cell["players"], cell["weights"]
    for corpus in old["corpora"]:
        del corpus["clips"]
    del old["command"]
    (copy / "results.json").write_text(json.dumps(old), encoding="utf-8")
    page = report(copy).read_text(encoding="utf-8")
    assert page.count('src="data:audio/wav;base64,') >= len(planted.TARGETS) * 3
    assert page.count("data-figure=") == 5


def test_the_report_has_players_tables_and_figures(finished: Path):
    page = (finished / "report.html").read_text()
    assert page.count('src="data:audio/wav;base64,') >= 4 * 3
    assert page.count("data-figure=") == 5
    for text in ("Unseen speakers", "Speakers that the neurons were found on", "has no part in the choice", TITLE):
        assert text in page
    assert "nan" not in page.split("</style>")[1].split("<script")[0]


# ---------------------------------------------------------------- what it keeps


def test_a_second_run_finds_everything(finished: Path, tmp_path: Path, speaker: planted.PlantedSpeaker):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    told: list[str] = []
    run(folder, told)
    assert speaker.said == 0
    assert sum("already there" in line for line in told) == len(STAGES) - 1
    assert results(folder) == results(finished)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"draws": 2}, True), ({"most_wer": 0.04}, False), ({"workers": 3}, False)],
)
def test_a_changed_setting_reruns_what_depends_on_it(finished: Path, tmp_path: Path, speaker, changed, said):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    run(folder, **changed)
    assert (speaker.said > 0) == said


class Killed(BaseException):
    """Nothing of ours catches this, as nothing catches a kill."""


@pytest.mark.parametrize("at", [2, 20])
def test_a_study_that_is_cut_off_goes_on_to_the_same_results(finished: Path, tmp_path: Path, monkeypatch, at):
    fetch, calls = Store.fetch, [0]

    def watched(self, stage, key, make, load, **options):
        def cut():
            made = make()
            calls[0] += 1
            if calls[0] == at:
                raise Killed  # finished, but not yet written
            return made

        return fetch(self, stage, key, cut, load, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fetch", watched)
        with pytest.raises(Killed):
            run(tmp_path)
    assert not (tmp_path / "results.json").exists()
    run(tmp_path)
    assert results(tmp_path) == results(finished)


def test_a_killed_process_loses_nothing_that_was_written(finished: Path, tmp_path: Path):
    script = (
        "import sys; sys.path[:0] = ['tests/studies', 'tests/support', 'tools']\n"
        "import os, signal, pytest, test_conversion_study as t\n"
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
    assert results(tmp_path) == results(finished)
    assert all((tmp_path / "stages" / "units" / name).stat().st_mtime_ns == at for name, at in kept.items())


def test_several_processes_give_the_same_results(finished: Path, tmp_path: Path, monkeypatch, speaker):
    # Forked, so that they know the planted world; in earnest they are begun anew.
    forked = multiprocessing.get_context("fork")
    monkeypatch.setattr(workers.multiprocessing, "get_context", lambda name: forked)
    run(tmp_path, workers=2)
    assert results(tmp_path) == results(finished)
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


# ---------------------------------------------------------------- ways in


def test_from_python_with_a_model_and_clips_at_hand(tmp_path: Path, finished: Path):
    done = study(
        planted.config(), tmp_path, lm=planted.PlantedSpeaker(), clips=planted.sources(), progress=False, alphas=(1,)
    )
    assert done.effect is not None
    assert done.effect.summary() == ConversionEffect.load(finished / "unseen.json").summary()
    assert done.plot().data
    assert set(done.to_frame().voices) == {"seen", "unseen"}
    done.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["summary"] == done.content["summary"]
    with pytest.raises(EsnError, match="no setting 'alpha'"):
        study(planted.config(), tmp_path, alpha=3)


def test_from_the_command_line(tmp_path: Path, finished: Path):
    text = (finished / "config.yaml").read_text()
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    shutil.copytree(finished / "stages", out / "stages")
    told = esn("evc", "study", tmp_path / "study.yaml", "--out", out, "--resume", "--json")
    assert told.code == 0, told.err
    assert told.content["results"]["summary"] == content(finished)["summary"]
    assert "already there" in told.err
    plain = esn("evc", "study", tmp_path / "study.yaml", "--out", out, "--quiet")
    assert plain.out.startswith("model and corpus")
    assert str(out / "report.html") in plain.out


def test_the_plan_counts_what_will_be_said(finished: Path, tmp_path: Path, speaker):
    told = esn("evc", "study", finished / "config.yaml", "--out", tmp_path / "none", "--dry-run", "--json")
    assert told.code == 0, told.err
    assert speaker.said == 0
    assert not (tmp_path / "none").exists()
    planned = estimate(ConversionPlan(planted.config(), tmp_path / "none"))
    assert told.content["conversions"] == sum(one.conversions for one in planned)
    cell = ConversionPlan(planted.config(), finished).cells[0]
    for one in planned:
        units = work(cell, one.stage)
        ran = sum(len(unit.rows) * len(unit.targets) for unit in units if one.stage != "evaluate" or not unit.gates)
        assert one.conversions == ran


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.yaml",), "evc-toy, paper-conversion"),
        (("--resume",), "there is no study to resume"),
        (("--corpus", "toy-phone", "--root", "emodb=/x"), "no corpus 'emodb'"),
        (("paper-recognition",), "there is no such file"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, words, message):
    assert message in esn("evc", "study", *words, "--out", tmp_path / "out").refusal


@pytest.mark.parametrize("name", ready_configs(ConversionConfig))
def test_ready_configs_are_valid(name: str):
    config = load_config(name, kind=ConversionConfig)
    assert config.name == name
    assert config.score_judge != config.filter_judge
    assert all(model.component != "thinker" for model in config.models)


def test_the_papers_protocol_names_its_models():
    models = {spec.model for spec in load_config("paper-conversion", kind=ConversionConfig).models}
    assert models == {"Qwen/Qwen2.5-Omni-7B", "openbmb/MiniCPM-o-4_5", "moonshotai/Kimi-Audio-7B-Instruct"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alphas": [0]}, "gain other than 0"),
        ({"targets": ["happy"]}, "two targets"),
        ({"colour": 1}, "colour"),
        ({"emotion_threshold": 2}, "less than or equal to 1"),
    ],
)
def test_a_config_that_can_not_be_meant_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        planted.config(**changed)


def test_a_model_that_names_no_component_is_edited_where_it_speaks():
    config = planted.config(models=["a", {"model": "b", "component": "thinker"}])
    assert [model.component for model in config.models] == ["", "thinker"]


def test_outcomes_without_sound_keep_their_place(finished: Path):
    cell = ConversionPlan(planted.config(), finished).cells[0]
    rows = [row for unit in cell.sampling for row in cell.outcomes(unit).rows]
    silent = [row for row in rows if row.problem == "nothing said"]
    assert all(row.wer == 1 and not row.probabilities and row.reasons == ("nothing said",) for row in silent)
    assert isinstance(Outcomes(tuple(rows)), Outcomes)
    assert replace(rows[0], problem=None).failed is False
