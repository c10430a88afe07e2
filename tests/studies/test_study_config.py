"""The config of a study: short forms, defaults, and errors that name the line."""

from pathlib import Path

import pytest

from esn_interp.errors import EsnError
from esn_interp.studies.config import load_config, ready_configs
from esn_interp.studies.conversion.config import ConversionConfig
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
        (SMALL + "alphas: [1]\nseeds: [1]\nalphas: [2]\n", 7, "alphas: given already in line 5; keep one of them"),
        ("models:\n- model: toy-omni\n  name: y\n  model: toy-omni\n", 4, "model: given already in line 2"),
        (SMALL + "alphas: [1, .inf]\n", 5, "alphas.1: Input should be a finite number"),
        (SMALL + "alphas: [.nan]\n", 5, "finite"),
        (SMALL + "alphas: [0]\n", 5, "give a gain other than 0, which changes nothing"),
        (SMALL + "alphas: 0\n", 5, "alphas: Input should be a valid tuple"),
        (SMALL + "transfer_alpha: -.inf\n", 5, "transfer_alpha: Input should be a finite number"),
        (SMALL + "scope: audoi\n", 5, "scope: unknown scope 'audoi'; choose from audio, text, last, all"),
        (SMALL + "scopes:\n  - audio\n  - generated\n", 5, "unknown scope 'generated'"),
        (SMALL + "scopes: [audio, audio]\n", 5, "'audio' is given twice"),
        (SMALL + "tops: [0.1, 0.2, 0.1]\n", 5, "tops: 0.1 is given twice; once is enough"),
        (SMALL + "seeds: [0, 0]\n", 5, "0 is given twice"),
        (SMALL + "selectors: [mad, mad]\n", 5, "'mad' is given twice"),
        (SMALL + "emotions: [happy, sad, hapy]\n", 5, "emotions: no emotion 'hapy'; did you mean happy?"),
        ("name: x\nmodels:\n  - {model: toy-omni, dtype: float17}\ncorpora: [a]\n", 3, "unknown dtype 'float17'"),
        ("name: x\nmodels: [tyo-omni]\ncorpora: [a]\n", 2, "models.0: unknown model 'tyo-omni'; bundled: toy-omni"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str):
    with pytest.raises(EsnError) as caught:
        load_config(write(tmp_path, text), kind=RecognitionConfig)
    message = str(caught.value)
    assert f"study.yaml, line {line}: " in message
    assert words in message
    assert "\n" not in message


SPOKEN = SMALL + "targets: [happy, angry]\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (SPOKEN + "filter_judge: toy-spectrm\n", 6, "filter_judge: no such judge 'toy-spectrm'; give toy-spectrum"),
        (SPOKEN + "transcript_judge: whisper\n", 6, "transcript_judge: no such judge 'whisper'; give toy-ctc, a"),
        (SPOKEN + "speaker_judge: anybody\n", 6, "speaker_judge: no such judge 'anybody'; give a folder"),
        (SPOKEN + "sources: [nuetral]\n", 6, "sources: no emotion 'nuetral'; did you mean neutral?"),
        (SPOKEN + "max_seconds: .inf\n", 6, "finite"),
        (SPOKEN + "scope: spoken\n", 6, "unknown scope 'spoken'; choose from audio, text, last, generated, all"),
        (SMALL + "targets: [happy, happy]\n", 5, "'happy' is given twice"),
    ],
)
def test_a_mistake_in_a_study_of_conversions_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str):
    with pytest.raises(EsnError) as caught:
        load_config(write(tmp_path, text), kind=ConversionConfig)
    assert f"study.yaml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_voice_is_refused_for_a_model_that_has_none(tmp_path: Path):
    from tiny_models import BUILDERS

    BUILDERS["qwen2-audio"](tmp_path / "silent")
    text = f"name: x\nmodels: [{tmp_path / 'silent'}]\ncorpora: [a]\nvoice: Chelsie\n"
    with pytest.raises(EsnError, match=r"line 4: voice: .*silent has no voices to choose from"):
        load_config(write(tmp_path, text), kind=ConversionConfig)
    spoken = SPOKEN + "voice: Chelsie\n"  # which voices a checkpoint has shows when it is loaded
    assert load_config(write(tmp_path, spoken), kind=ConversionConfig).voice == "Chelsie"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"models: [", "not YAML"),
        (b"- a\n- b\n", "a study is a mapping"),
        (b"", "a study is a mapping"),
        (b"just words", "a study is a mapping"),
        (b"name: x\nmodels: [gr\xfc\xdfe]\n", "line 2: not UTF-8 text"),
        (b"name: a\0b\n", "not YAML"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: " * 3 + b"b", "not YAML"),
        (b"name: 2026-02-31\n", "not YAML"),
        (b"a: &a [*a]\n", "Extra inputs|Field required"),
    ],
)
def test_what_is_no_study_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(EsnError, match=words) as caught:
        load_config(path, kind=RecognitionConfig)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


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
