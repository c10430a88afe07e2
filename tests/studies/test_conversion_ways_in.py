"""Ways into a study of conversions: from Python, from the command line, from a file."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import planted_speaker as planted
import pytest
from command_line import esn
from planted_conversions import content

from esn_interp.analysis.conversion.effect_result import (
    ConversionEffect,
)
from esn_interp.analysis.conversion.measures import Outcomes
from esn_interp.errors import EsnError
from esn_interp.studies.config import load_config, ready_configs
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.estimate import estimate
from esn_interp.studies.conversion.plan import ConversionPlan, work
from esn_interp.studies.whole import study

pytestmark = pytest.mark.usefixtures("speaker")


def test_from_python_with_a_model_and_clips_at_hand(tmp_path: Path, converted: Path):
    done = study(
        planted.config(), tmp_path, lm=planted.PlantedSpeaker(), clips=planted.sources(), progress=False, alphas=(1,)
    )
    assert done.effect is not None
    assert done.effect.summary() == ConversionEffect.load(converted / "unseen.json").summary()
    assert done.plot().data
    assert set(done.to_frame().voices) == {"seen", "unseen"}
    done.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["summary"] == done.content["summary"]
    with pytest.raises(EsnError, match="no setting 'alpha'"):
        study(planted.config(), tmp_path, alpha=3)


def test_from_the_command_line(tmp_path: Path, converted: Path):
    text = (converted / "config.yaml").read_text()
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    shutil.copytree(converted / "stages", out / "stages")
    told = esn("evc", "study", tmp_path / "study.yaml", "--out", out, "--resume", "--json")
    assert told.code == 0, told.err
    assert told.content["results"]["summary"] == content(converted)["summary"]
    assert "already there" in told.err
    plain = esn("evc", "study", tmp_path / "study.yaml", "--out", out, "--quiet")
    assert plain.out.startswith("model and corpus")
    assert str(out / "report.html") in plain.out


def test_the_plan_counts_what_will_be_said(converted: Path, tmp_path: Path, speaker):
    told = esn("evc", "study", converted / "config.yaml", "--out", tmp_path / "none", "--dry-run", "--json")
    assert told.code == 0, told.err
    assert speaker.said == 0
    assert not (tmp_path / "none").exists()
    planned = estimate(ConversionPlan(planted.config(), tmp_path / "none"))
    assert told.content["conversions"] == sum(one.conversions for one in planned)
    cell = ConversionPlan(planted.config(), converted).cells[0]
    for one in planned:
        units = work(cell, one.stage)
        ran = sum(len(unit.rows) * len(unit.targets) for unit in units if one.stage != "evaluate" or not unit.gates)
        assert one.conversions == ran


def test_a_plan_tells_a_time_that_grows_with_what_is_said(tmp_path: Path):
    told = esn("evc", "study", "evc-toy", "--out", tmp_path / "none", "--dry-run", "--json")
    assert told.code == 0, told.err
    each = {one["stage"]: one["seconds"] / one["conversions"] for one in told.content["stages"]}
    assert len(each) == 5
    assert min(each.values()) > 0
    assert max(each.values()) == pytest.approx(min(each.values()))
    assert told.content["seconds"] == pytest.approx(sum(one["seconds"] for one in told.content["stages"]))


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


def test_outcomes_without_sound_keep_their_place(converted: Path):
    cell = ConversionPlan(planted.config(), converted).cells[0]
    rows = [row for unit in cell.sampling for row in cell.outcomes(unit).rows]
    silent = [row for row in rows if row.problem == "nothing said"]
    assert all(row.wer == 1 and not row.probabilities and row.reasons == ("nothing said",) for row in silent)
    assert isinstance(Outcomes(tuple(rows)), Outcomes)
    assert replace(rows[0], problem=None).failed is False
