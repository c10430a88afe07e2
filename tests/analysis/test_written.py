"""A saved result of any analysis is read by what it says it is."""

import json
from pathlib import Path

import pytest

from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.grounding.result import Grounding
from esn_interp.analysis.result import Result
from esn_interp.analysis.written import load_result, results
from esn_interp.errors import EsnError

WRITTEN = Path(__file__).parent.parent / "written" / "0.1" / "analyses"


def test_each_stored_analysis_is_read_as_its_own_class():
    stored = sorted(path for path in WRITTEN.glob("*.json") if ".facts" not in path.name)
    assert len(stored) > 10
    for path in stored:
        kind = json.loads(path.read_text())["kind"]
        result = load_result(path)
        assert isinstance(result, Result)
        assert result.kind == kind
        assert type(result) is results()[kind]


def test_the_classes_are_those_of_the_analyses():
    assert results()["dose_response"] is DoseResponse
    assert results()["grounding"] is Grounding


def test_another_file_is_named(tmp_path: Path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"kind": "recipe", "version": 1}))
    with pytest.raises(EsnError, match=r"other\.json"):
        load_result(other)
