"""Whatever a file says, its reader gives what it holds or an EsnError: never anything else.

Entries are exchanged at any depth for anything that JSON can say, by hypothesis; `tools/fuzz_readers.py` tries bytes.
"""

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_gates import heard_clips, statistics_of
from malformed_cases import ANSWERS, CONFIG, PAIRS, RESULTS, TABLE, WRITTEN

from esn_interp.analysis.listening.answers import read_answers
from esn_interp.analysis.listening.pairs import read_pairs
from esn_interp.analysis.written import load_result
from esn_interp.errors import EsnError
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.corpora.tables import lines_of_json, text_table
from esn_interp.speech.heard import Heard
from esn_interp.speech.splits import Assignment
from esn_interp.studies.config import load_config
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.whole import load_study

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.errors.EsnWarning")


def exchanged(content: Any, data: st.DataObject) -> Any:
    """A copy with one to three places, at any depth, gone or holding something else."""
    content = copy.deepcopy(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = content
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not len(keys):
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and len(place[key]) and data.draw(st.booleans()):
                place = place[key]
            elif data.draw(st.booleans()):
                place[key] = data.draw(ANYTHING)
                break
            else:
                del place[key]
                break
    return content


def only_says(read: Callable[[], object]) -> None:
    try:
        read()
    except EsnError as error:
        assert str(error).strip()  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


def in_a_file(name: str, content: Any, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        only_says(lambda: read(path))


@FEW
@given(st.data())
def test_statistics(data: st.DataObject):
    stats = statistics_of(heard_clips(4), per_clip=True)
    header = exchanged(json.loads(json.dumps(stats.header())), data)
    header["version"] = 3  # of another version it would be refused before
    only_says(lambda: GateStatistics.from_file(stats.arrays(), header, where="made.safetensors"))


@FEW
@given(st.data())
def test_results(data: st.DataObject):
    content = json.loads(data.draw(st.sampled_from(RESULTS)).read_bytes())
    in_a_file("made.json", exchanged(content, data), load_result)


@FEW
@given(st.data())
def test_studies(data: st.DataObject):
    content = json.loads((WRITTEN / "demo" / "results.json").read_bytes())

    def read(path: Path) -> object:
        for name in ("ablation.json", "dose.json", "esns.safetensors", "clips"):
            (path.parent / name).symlink_to(WRITTEN / "demo" / name)
        return load_study(path.parent)

    in_a_file("results.json", exchanged(content, data), read)


@FEW
@given(st.data())
def test_assignments_and_what_was_heard(data: st.DataObject):
    split = json.loads((WRITTEN / "splits" / "split.json").read_bytes())
    in_a_file("split.json", exchanged(split, data), Assignment.load)
    heard = {"kind": "heard", "version": 1, "speakers": {"training": {"one": ["ada"]}}, "sentences": ["words"]}
    in_a_file("heard.json", exchanged(heard, data), lambda path: Heard.beside(path.parent))


@FEW
@given(st.data())
def test_configs(data: st.DataObject):
    more = {"alphas": [1, 2], "corpora": [{"corpus": "toy-studio", "split": {"by": "speaker"}}]}
    told = yaml.safe_load(CONFIG) | more
    text = yaml.safe_dump(exchanged(told, data), allow_unicode=True).encode("utf-8", "replace")
    in_a_file("config.yaml", text, lambda path: load_config(path, kind=RecognitionConfig))


@FEW
@given(st.data(), st.sampled_from([TABLE, PAIRS, ANSWERS]))
def test_texts(data: st.DataObject, whole: bytes):
    """Bytes put in, or taken out, anywhere."""
    at, length = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 40))
    content = whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + length :]
    for name, read in {
        "clips.csv": lambda path: text_table(path, "made"),
        "clips.jsonl": lambda path: lines_of_json(path, "made"),
        "answers.csv": lambda path: read_answers([path]),
        "pairs.jsonl": lambda path: read_pairs(path.parent),
    }.items():
        in_a_file(name, content, read)
