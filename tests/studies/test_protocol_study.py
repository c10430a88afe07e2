"""Studies by the authors' protocol: what they ask, what they say of it, and how one ends whose model guesses."""

import json
import re
from pathlib import Path

import numpy as np
import planted_study
import pytest
from planted_demo import StudiedListener
from planted_listener import EMOTIONS
from planted_study import run

from esn_interp.studies.config import load_config
from esn_interp.studies.models import StudiedModel
from esn_interp.studies.recognition.chance import AtChance
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.recognition.estimate import _passes
from esn_interp.studies.recognition.plan import RecognitionPlan
from esn_interp.studies.recognition.side_by_side import VERBS, SideBySide

pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")


class Lettered(StudiedListener):
    """Answers letters as well as words, each clip by its own prompt."""

    def encode(self, waveforms, prompt):
        heard = super().encode(waveforms, "")
        heard.__dict__["prompts"] = [prompt] * len(waveforms) if isinstance(prompt, str) else list(prompt)
        return heard

    def scores(self, encoded, labels, **options):
        words = super().scores(encoded, EMOTIONS, **options)
        if labels[0] != "A":
            return words[:, [EMOTIONS.index(label) for label in labels]]
        letters = np.zeros_like(words)
        for row, prompt in enumerate(encoded.prompts):
            for letter, emotion in re.findall(r"([A-E])\. (\w+)", prompt):
                letters[row, "ABCDE".index(letter)] = words[row, EMOTIONS.index(emotion)]
        return letters


class Guessing(Lettered):
    """Has no idea what a letter means."""

    def scores(self, encoded, labels, **options):
        found = super().scores(encoded, labels, **options)
        return found if labels[0] != "A" else np.roll(found * 0, 1) + np.arange(len(labels), dtype=np.float32) * -1


@pytest.fixture(autouse=True)
def planted_world(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_study.planted_world(monkeypatch)


def test_a_study_by_the_authors_protocol_tells_their_figures_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    listener = Lettered()
    monkeypatch.setattr(StudiedModel, "lm", property(lambda self: listener))
    stages = ["baseline", "collect", "select", "ablate", "protocols", "report"]
    content = run(tmp_path, protocol="authors", tops=[0.075], selectors=["mad"], alphas=[4], stages=stages)
    assert content["not_done"] == []
    assert content["settings"]["protocol"] == "authors"
    assert content["settings"]["scope"] == "audio,last"
    for cell in content["cells"]:
        assert cell["ablation"]["self"]["value"] < -0.9
        assert cell["figures"] == {
            "SE": cell["ablation"]["self"],
            "ACE": cell["ablation"]["cross"],
            "ESS": cell["ablation"]["specificity"],
        }
        rows = {(row["protocol"], row["verb"]): row for row in cell["protocols"]}
        assert set(rows) == {(p, v) for p in ("ours", "authors") for v in ("silenced", "turned up")}
        for name in ("ours", "authors"):  # what is planted hears emotions, not letters
            row = rows[name, "silenced"]
            assert row["ESS"]["value"] == pytest.approx(row["SE"]["value"] - row["ACE"]["value"])
            assert row["SE"]["value"] < -0.9
    page = (tmp_path / "report.html").read_text()
    assert "ESS" in page
    assert "Asked as each protocol asks" in page
    beside = SideBySide.load(tmp_path / content["cells"][0]["files"]["protocols"])
    frame = beside.to_frame().set_index(["protocol", "verb", "figure"])["value"]
    assert frame["authors", "silenced", "ESS"] == beside.specificity.value[1, 0]
    drawn = [trace for trace in beside.plot().data if trace.legendgroup == "authors"]
    for at, trace in enumerate(drawn):
        expected = [100 * frame["authors", VERBS[at], name] for name in ("SE", "ACE", "ESS")]
        np.testing.assert_allclose(trace.x, expected)
    assert json.loads((tmp_path / "results.json").read_text())["cells"] == content["cells"]


def test_what_silencing_takes_is_told_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Counting(Lettered):
        passes = 0

        def scores(self, encoded, labels, **options):
            Counting.passes += len(encoded)
            return super().scores(encoded, labels, **options)

    listener = Counting()
    monkeypatch.setattr(StudiedModel, "lm", property(lambda self: listener))
    stages = ["collect", "select", "ablate", "protocols"]
    tried = {"tops": [0.075], "selectors": ["mad"], "alphas": [4], "draws": 3, "relabellings": 2, "stages": stages}
    plan = RecognitionPlan(planted_study.config(protocol="authors", corpora=["north"], **tried), tmp_path)
    (cell,) = plan.cells
    told = {task.stage: _passes(task, cell) for task in plan.tasks()}
    assert len(cell.neurons.emotions) == len(EMOTIONS)
    for stage, result in (("ablate", "ablation"), ("protocols", "side_by_side")):
        before = Counting.passes
        getattr(cell, result)
        assert Counting.passes - before == told[stage], stage


def test_the_bundled_study_by_the_authors_protocol_is_one():
    found = load_config("authors-toy", kind=RecognitionConfig)
    told = found.how
    assert (told.name, found.scope, found.pooling) == ("authors", "audio,last", "token")
    assert (found.tops, found.draws) == ((0.005,), 5)
    assert found.identification_clips == told.identification_clips
    assert found.evaluation_clips is not None
    assert told.evaluation_clips is not None
    assert found.evaluation_clips <= told.evaluation_clips


def test_a_model_that_guesses_ends_the_study_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    listener = Guessing()
    monkeypatch.setattr(StudiedModel, "lm", property(lambda self: listener))
    with pytest.raises(AtChance, match=r"where guessing gives 20%: it was not taught to be asked so") as caught:
        run(tmp_path, protocol="authors", tops=[0.075])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results.json").exists()
    # Asked with words it knows very well; and where all clips count, nothing is said.
    assert run(tmp_path / "words", stages=["collect", "select"])["not_done"] == []
    corpora = [{"corpus": "north", "filter": "none"}]
    every = run(tmp_path / "all", protocol="authors", tops=[0.075], corpora=corpora, stages=["collect"])
    assert every["not_done"] == []
