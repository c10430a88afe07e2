"""A verification passes sound models of every shape, and each of its checks fails where something is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import esn as run_esn
from tiny_models import BUILDERS
from tiny_omni import EMOTIONS, noise

import esn_interp as esn
from esn_interp.analysis.verification import checks
from esn_interp.analysis.verification.page import number, verification_page
from esn_interp.analysis.verification.result import Answer, Check, Verification
from esn_interp.errors import EditError, ModelError
from esn_interp.models import baking, plans
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load
from esn_interp.tasks.recognition import Recognition

NAMES = list(checks.CHECKS)


def verified(lm: Any, **options: Any) -> Verification:
    return esn.verify(lm, limit=2, progress=False, **options)


def subject(lm: Any) -> checks.Subject:
    return checks.Subject(lm, Recognition(EMOTIONS), noise(0.4, 0.7), seed=0)


def made_up(*outcomes: str) -> Verification:
    one = {"unit": "nats", "told": "a < b", "seconds": 1.0, "memory": float("nan")}
    known = {"passed": (0.0, 0.0), "failed": (0.5, 1e-5), "skipped": (float("nan"), float("nan"))}
    return Verification(
        **{"model": "made up", "fingerprint": "f", "family": "none", "component": "thinker", "layers": 2},
        **{"gates": 1_024, "parameters": 3, "dtype": "bfloat16", "device": "cuda", "corpus": "c", "seed": 0},
        date="2026-01-01",
        checks=tuple(
            Check(f"check {at}", outcome, *known[outcome], plain_seconds=float("nan"), **one)
            for at, outcome in enumerate(outcomes)
        ),
        answers=(Answer("clip", "sad", "angry", "<b>"),),
        machine={"threads": "1"},
        versions={"esn_interp": "0"},
    )


@pytest.mark.parametrize(
    ("family", "skipped"),
    [("gemma-3n", ()), ("phi-4-multimodal", ()), ("qwen3-omni", ("gates",)), ("kimi-audio", ())],
)
def test_every_check_passes_on_a_sound_model(family: str, skipped: tuple[str, ...], tmp_path: Path):
    folder = BUILDERS[family](tmp_path / family)
    lm = load(folder, trust_remote_code=family == "kimi-audio")
    result = verified(lm)
    assert [check.name for check in result.checks] == NAMES
    assert {check.name: check.outcome for check in result.checks if check.outcome != "passed"} == dict.fromkeys(
        skipped, "skipped"
    ), result.notes
    assert all(check.figure <= check.bound for check in result.of("passed"))
    assert (result.of("passed")[-1].told.count("a patch") == 1) == (family == "kimi-audio")
    assert result.passed


def test_bounds_follow_from_the_working_precision(tiny_folder: Path):
    fine, coarse = (subject(load(tiny_folder, dtype=dtype)) for dtype in ("float32", "bfloat16"))
    assert fine.bound(1e-4) == 1e-4
    assert coarse.bound(1e-4) == pytest.approx(4 * 2**-7 * coarse.size)


def test_a_trace_that_changes_gates_fails_the_checks_of_the_unedited_model(tiny_lm, monkeypatch):
    monkeypatch.setattr(checks, "_nothing", lambda step, layer, gate, experts=None: gate.mul_(3.0))
    one = subject(tiny_lm)
    assert not checks.forward(one).passed
    assert not checks.generation(one).passed
    monkeypatch.undo()
    assert checks.forward(one).passed
    assert checks.generation(one).passed


def test_gates_that_the_model_does_not_use_as_they_are_fail(tiny_lm):
    mlp = tiny_lm.stacks["thinker"].gates[1].mlp
    kind = type(mlp)

    def forward(self, x):
        return self.down_proj(2 * self.act_fn(self.gate_proj(x)) * self.up_proj(x))

    mlp.__class__ = type("Odd", (kind,), {"forward": forward})
    finding = checks.gates(subject(tiny_lm))
    assert not finding.passed
    assert "in 3 layers they also are the activation" in finding.told
    mlp.__class__ = kind
    assert checks.gates(subject(tiny_lm)).passed


def test_scores_that_are_not_the_models_fail(tiny_lm, monkeypatch):
    assert checks.label_scores(subject(tiny_lm)).passed
    monkeypatch.setattr(type(tiny_lm.family), "finish", lambda self, model, logits: 1.01 * logits)
    assert not checks.label_scores(subject(tiny_lm)).passed


def test_clips_that_depend_on_their_neighbours_fail(tiny_lm, monkeypatch):
    scores = tiny_lm.scores

    def together(encoded, labels, **options):
        return scores(encoded, labels, **options) * len(encoded)

    monkeypatch.setattr(tiny_lm, "scores", together)
    assert not checks.batches(subject(tiny_lm)).passed


def test_plans_that_differ_fail_and_so_does_an_edit_without_effect(tiny_lm, monkeypatch):
    one = subject(tiny_lm)
    assert checks.ablation(one).figure == 0  # a silenced gate is exact in any plan
    assert checks.gain(one).passed
    gains_of = plans.gains_of

    def halved(edits):
        return {layer: (neurons, 0.5 * gain + 0.5) for layer, (neurons, gain) in gains_of(edits).items()}

    monkeypatch.setattr(plans, "gains_of", halved)
    tiny_lm._planner._ready.clear()
    assert not checks.ablation(one).passed
    assert not checks.gain(one).passed
    monkeypatch.setattr(checks.Subject, "edits", lambda self, *gains, layers=None: [Edit(0, np.array([0]))])
    finding = checks.ablation(one)
    assert not finding.passed
    assert finding.told == "the traced edit changes no score at all"


def test_weights_that_are_not_put_back_fail(tiny_lm, monkeypatch):
    monkeypatch.setattr(plans, "put_back", lambda kept: kept.clear())
    assert not checks.put_back(subject(tiny_lm)).passed


def test_a_checkpoint_that_is_not_the_edited_model_fails(tiny_lm, monkeypatch):
    assert checks.bake(subject(tiny_lm)).passed
    monkeypatch.setattr(baking.Scaled, "apply", lambda self, stored, transposed=False: stored.clone())
    assert not checks.bake(subject(tiny_lm)).passed


def test_a_model_too_large_for_a_copy_is_baked_as_a_patch(tiny_lm, monkeypatch):
    monkeypatch.setattr(checks, "_free", lambda device: 1.0)
    before = {name: weight.clone() for name, weight in tiny_lm.model.state_dict().items()}
    finding = checks.bake(subject(tiny_lm))
    assert finding.passed
    assert "gates in 2 layers baked into a patch" in finding.told
    assert "memory has no room for a second model" in finding.told
    assert all(torch.equal(before[name], weight) for name, weight in tiny_lm.model.state_dict().items())


def test_what_goes_wrong_in_a_check_is_what_it_found_and_the_others_go_on(tiny_lm, monkeypatch):
    def broken(subject):
        raise RuntimeError("two\nlines")

    def full(subject):
        raise torch.OutOfMemoryError("no room")

    some = {"gates": broken, "batches": full, "gain": checks.gain}
    for name in NAMES:
        monkeypatch.delitem(checks.CHECKS, name)
    for name, check in some.items():
        monkeypatch.setitem(checks.CHECKS, name, check)
    result = verified(tiny_lm)
    assert [(check.name, check.outcome) for check in result.checks] == [
        ("gates", "failed"),
        ("batches", "skipped"),
        ("gain", "passed"),
    ]
    assert result.notes == ("failed: gates: RuntimeError: two lines", "skipped: batches: memory does not suffice")
    assert not result.passed


def test_a_steered_model_and_one_that_does_not_answer_are_refused(tiny_lm, tmp_path):
    with tiny_lm.steered([Edit(0, np.array([1]), gain=2.0)]), pytest.raises(EditError, match="is steered at this"):
        esn.verify(tiny_lm)
    with pytest.raises(ModelError, match="does not answer questions"):
        verified(load(BUILDERS["csm"](tmp_path / "csm")))


def test_a_result_is_saved_drawn_and_told(tmp_path: Path):
    result = made_up("passed", "failed", "skipped")
    result.save(tmp_path / "v.json")
    again = Verification.load(tmp_path / "v.json")
    assert again.to_dict() == result.to_dict()
    assert np.isnan(again.checks[2].figure)
    assert again.summary() == (
        "made up (none, 2 layers, 1,024 gates, bfloat16 on cuda): 1 of 3 checks passed, 1 failed, 1 skipped."
    )
    assert again.to_frame()["outcome"].tolist() == ["passed", "failed", "skipped"]
    bars = {trace.name: list(trace.y) for trace in again.plot().data}
    assert bars == {"passed": ["check 0"], "failed": ["check 1"], "skipped": ["check 2"]}
    page = verification_page(again)
    assert "a &lt; b" in page
    assert "&lt;b&gt;" in page
    assert page.count('class="outcome failed"') == 1
    assert "bound ≤ 1e-05 (nats)" in page
    assert len(page) < 40_000


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, "0"), (float("inf"), "not finite"), (float("nan"), "–"), (4.06e-6, "4.1e-06")]
)
def test_figures_are_told_in_few_digits(value: float, told: str):
    assert number(value) == told


def test_a_failed_check_ends_in_exit_code_3_and_leaves_page_and_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(esn, "verify", lambda lm, **options: made_up("passed", "failed"))
    told = run_esn("verify", "toy-omni", "--out", tmp_path / "v.json")
    assert told.code == 3
    assert "failed: check 1: a < b" in told.out
    assert json.loads((tmp_path / "v.json").read_text())["checks"][1]["outcome"] == "failed"
    assert (tmp_path / "v.html").exists()


def test_differences_that_are_no_numbers_are_infinite():
    one, wide, lost = torch.zeros(2, 3), torch.zeros(2, 4), torch.full((2, 3), float("nan"))
    assert checks._apart([one], [one + 0.5]) == 0.5
    assert checks._apart([one], [wide]) == float("inf")
    assert checks._apart([one], [lost]) == float("inf")


def test_what_can_not_be_checked_is_skipped_with_its_reason(tiny_lm, monkeypatch, tmp_path):
    one = subject(tiny_lm)
    monkeypatch.setattr(checks, "label_tokens", lambda tokenizer, labels: [[1], [2, 3]])
    with pytest.raises(checks.Skip, match="labels of several tokens"):
        one.labels  # noqa: B018 (it is computed when it is asked for)
    one.bake = False
    with pytest.raises(checks.Skip, match="not asked for"):
        checks.bake(one)

    def refused() -> None:
        raise ModelError("no such weights")

    with pytest.raises(checks.Skip, match="no such weights"):
        checks._or_skip(refused)
    assert checks._no_copy(tiny_lm, tmp_path, 1e30) == "the disk has no room for a full copy"
    monkeypatch.setattr(checks, "_free", lambda device: 0.0)
    assert checks._no_copy(tiny_lm, tmp_path, 1.0) == "memory has no room for a second model"


def test_a_figure_shows_the_outcomes_that_there_are():
    assert len(made_up("passed", "passed").plot().data) == 1
    assert len(made_up("passed", "failed", "skipped").plot().data) == 3
