"""What stands in the way is found: in the installation, in settings, in files; and the trial notices a broken tool."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from command_line import esn
from packaging.requirements import Requirement
from safetensors.numpy import save_file

from esn_interp.doctor import trial as trial_module
from esn_interp.doctor.environment import environment, misfit, settings
from esn_interp.doctor.files import examine
from esn_interp.doctor.finding import BAD, FINE, NOTE, Diagnosis, Finding
from esn_interp.doctor.trial import trial
from esn_interp.models.loading import bundled_path

pytestmark = pytest.mark.filterwarnings("ignore:.*sound not verified")
WRITTEN = Path(__file__).parent.parent / "written" / "0.1"


def test_a_package_is_judged_by_the_range_that_is_wanted():
    here = metadata.version("numpy")
    assert misfit(Requirement(f"numpy=={here}")) == ""
    assert misfit(Requirement("numpy<1")) == f"numpy {here} is not one of <1: pip install 'numpy<1'"
    assert misfit(Requirement("no-such-package>=2")) == "no-such-package is missing: pip install 'no-such-package>=2'"


def test_the_environment_of_the_tests_lacks_nothing():
    found = list(environment())
    assert {finding.about for finding in found} >= {"python", "packages", "extras", "processor", "disk", "model cache"}
    assert [finding for finding in found if finding.outcome == BAD] == []


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "bundled ones"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "hides every card"),
        ({"PYTHONOPTIMIZE": "1"}, "assertions"),
    ],
)
def test_a_setting_that_surprises_is_told(variables: dict[str, str], word: str):
    found = list(settings(variables))
    assert [finding.outcome for finding in found] == [NOTE]
    assert word in found[0].told


def test_no_setting_no_surprise():
    assert [finding.outcome for finding in settings({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "0"})] == [FINE]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (WRITTEN / "demo", "a study"),
        (WRITTEN / "collecting" / "whole.safetensors", "statistics of planted on north: 8 clips"),
        (WRITTEN / "analyses" / "dose-bands.json", "a result: dose_response"),
        (bundled_path("toy-omni"), "a checkpoint, whole: 1 file"),
    ],
)
def test_a_whole_file_is_named(place: Path, told: str):
    found = examine(place)
    assert found.outcome == FINE
    assert told in found.told


def test_whatever_is_not_whole_is_bad(tmp_path: Path):
    whole = (WRITTEN / "collecting" / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "noise.wav").write_bytes(b"\x00\x01" * 400)
    for name in ("cut.safetensors", "text.json", "noise.wav", "missing.safetensors"):
        found = examine(tmp_path / name)
        assert (found.about, found.outcome) == (str(tmp_path / name), BAD)
        assert "\n" not in found.told


def test_a_checkpoint_without_one_of_its_shards_is_bad(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "model-1.safetensors")
    index = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    (tmp_path / "model.safetensors.index.json").write_text(index)
    found = examine(tmp_path)
    assert found.outcome == BAD
    assert "1 of 2 files of weights are missing, model-2.safetensors first" in found.told


def test_the_trial_does_the_whole_way_and_notices_an_edit_that_does_nothing(monkeypatch: pytest.MonkeyPatch):
    found = list(trial(progress=False))
    assert [finding.outcome for finding in found] == [FINE] * 3
    monkeypatch.setattr(trial_module, "deactivate", lambda neurons: [])
    assert [finding.outcome for finding in trial(progress=False)] == [FINE, FINE, BAD]


def test_the_command_fails_where_something_will_fail(tmp_path: Path):
    fine = esn("doctor", "--no-self-test", str(WRITTEN / "demo"))
    assert fine.code == 0
    bad = esn("doctor", "--no-self-test", str(tmp_path / "gone.wav"))
    assert bad.code == 2
    assert "there is no such file" in bad.out
    assert bad.err == ""


def test_a_diagnosis_is_kept_and_counted(tmp_path: Path):
    found = Diagnosis((Finding("a", FINE, "x"), Finding("b", NOTE, "y"), Finding("c", BAD, "z")), 2.0)
    assert found.summary() == "3 things looked at in 2 s: 1 fine, 1 to know of, 1 will fail."
    assert not found.healthy
    found.save(tmp_path / "diagnosis.json")
    again = Diagnosis.load(tmp_path / "diagnosis.json")
    assert again.findings == found.findings
    assert list(again.to_frame()["outcome"]) == [FINE, NOTE, BAD]
