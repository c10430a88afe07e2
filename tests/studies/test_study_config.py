"""The config of a study: short forms, defaults, and errors that name the line."""

from pathlib import Path

import pytest

from esn_interp.errors import EsnError
from esn_interp.studies.config import load_config, ready_configs
from esn_interp.studies.recognition.config import RecognitionConfig

SMALL = "name: x\nmodels: [toy-omni]\ncorpora:\n  - toy-studio\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_stand_for_models_and_corpora(tmp_path: Path):
    config = load_config(write(tmp_path, SMALL), kind=RecognitionConfig)
    assert config.models[0].model == "toy-omni"
    assert config.corpora[0].corpus == "toy-studio"
    assert config.models[0].options() == {}


def test_roots_are_relative_to_the_config_and_can_be_given(tmp_path: Path):
    text = SMALL + "  - {corpus: emodb, root: data/emodb}\n"
    assert load_config(write(tmp_path, text), kind=RecognitionConfig).corpora[1].root == tmp_path / "data" / "emodb"
    given = load_config(write(tmp_path, text), roots={"emodb": Path("/elsewhere")}, kind=RecognitionConfig)
    assert given.corpora[1].root == Path("/elsewhere")
    with pytest.raises(EsnError, match="no corpus 'meld'"):
        load_config(write(tmp_path, text), roots={"meld": Path("/elsewhere")}, kind=RecognitionConfig)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (SMALL + "tops:\n  - 0.1\n  - 2\n", 7, "less than or equal to 1"),
        (SMALL + "seeds: [0, -1]\n", 5, "greater than or equal to 0"),
        (SMALL + "selectors: [mad, best]\n", 5, "unknown selector 'best'"),
        (SMALL + "colour: red\n", 5, "Extra inputs"),
        ("name: x\nmodels: []\ncorpora: [toy-studio]\n", 2, "at least 1 item"),
        ("name: x\nmodels:\n  - {model: toy-omni, typo: 1}\ncorpora: [a]\n", 3, "typo"),
        ("name: x\nmodels: [toy-omni, toy-omni]\ncorpora: [a]\n", 1, "two models are called 'toy-omni'"),
        ("models: [toy-omni]\ncorpora: [a]\n", 1, "name"),
        (SMALL + "stages: [baseline, dance]\n", 5, "stages"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str):
    with pytest.raises(EsnError) as caught:
        load_config(write(tmp_path, text), kind=RecognitionConfig)
    message = str(caught.value)
    assert f"study.yaml, line {line}: " in message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["models: [", "- a\n- b\n", "", "just words"])
def test_what_is_no_study_is_refused_in_one_line(tmp_path: Path, text: str):
    with pytest.raises(EsnError) as caught:
        load_config(write(tmp_path, text), kind=RecognitionConfig)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_ready_configs(tmp_path: Path):
    with pytest.raises(EsnError, match="paper-recognition"):
        load_config(tmp_path / "none.yaml", kind=RecognitionConfig)


@pytest.mark.parametrize("name", ready_configs(RecognitionConfig))
def test_ready_configs_are_valid(name: str):
    config = load_config(name, kind=RecognitionConfig)
    assert isinstance(config, RecognitionConfig)
    assert config.name == name


def test_the_papers_protocol_names_its_models_and_corpora():
    config = load_config("paper-recognition", kind=RecognitionConfig)
    assert {spec.corpus for spec in config.corpora} == {"iemocap", "meld", "msp-podcast"}
    assert len(config.models) == 3
