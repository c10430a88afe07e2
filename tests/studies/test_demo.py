"""The protocol: neurons from identification voices, settings from validation voices, effects from others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_demo import ALPHAS, SETTINGS, StudiedListener, studied_clips, study
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_gates, planted_set

from esn_interp.analysis.ablation.measure import Ablation
from esn_interp.analysis.dose.measure import DoseResponse
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.studies.demo import choice as choice_module
from esn_interp.studies.demo.choice import (
    Setting,
    choose_alpha,
    choose_neurons,
    flip_rate,
    self_and_cross,
    settings_grid,
)
from esn_interp.studies.demo.examples import pick
from esn_interp.studies.demo.protocol import StudyResult
from esn_interp.studies.demo.record import SUMMARY
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import BASELINE, Predictions, recognise


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> StudyResult:
    return study(tmp_path_factory.mktemp("study"), say=said.append)


@pytest.fixture(scope="module")
def content(done: StudyResult) -> dict[str, Any]:
    return json.loads(done.results.read_text(encoding="utf-8"))


def test_the_planted_neurons_are_found(done: StudyResult):
    found = NeuronSet.load(done.folder / "esns.safetensors")
    for emotion in EMOTIONS:
        layer, neuron = found[emotion].layer, found[emotion].neuron
        expected = [(at, gate) for at in (0, 1) for gate in planted_gates(emotion, at)]
        assert sorted(zip(layer.tolist(), neuron.tolist(), strict=True)) == expected


def test_the_summary_has_exactly_the_agreed_keys(content: dict[str, Any]):
    agreed = (
        "uar selector top self_ablation cross_ablation random_ablation specificity_ci steer_best_flip_rate "
        "steer_random_flip_rate steer_spearman transcription_drop sex_drop steer_parse_rate"
    )
    assert tuple(content["summary"]) == SUMMARY == tuple(agreed.split())


def test_the_summary_is_that_of_the_analyses(done: StudyResult, content: dict[str, Any]):
    summary, settings = content["summary"], content["settings"]
    ablation, dose = (
        Ablation.load(done.folder / "ablation.json"),
        DoseResponse.load(done.folder / "dose.json"),
    )
    assert (summary["selector"], summary["top"]) == ("mad", 0.075) == (settings["selector"], settings["top"])
    assert summary["uar"] == ablation.baseline_uar.value == 1.0
    assert summary["self_ablation"] == ablation.self_change.value == -1.0
    assert summary["cross_ablation"] == ablation.cross_change.value == 0.0
    assert summary["random_ablation"] == ablation.random_self.value
    assert summary["specificity_ci"] == [ablation.specificity.low, ablation.specificity.high]
    assert summary["steer_best_flip_rate"] == dose.flip_rate(settings["alpha"]).value == 1.0
    assert summary["steer_random_flip_rate"] == max(dose.random_flip.mean)
    assert summary["steer_spearman"] == dose.spearman
    # Only two gates carry words and the sex, and neither belongs to an emotion.
    assert (summary["transcription_drop"], summary["sex_drop"]) == (0.0, 0.0)
    # Steered by 1 + 4, the planted listener still names the emotion of most clips.
    assert 0.5 < summary["steer_parse_rate"] < 1.0


def test_each_set_of_voices_is_used_for_its_own_purpose(done: StudyResult, content: dict[str, Any]):
    splits = {name: set(split["speakers"]) for name, split in content["corpus"]["splits"].items()}
    assert splits["validation"] == {"s00", "s01"}
    assert splits["identification"] == {f"s{number:02d}" for number in range(2, 7)}
    assert splits["evaluation"] == {f"s{number:02d}" for number in range(7, 13)}
    statistics = GateStatistics.load(done.folder / "stats.safetensors")
    assert sum(statistics.seen.values()) == content["corpus"]["splits"]["identification"]["clips"] == 50
    for file, kind in (("ablation.json", Ablation), ("dose.json", DoseResponse)):
        assert set(kind.load(done.folder / file).speakers) == splits["evaluation"]


def test_settings_are_blind_to_the_evaluation_voices(
    done: StudyResult, content: dict[str, Any], tmp_path: Path
):
    clips = studied_clips()
    frame, seen = clips.to_frame(), clips.column("emotion")
    frame["audio"] = clips.column("audio")
    # Turned around, every evaluation clip is labelled as another emotion; nothing else is touched.
    turned = {emotion: EMOTIONS[(at + 1) % len(EMOTIONS)] for at, emotion in enumerate(EMOTIONS)}
    evaluation = frame["split"] == "evaluation"
    frame["emotion"] = [turned[e] if late else e for e, late in zip(seen, evaluation, strict=True)]
    other = study(tmp_path, clips=type(clips).from_frame(frame, name="planted")).content
    assert other["summary"]["uar"] == 0.0 != content["summary"]["uar"]
    for part in ("choice", "filter"):
        assert other[part] == content[part]
    for name in ("selector", "top", "scope", "alpha"):
        assert other["settings"][name] == content["settings"][name]


def test_the_grid_is_written_down_with_the_chosen_setting_in_it(content: dict[str, Any]):
    grid = content["choice"]["grid"]
    assert [(row["selector"], row["top"], row["scope"]) for row in grid] == [
        (setting.selector, setting.top, setting.scope) for setting in SETTINGS
    ]
    assert all(row["specificity"] == row["self_ablation"] - row["cross_ablation"] for row in grid)
    causal = [row for row in grid if row["self_ablation"] <= -0.15 and row["cross_ablation"] >= -0.05]
    assert [row for row in grid if row["flip_rate"] is not None] == causal
    best = max(causal, key=lambda row: (row["flip_rate"], -row["top"]))
    assert (best["top"], best["scope"]) == (content["settings"]["top"], content["settings"]["scope"])
    assert [row["alpha"] for row in content["choice"]["alpha"]] == list(ALPHAS)


def test_every_file_of_the_folder_is_there(done: StudyResult):
    files = {str(path.relative_to(done.folder)) for path in done.folder.rglob("*") if path.is_file()}
    assert files == {
        *(
            "report.html",
            "results.json",
            "stats.safetensors",
            "esns.safetensors",
            "ablation.json",
            "dose.json",
        ),
        *(f"figures/{name}" for name in ("neuron_map.html", "ablation.html", "dose.html", "plotly.min.js")),
        *(f"clips/{emotion}.wav" for emotion in EMOTIONS),
    }


def test_the_same_seed_gives_the_same_numbers(content: dict[str, Any], tmp_path: Path):
    again = study(tmp_path).content
    for varying in ("seconds", "date"):
        assert again.pop(varying) is not None
    assert again == {name: part for name, part in content.items() if name in again}


def test_what_is_said_names_every_stage(done: StudyResult, said: list[str]):
    assert done.folder.is_dir()
    assert [line[:5] for line in said] == [f"[{number}/7]" for number in range(1, 8)]
    assert "50 clips of 5 identification voices" in said[0]


def test_the_default_grid_stays_within_five_percent():
    grid = settings_grid()
    assert {setting.selector for setting in grid} == {"mad", "cas"}
    assert max(setting.top for setting in grid) <= 0.05
    assert {setting.scope for setting in grid} == {"audio", "text", "last", "all"}
    assert len(set(grid)) == len(grid)


def predictions(conditions: dict[str, list[int]], truth: list[int]) -> Predictions:
    """Answers that put everything on one emotion; conditions by name, each an answer per clip."""
    answered = np.array(list(conditions.values()))
    clips = tuple(f"c{number}" for number in range(len(truth)))
    log_probs = np.log(np.eye(2, dtype=np.float32)[answered] * 0.8 + 0.1)
    known = recognise(PlantedListener(), planted_clips(speakers=1, takes=1))
    return replace(
        known,
        conditions=tuple(conditions),
        emotions=("calm", "cross"),
        log_probs=log_probs.astype(np.float32),
        truth=np.array(truth),
        speaker=("s",) * len(truth),
        clips=clips,
        tokens=np.ones((len(truth), 3), dtype=np.int64),
        rows=np.arange(len(truth)),
    )


def test_self_and_cross_are_worked_out_by_hand():
    # Four clips each; unedited, one of the cross clips is missed. Recall: calm 1, cross 3/4.
    truth = [0, 0, 0, 0, 1, 1, 1, 1]
    answers = predictions(
        {
            BASELINE: [0, 0, 0, 0, 1, 1, 1, 0],
            "calm silenced": [1, 1, 0, 0, 1, 1, 1, 1],  # calm 2/4, cross 4/4
            "cross silenced": [0, 0, 0, 1, 0, 0, 0, 0],  # calm 3/4, cross 0/4
        },
        truth,
    )
    own, others = self_and_cross(answers, ["calm silenced", "cross silenced"])
    assert own == pytest.approx((-0.5 - 0.75) / 2)
    assert others == pytest.approx((0.25 - 0.25) / 2)
    assert flip_rate(answers, "calm silenced", "cross") == pytest.approx(2 / 4)
    assert flip_rate(answers, "cross silenced", "calm") == pytest.approx(4 / 4)


def test_a_setting_without_neurons_for_an_emotion_drops_out():
    clips = studied_clips()
    validation, identification, _ = clips.split()
    statistics = collect(StudiedListener(), identification, progress=False)
    settings = (Setting("cas", 0.075, "all"), *SETTINGS)
    choice = choose_neurons(StudiedListener(), validation, statistics, settings=settings, progress=False)
    tried = {trial.setting for trial in choice.trials}
    # The planted gates are open for every emotion, only further for one: their frequency tells nothing.
    assert tried == set(SETTINGS)
    assert choice.unusable == (
        "cas, top 0.075, scope all: no neurons for neutral, happy, angry, sad, fearful",
    )
    with pytest.raises(StatisticsError, match="no setting of the grid can be used"):
        choose_neurons(StudiedListener(), validation, statistics, settings=settings[:1], progress=False)


def test_a_setting_without_room_for_a_control_drops_out(monkeypatch: pytest.MonkeyPatch):
    validation, identification, _ = studied_clips().split()
    statistics = collect(StudiedListener(), identification, progress=False)
    crowded, select = Setting("mad", 0.9, "all"), choice_module.select

    def crowding(*args: Any, **options: Any) -> NeuronSet:
        if options["top"] != crowded.top:
            return select(*args, **options)
        # 20 of the 24 gates of the first layer: four others can't stand in for them.
        return NeuronSet.from_indices(planted_set().origin, dict.fromkeys(EMOTIONS, np.arange(20)))

    monkeypatch.setattr(choice_module, "select", crowding)
    settings = (SETTINGS[0], crowded)
    choice = choose_neurons(StudiedListener(), validation, statistics, settings=settings, progress=False)
    assert [trial.setting for trial in choice.trials] == [SETTINGS[0]]
    assert choice.unusable[0].startswith("mad, top 0.9, scope all: ")


def test_of_equal_gains_the_gentlest_is_chosen():
    validation, *_ = studied_clips().split()
    gain = choose_alpha(
        StudiedListener(), validation, planted_set(), alphas=(0.0, 1.0, 8.0, 16.0), progress=False
    )
    assert gain.flip_rates[:2] == (0.0, 0.0)
    assert gain.flip_rates[2:] == (1.0, 1.0)
    assert gain.chosen == 8.0


def test_examples_are_one_voice_and_one_sentence_in_every_emotion():
    clips = studied_clips()
    picked = pick(clips, seed=0)
    chosen = clips.take(picked.rows)
    assert picked.same_speaker
    assert chosen.column("emotion") == list(clips.emotions)
    assert len(set(chosen.column("speaker"))) == len(set(chosen.column("sentence"))) == 1
    assert pick(clips, seed=0) == picked
    assert len({pick(clips, seed=seed).rows for seed in range(20)}) > 5


def test_examples_fall_back_to_any_clip_of_each_emotion():
    clips = planted_clips(speakers=2, takes=1, without=[(0, "sad"), (1, "happy")])
    picked = pick(clips, seed=0)
    assert not picked.same_speaker
    assert clips.take(picked.rows).column("emotion") == list(clips.emotions)
