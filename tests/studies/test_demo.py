"""The protocol: neurons from identification voices, settings from validation voices, effects from others."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keep_results import null_of
from planted_demo import ALPHAS, SCOPES, TOPS, StudiedListener, studied_clips, study
from planted_listener import EMOTIONS, planted_clips, planted_gates, planted_set

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.selectors.result import Effects
from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.studies.config import load_config
from esn_interp.studies.recognition import cell as cell_module
from esn_interp.studies.recognition.article.record import SUMMARY
from esn_interp.studies.recognition.choice import Choice, Setting, Trial, choose, trials
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.recognition.examples import pick
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.whole import load_study


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> RecognitionStudy:
    return study(tmp_path_factory.mktemp("study"), say=said.append)


@pytest.fixture(scope="module")
def content(done: RecognitionStudy) -> dict[str, Any]:
    return json.loads(done.results.read_text(encoding="utf-8"))


def test_the_planted_neurons_are_found(done: RecognitionStudy):
    found = NeuronSet.load(done.folder / "esns.safetensors")
    for emotion in EMOTIONS:
        layer, neuron = found[emotion].layer, found[emotion].neuron
        expected = [(at, gate) for at in (0, 1) for gate in planted_gates(emotion, at)]
        assert sorted(zip(layer.tolist(), neuron.tolist(), strict=True)) == expected


def test_the_summary_has_exactly_the_agreed_keys(content: dict[str, Any]):
    agreed = (
        "uar selector top self_ablation cross_ablation random_ablation specificity_ci null_specificity "
        "selection_p steer_best_flip_rate "
        "steer_random_flip_rate steer_spearman transcription_drop sex_drop steer_parse_rate"
    )
    assert tuple(content["summary"]) == SUMMARY == tuple(agreed.split())


def test_what_is_kept_for_cards_is_in_the_results(done: RecognitionStudy, content: dict[str, Any]):
    kept = null_of(done)
    assert kept is not None
    assert kept["specificity_null"]["p"] == content["summary"]["selection_p"]
    assert (kept["alpha"], kept["flip_null"]["permutations"]) == (content["settings"]["alpha"], 20)
    flips = DoseResponse.load(done.folder / "dose.json").flip_null
    assert flips is not None
    assert list(kept["flip_null"]["by_emotion"].values()) == flips.p_values.tolist()


def test_the_summary_is_that_of_the_analyses(done: RecognitionStudy, content: dict[str, Any]):
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
    assert summary["null_specificity"] == ablation.specificity_null.mean > -0.9
    assert summary["selection_p"] == ablation.specificity_null.omnibus_p == 1 / 21
    assert dose.flip_null.omnibus_p == 1 / 21
    assert summary["steer_best_flip_rate"] == dose.flip_rate(settings["alpha"]).value == 1.0
    assert summary["steer_random_flip_rate"] == max(dose.random_flip.mean)
    assert summary["steer_spearman"] == dose.spearman
    # Only two gates carry words and the sex, and neither belongs to an emotion.
    assert (summary["transcription_drop"], summary["sex_drop"]) == (0.0, 0.0)
    # Steered by 1 + 4, the planted listener still names the emotion of most clips.
    assert 0.5 < summary["steer_parse_rate"] < 1.0


def test_each_set_of_voices_is_used_for_its_own_purpose(done: RecognitionStudy, content: dict[str, Any]):
    splits = {name: set(split["speakers"]) for name, split in content["corpus"]["splits"].items()}
    assert splits["validation"] == {"s00", "s01"}
    assert splits["identification"] == {f"s{number:02d}" for number in range(2, 7)}
    assert splits["evaluation"] == {f"s{number:02d}" for number in range(7, 13)}
    statistics = GateStatistics.load(done.folder / "stats.safetensors")
    assert sum(statistics.seen.values()) == content["corpus"]["splits"]["identification"]["clips"] == 50
    for file, kind in (("ablation.json", Ablation), ("dose.json", DoseResponse)):
        assert set(kind.load(done.folder / file).speakers) == splits["evaluation"]


def test_settings_are_blind_to_the_evaluation_voices(
    done: RecognitionStudy, content: dict[str, Any], tmp_path: Path
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
        ("mad", top, scope) for top in TOPS for scope in SCOPES
    ]
    assert all(row["specificity"] == pytest.approx(row["self_ablation"] - row["cross_ablation"]) for row in grid)
    causal = [row for row in grid if row["self_ablation"] <= -0.15 and row["cross_ablation"] >= -0.05]
    assert [row for row in grid if row["flip_rate"] is not None] == causal
    best = max(causal, key=lambda row: (row["flip_rate"], -row["top"]))
    assert (best["top"], best["scope"]) == (content["settings"]["top"], content["settings"]["scope"])
    assert [row["alpha"] for row in content["choice"]["alpha"]] == list(ALPHAS)


def test_every_file_of_the_folder_is_there(done: RecognitionStudy):
    files = {str(path.relative_to(done.folder)) for path in done.folder.rglob("*") if path.is_file()}
    assert {file.split("/")[1] for file in files if file.startswith("stages/")} == {
        "collect", "select", "ablate", "dose", "cost", "listen", "neuron", "study.json", "inputs.json",
    }  # fmt: skip
    assert {file for file in files if not file.startswith("stages/")} == {
        "config.yaml",
        *(
            "report.html",
            "results.json",
            "stats.safetensors",
            "esns.safetensors",
            "ablation.json",
            "dose.json",
            "neurons.json",
        ),
        *(f"figures/{name}" for name in ("neuron_map.html", "ablation.html", "dose.html", "plotly.min.js")),
        *(f"clips/{emotion}.wav" for emotion in EMOTIONS),
    }


def test_the_same_seed_gives_the_same_numbers(content: dict[str, Any], tmp_path: Path):
    again = study(tmp_path).content
    for varying in ("seconds", "date"):
        assert again.pop(varying) is not None
    assert again == {name: part for name, part in content.items() if name in again}


def test_what_is_said_names_every_stage(done: RecognitionStudy, said: list[str]):
    assert done.folder.is_dir()
    assert [line[:5] for line in said if line.startswith("[")] == [f"[{number}/8]" for number in range(1, 9)]
    assert "50 clips of 5 identification voices" in said[0]


def test_the_settings_of_the_demo_stay_within_five_percent():
    given = load_config("demo", kind=RecognitionConfig)
    assert set(given.selectors) == {"mad", "cas"}
    assert max(given.tops) <= 0.05
    assert set(given.scopes) == {"audio", "text", "last", "all"}
    assert len(set(given.scopes)) == len(given.scopes)


def test_it_is_loaded_again_with_its_results(done: RecognitionStudy):
    again = load_study(done.folder)
    assert isinstance(again, RecognitionStudy)
    assert again.content == done.content
    assert again.ablation is not None
    assert again.doses is not None
    assert again.neurons is not None
    assert again.summary() == again.ablation.summary()
    assert again.plot().data
    assert not again.to_frame().empty


def test_a_second_run_finds_everything(done: RecognitionStudy, content: dict[str, Any], tmp_path: Path):
    copy, told = Path(shutil.copytree(done.folder, tmp_path / "copy")), list[str]()
    listener = StudiedListener()
    again = study(copy, lm=listener, say=told.append).content
    assert (listener.encoded, listener.scored) == ([], 0)
    assert sum("already there" in line for line in told) == 7
    for varying in ("seconds", "date"):
        del again[varying]
    assert again == {name: part for name, part in content.items() if name in again}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"corpora": ["toy-studio", "toy-phone"]}, "one model on one corpus"),
        ({"stages": ["collect", "select"]}, "tells of stage 'ablate'"),
        ({"page": "chapters"}, "played in an article only"),
        ({"colour": 1}, "no setting 'colour'"),
    ],
)
def test_what_no_article_can_tell_is_refused(changed: dict[str, Any], message: str):
    with pytest.raises(EsnError, match=message):
        load_config("demo", kind=RecognitionConfig).changed(**changed)


def trial(top: float, own: float, cross: float, scope: str = "all") -> Trial:
    return Trial(Setting("mad", top, scope), own, cross, own - cross)


def chosen(trials: list[Trial], *, unusable: Sequence[float] = (), **rule: Any) -> Choice:
    """By the rule, where settings of some sizes can't be used and the flip rate is ten times the size."""
    given = RecognitionConfig.model_validate({"name": "x", "models": ["x"], "corpora": ["x"], **rule})

    def obstacle(setting: Setting) -> str:
        return "no room" if setting.top in unusable else ""

    return choose(trials, given, obstacle=obstacle, flip_rate=lambda setting: 10 * setting.top)


TRIALS = [
    trial(0.01, -0.20, -0.01),  # causal and clean
    trial(0.02, -0.16, -0.04),  # causal and clean, steers better
    trial(0.05, -0.90, -0.30),  # the most specific, but not clean
    trial(0.04, -0.10, -0.00),  # clean, but not causal
]


def test_the_causal_rule_keeps_the_clean_setting_that_steers_best():
    choice = chosen(TRIALS, rule="causal")
    assert choice.chosen is not None
    assert choice.chosen.setting.top == 0.02
    assert [one.flip_rate for one in choice.trials] == [0.1, 0.2, None, None]
    assert choice.unusable == ()


def test_without_a_causal_setting_the_most_specific_clean_one_is_kept():
    choice = chosen(TRIALS, rule="causal", least_loss=0.95)
    assert choice.chosen == TRIALS[0]
    assert all(one.flip_rate is None for one in choice.trials)
    dirty = chosen(TRIALS, rule="causal", least_loss=0.95, most_collateral=0.0)
    assert dirty.chosen == TRIALS[3]
    assert chosen(TRIALS[1:3], rule="causal", most_collateral=0.01).chosen == TRIALS[2]


def test_the_specific_rule_keeps_the_lowest_difference_that_can_be_used():
    assert chosen(TRIALS).chosen == TRIALS[2]
    second = chosen(TRIALS, unusable=[0.05])
    assert second.chosen == TRIALS[0]
    assert second.unusable == ("mad, top 0.05, scope all: no room",)
    assert chosen(TRIALS, unusable=[0.01, 0.02, 0.04, 0.05]).chosen is None
    unknown = trial(0.001, float("nan"), 0.0)
    assert chosen([unknown, *TRIALS]).chosen == TRIALS[2]


def test_of_equal_settings_the_one_with_fewer_neurons_is_kept():
    equal = [trial(top, -0.5, 0.0, scope) for top in (0.05, 0.01) for scope in ("audio", "text")]
    for rule in ("specific", "causal"):
        found = choose(
            equal,
            RecognitionConfig.model_validate({"name": "x", "models": ["x"], "corpora": ["x"], "rule": rule}),
            obstacle=lambda setting: "",
            flip_rate=lambda setting: 0.5,
        ).chosen
        assert found is not None
        assert found.setting == Setting("mad", 0.01, "audio")


def test_trials_are_read_off_the_comparison_under_each_scope():
    """Worked out by hand: two selectors, two sizes."""
    shape = {"selectors": ("mad", "cas"), "tops": (0.02, 0.01)}
    values = {scope: np.arange(4.0).reshape(2, 2) + start for scope, start in (("audio", 0.0), ("text", 10.0))}
    effects = {
        scope: Effects(*(Estimates(table / by, table, table) for by in (-1, -2, -4))) for scope, table in values.items()
    }
    given = RecognitionConfig.model_validate({"name": "x", "models": ["x"], "corpora": ["x"], **shape})
    found = trials(effects, given)
    assert [one.setting for one in found[:3]] == [
        Setting("mad", 0.01, "audio"), Setting("mad", 0.01, "text"), Setting("mad", 0.02, "audio"),
    ]  # fmt: skip
    assert [one.self_ablation for one in found] == [0, -10, -1, -11, -2, -12, -3, -13]
    assert [one.cross_ablation for one in found] == [0, -5, -0.5, -5.5, -1, -6, -1.5, -6.5]
    assert [one.specificity for one in found] == [0, -2.5, -0.25, -2.75, -0.5, -3, -0.75, -3.25]


def test_a_setting_without_neurons_for_an_emotion_drops_out(tmp_path: Path):
    found = study(tmp_path, selectors=("cas", "mad"), tops=(0.075,), scopes=("all",)).content["choice"]
    # The planted gates are open for every emotion, only further for one: their frequency tells nothing.
    assert [row["selector"] for row in found["grid"]] == ["mad"]
    assert found["unusable"] == ["cas, top 0.075, scope all: no neurons for neutral, happy, angry, sad, fearful"]
    with pytest.raises(EsnError, match="no setting leaves neurons for every emotion"):
        study(tmp_path, selectors=("cas",))


def test_a_setting_without_room_for_a_control_drops_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    select = cell_module.select

    def crowding(*args: Any, **options: Any) -> NeuronSet:
        if options["top"] != 0.9:
            return select(*args, **options)
        # 20 of the 24 gates of the first layer: four others can't stand in for them.
        return NeuronSet.from_indices(planted_set().origin, dict.fromkeys(EMOTIONS, np.arange(20)))

    monkeypatch.setattr(cell_module, "select", crowding)
    found = study(tmp_path, tops=(0.075, 0.9), scopes=("all",)).content["choice"]
    assert [row["top"] for row in found["grid"]] == [0.075]
    assert found["unusable"][0].startswith("mad, top 0.9, scope all: ")


def test_of_equal_gains_the_gentlest_is_chosen():
    validation, *_ = studied_clips().split()
    doses = dose_response(
        StudiedListener(), validation, planted_set(), alphas=(0.0, 1.0, 8.0, 16.0), draws=0, progress=False
    )
    assert doses.flip.mean.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert doses.best_alpha == 8.0


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
