"""Every trap of an installation or a machine has a line with the way out; machines that we lack are made up."""

import os
import shutil
from collections import namedtuple
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants

from esn_interp.doctor.environment import environment, settings
from esn_interp.doctor.finding import BAD, FINE, NOTE, Diagnosis, Finding
from esn_interp.doctor.measure import diagnose

Usage = namedtuple("Usage", ["total", "used", "free"])


def found(about: str) -> list[Finding]:
    return [one for one in environment() if one.about == about]


def test_a_python_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch):
    wanted = Message()
    wanted["Requires-Python"] = ">=3.99"
    monkeypatch.setattr(metadata, "metadata", lambda name: wanted)
    (python,) = found("python")
    assert python.outcome == BAD
    assert python.told.endswith("esn-interp wants Python >=3.99: make a new environment with one")


def test_a_package_that_is_imported_but_not_installed_is_told(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert [one.told for one in found("packages")] == [
        "esn-interp is not installed, only imported: run pip install -e ."
    ]
    assert found("python")[0].outcome == FINE  # what it wants is not known then


def test_each_package_that_does_not_fit_has_a_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy<1", "no-such-package>=2", "torch; extra == 'x'"])
    first, second = found("packages")
    assert (first.outcome, second.outcome) == (BAD, BAD)
    assert first.told.endswith("is not one of <1: pip install 'numpy<1'")
    assert second.told == "no-such-package is missing: pip install 'no-such-package>=2'"


@pytest.mark.parametrize(("threads", "outcome"), [(10_000, NOTE), (1, FINE)])
def test_more_threads_than_cores_are_told(monkeypatch: pytest.MonkeyPatch, threads: int, outcome: str):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    (processor,) = found("processor")
    assert processor.outcome == outcome
    assert ("set OMP_NUM_THREADS=" in processor.told) == (outcome == NOTE)


def test_a_card_that_another_process_fills_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(name=f"Card {number}"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: ((79e9, 80e9), (3e9, 80e9))[number])
    assert [(one.about, one.outcome, one.told) for one in environment() if one.about.startswith("card")] == [
        ("card 0", FINE, "Card 0, 79 of 80 GB free"),
        ("card 1", NOTE, "Card 1, 3 of 80 GB free; another process holds most of it: see nvidia-smi"),
    ]


def test_a_card_that_torch_cannot_use_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    (card,) = found("card")
    assert card.outcome == BAD
    assert card.told.endswith("can't use: reinstall torch for your CUDA, see pytorch.org")


@pytest.mark.parametrize(("kind", "slow"), [("AVX2", True), ("AVX512", False)])
def test_without_a_card_a_processor_that_is_slow_in_half_precision_is_told(
    monkeypatch: pytest.MonkeyPatch, kind: str, slow: bool
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kind)
    (card,) = found("card")
    assert ("bfloat16 is slow" in card.told) == slow


def test_a_folder_that_cannot_be_written_to_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "not" / "made" / "yet"))
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    (disk,), (cache,) = found("disk"), found("model cache")
    assert (disk.outcome, cache.outcome) == (BAD, BAD)
    assert disk.told == f"{tmp_path} can't be written to: change to another folder, or name --out elsewhere"
    assert cache.told.endswith("can't be written to: set HF_HOME to a folder of your own")


@pytest.mark.parametrize(("free", "outcome"), [(1e9, NOTE), (50e9, FINE)])
def test_a_disk_that_is_nearly_full_is_told(monkeypatch: pytest.MonkeyPatch, free: float, outcome: str):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(100e9, 100e9 - free, free))
    (disk,) = found("disk")
    assert disk.outcome == outcome
    assert disk.told.startswith(f"{free / 1e9:.0f} GB free in ")


@pytest.mark.parametrize(("cores", "outcome"), [(64, NOTE), (4, FINE)])
def test_on_many_cores_threads_had_better_be_set(monkeypatch: pytest.MonkeyPatch, cores: int, outcome: str):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    (told,) = settings({})
    assert told.outcome == outcome


def test_models_are_looked_at_by_their_configuration(monkeypatch: pytest.MonkeyPatch):
    told = diagnose(models=["toy-omni", "no/such-model"], self_test=False)
    whole, gone = told.findings[-2:]
    assert (whole.about, whole.outcome, gone.about, gone.outcome) == ("toy-omni", FINE, "no/such-model", BAD)
    assert "million weights" in whole.told
    assert not told.healthy


def test_where_all_is_fine_that_is_all():
    assert Diagnosis((Finding("a", FINE, "x"),), 2.0).summary() == "1 thing looked at in 2 s: all fine."
