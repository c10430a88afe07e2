"""What stands in the way is found: in the installation, in settings, in files; and the trial notices a broken tool."""

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from command_line import esn
from packaging.requirements import Requirement
from safetensors.numpy import save_file

from esn_interp.doctor import files as files_module
from esn_interp.doctor import trial as trial_module
from esn_interp.doctor.environment import environment, misfit, settings
from esn_interp.doctor.files import examine
from esn_interp.doctor.finding import BAD, FINE, NOTE, Diagnosis, Finding
from esn_interp.doctor.trial import trial
from esn_interp.errors import EsnError
from esn_interp.files import HEADER
from esn_interp.models.loading import bundled_path
from esn_interp.tasks.recognition import recognise

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


def test_what_is_no_file_of_ours_is_named_all_the_same(tmp_path: Path):
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "others.safetensors")
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(8000) / 20), 16000)
    (tmp_path / "clips.csv").write_text("audio,emotion,speaker\n" + "".join(f"tone.wav,happy,{who}\n" for who in "ab"))
    told = {name: examine(tmp_path / name) for name in ("others.safetensors", "tone.wav", "clips.csv")}
    assert [one.outcome for one in told.values()] == [FINE] * 3
    assert told["others.safetensors"].told == "tensors that are not ours: 1"
    assert told["tone.wav"].told == "a recording: 0.5 s at 16 kHz"
    assert told["clips.csv"].told.startswith("a corpus: 2 clips, 2 speakers")


@pytest.mark.parametrize("header", ['{"kind": 3}', "[]", "{"])
def test_a_header_that_does_not_say_what_a_file_is_is_bad(tmp_path: Path, header: str):
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "odd.safetensors", metadata={HEADER: header})
    found = examine(tmp_path / "odd.safetensors")
    assert (found.outcome, "\n" in found.told) == (BAD, False)


@pytest.mark.parametrize("index", [None, "{}", "[1]", "{"])
def test_a_checkpoint_without_weights_is_bad(tmp_path: Path, index: str | None):
    (tmp_path / "config.json").write_text("{}")
    if index is not None:
        (tmp_path / "model.safetensors.index.json").write_text(index)
    found = examine(tmp_path)
    assert found.outcome == BAD
    assert ("no weights in safetensors beside it" if index is None else "not an index of weights") in found.told


def test_a_file_that_may_not_be_read_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.wav").write_bytes(b"")
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    assert examine(tmp_path / "mine.wav") == Finding(str(tmp_path / "mine.wav"), BAD, "it can't be read by this user")


def test_a_disk_that_fails_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files_module, "_read", fails)
    (tmp_path / "mine.wav").write_bytes(b"")
    assert examine(tmp_path / "mine.wav").told == "Input/output error"


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
    monkeypatch.setattr(trial_module, "BUNDLED", ())
    monkeypatch.setattr(trial_module, "CLIPS", 10)
    monkeypatch.setattr(trial_module, "deactivate", lambda neurons: [])
    assert [finding.outcome for finding in trial(progress=False)] == [FINE, FINE, BAD]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EsnError("no model"), "no model"),
        (TypeError("forward() got\nan odd argument"), "TypeError: forward() got; install the pinned versions"),
    ],
)
def test_whatever_breaks_in_the_trial_is_a_finding(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str):
    def breaks(seed: int, progress: bool) -> Iterator[Finding]:
        raise error
        yield

    monkeypatch.setattr(trial_module, "_steps", breaks)
    assert list(trial(progress=False)) == [Finding("self-test", BAD, told)]


def test_answers_that_differ_from_run_to_run_are_a_finding(monkeypatch: pytest.MonkeyPatch):
    drawn = np.random.default_rng(0)

    def shaky(*given: Any, **options: Any) -> Any:
        found = recognise(*given, **options)
        return SimpleNamespace(log_probs=found.log_probs + drawn.normal(scale=1e-6, size=found.log_probs.shape))

    monkeypatch.setattr(trial_module, "recognise", shaky)
    monkeypatch.setattr(trial_module, "BUNDLED", ())
    monkeypatch.setattr(trial_module, "CLIPS", 10)
    found = list(trial(progress=False))
    assert [one.outcome for one in found] == [FINE, BAD, FINE]
    assert found[1].told.startswith("a clip is not answered the same twice")


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
