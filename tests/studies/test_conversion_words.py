"""What the report of a study of conversions says where something is not there, and what the command line changes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import planted_speaker as planted
import pytest

from esn_interp.analysis.inference.significance import Interval
from esn_interp.cli.evc.study import _instead
from esn_interp.cli.shared.model_choice import ModelOptions
from esn_interp.errors import EsnError
from esn_interp.studies.conversion import chapters
from esn_interp.studies.conversion.config import SPEAKING
from esn_interp.studies.conversion.record import filter_verdict

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.02, 0.1, "The success filter helps"), (-0.1, -0.02, "it harms"), (-0.1, 0.1, "makes no clear difference")],
)
def test_the_filter_is_judged_by_its_interval(low: float, high: float, said: str):
    middle = (low + high) / 2
    sieve: Any = SimpleNamespace(change_of=lambda measure: Interval(middle, low, high, 8))
    told = filter_verdict(sieve)
    assert said in told
    assert f"reach {100 * middle:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] points of target accuracy" in told


def test_conversions_that_could_not_be_sampled_are_told_with_the_reason():
    undone = [
        {"stage": "sample", "of": "mine", "reason": "no voice"},
        {"stage": "sample", "of": "another", "reason": "no model"},
        {"stage": "evaluate", "of": "mine", "reason": "no judge"},
    ]
    told = chapters._sample({"not_done": undone}, {"sample": None, "title": "mine"})
    assert told == ["The model’s own conversions could not be sampled: no voice"]


def test_where_nothing_went_wrong_or_nothing_was_done_it_says_so():
    none: Any = SimpleNamespace(problems=(), voices="unseen")
    (told,) = chapters._problems(none, None)
    assert "none was refused, empty, cut off or without sound" in told
    (told,) = chapters._problems(None, None)
    assert told.startswith("No conversion was evaluated")
    (told,) = chapters._filter({}, None, none)
    assert told == "Neurons were not compared with those found without the success filter."


def test_voices_whose_length_is_not_known_have_no_prosody():
    unknown: Any = SimpleNamespace(of=lambda measure: Interval(np.nan, np.nan, np.nan, 0))
    assert chapters._prosody(unknown) == []


def test_a_folder_without_pairs_plays_none(tmp_path: Any):
    assert chapters._paired(tmp_path) == []


def changed(*, model: str | None = None, corpus: str | None = None, workers: int | None = None, **more: Any) -> Any:
    choice: Any = SimpleNamespace(roots=more.get("roots", {}), seed=more.get("seed"))
    return _instead(planted.config(), model, more.get("options", ModelOptions()), corpus, workers, choice)


def test_the_command_line_takes_the_place_of_what_the_config_says():
    assert changed() == {}
    assert changed(workers=3, seed=7) == {"workers": 3, "seeds": (7,)}
    (model,) = changed(model="toy-omni")["models"]
    assert (model.model, model.component) == ("toy-omni", SPEAKING)
    options = ModelOptions(dtype="bfloat16")
    assert {one.dtype for one in changed(options=options)["models"]} == {"bfloat16"}
    (corpus,) = changed(corpus="emodb", roots={"emodb": "/data"})["corpora"]
    assert (corpus.corpus, str(corpus.root)) == ("emodb", "/data")
    with pytest.raises(EsnError, match="no corpus 'iemocap' in this study to give a root; there is emodb"):
        changed(corpus="emodb", roots={"iemocap": "/data"})
