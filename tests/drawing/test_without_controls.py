"""Figures and tables of results that lack a part show the rest: no random neurons where none were drawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esn_interp.analysis.written import load_result

WRITTEN = Path(__file__).parent.parent / "written" / "0.1" / "analyses"


def controls(result: Any) -> list[str]:
    return [trace.name for trace in result.plot().data if "random" in (trace.name or "")]


@pytest.mark.parametrize("name", ["injection", "redundancy"])
def test_random_neurons_are_drawn_only_where_there_were_some(name: str):
    result: Any = load_result(WRITTEN / f"{name}.json")
    assert result.draws > 0
    assert controls(result)
    assert controls(replace(result, draws=0)) == []


def test_nor_in_what_more_clips_bring():
    result: Any = load_result(WRITTEN / "efficiency-effects.json")
    assert controls(result)
    assert controls(replace(result, effects=replace(result.effects, draws=0))) == []


def test_costs_without_a_text_have_no_row_of_it():
    result: Any = load_result(WRITTEN / "side_effects.json")
    whole, without = result.to_frame(), replace(result, text=None).to_frame()
    assert set(whole["task"]) - set(without["task"]) == {"text"}
    assert len(without) == (whole["task"] != "text").sum()


def test_a_curve_without_a_half_says_why():
    result: Any = load_result(WRITTEN / "dose-alphas.json")
    none = replace(result.sigmoid, ec50=replace(result.sigmoid.ec50, value=np.nan), note="no EC50: it never turns")
    told = replace(result, sigmoid=none).summary()
    assert ", no EC50: it never turns" in told
    assert "half of the effect" not in told
