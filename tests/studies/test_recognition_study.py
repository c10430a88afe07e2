"""A study of several models and corpora: what it finds, what it keeps, and how it goes on after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import planted_study
import pytest
from planted_study import STAGES, run

from esn_interp.errors import EsnError
from esn_interp.studies.cache import Store
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.whole import load_study, report

pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")


@pytest.fixture(autouse=True)
def planted_world(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_study.planted_world(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        planted_study.planted_world(patch)
        run(folder)
    return folder


def results(folder: Path) -> str:
    """The results file without the date."""
    content = json.loads((folder / "results.json").read_text())
    del content["date"]
    return json.dumps(content)


def test_the_planted_neurons_are_found_and_proved(finished: Path):
    content = json.loads((finished / "results.json").read_text())
    assert content["not_done"] == []
    assert [cell["corpus"] for cell in content["cells"]] == ["north", "south"]
    for cell in content["cells"]:
        assert cell["baseline"]["uar"]["value"] == 1
        assert cell["chosen"] == {"selector": "mad", "top": 0.075}
        assert cell["ablation"]["self"]["value"] < -0.9
        assert cell["ablation"]["random"]["value"] == pytest.approx(0, abs=0.05)
        assert cell["steering"]["flip_rate"]["value"] > 0.9
        assert cell["clips"]["evaluation"] == {"clips": 30, "speakers": 6}
    assert "overlap" in content["pairs"][0]
    assert "transfer" in content["pairs"][0]


def test_a_second_run_finds_everything(finished: Path):
    told: list[str] = []
    before = results(finished)
    run(finished, told)
    # all but the report, which is always written anew
    assert sum("already there" in line for line in told) == sum(line.startswith("[") for line in told) - 1
    assert results(finished) == before


@pytest.mark.parametrize(
    ("changed", "rerun"),
    [
        ({"alphas": [0, 2, 4]}, {"dose"}),
        ({"transfer_alpha": 2}, {"transfer"}),
        ({"draws": 3}, {"ablate", "dose", "transfer"}),
        ({"validation_draws": 2}, {"select"}),
    ],
)
def test_a_changed_setting_reruns_what_depends_on_it(finished: Path, tmp_path: Path, changed, rerun):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    done: set[str] = set()
    fetch = Store.fetch

    def watched(self, stage, *arguments, **options):
        before = len(self.done)
        try:
            return fetch(self, stage, *arguments, **options)
        finally:
            done.update(self.done[before:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "fetch", watched)
        run(folder, **changed)
    assert done == rerun


class Killed(BaseException):
    """Nothing of ours catches this, as nothing catches a kill."""


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "report"])
def test_a_study_that_is_cut_off_in_any_stage_goes_on_to_the_same_results(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage
):
    fetch, scores = Store.fetch, planted_study.StudiedListener.scores
    inside, calls = [False], [0]

    def watched(self, name, key, make, load, **options):
        def cut():
            inside[0] = name == stage
            made = make()
            if inside[0]:
                raise Killed  # finished, but not yet written
            return made

        return fetch(self, name, key, cut, load, **options)

    def counted(self, *arguments, **options):
        if inside[0]:
            calls[0] += 1
            if calls[0] == 3:
                raise Killed
        return scores(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fetch", watched)
        patch.setattr(planted_study.StudiedListener, "scores", counted)
        with pytest.raises(Killed):
            run(tmp_path)
    assert not (tmp_path / "results.json").exists()
    run(tmp_path)
    assert results(tmp_path) == results(finished)


@pytest.mark.long
def test_a_killed_process_loses_nothing_that_was_written(finished: Path, tmp_path: Path):
    script = (
        "import sys; sys.path[:0] = ['tests/support', 'tools']\n"
        "import os, signal, planted_study, pytest\n"
        "patch = pytest.MonkeyPatch(); planted_study.planted_world(patch)\n"
        "from esn_interp.studies.recognition import cell\n"
        "load = cell.collect\n"
        "def collect(*a, **k):\n"
        "    from esn_interp.neurons.accumulator import Accumulator as A\n"
        "    fold, n = A.fold, [0]\n"
        "    def killing(self, *x, **y):\n"
        "        n[0] += 1\n"
        "        if n[0] == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return fold(self, *x, **y)\n"
        "    A.fold = killing\n"
        "    return load(*a, **{**k, 'checkpoint_every': 1})\n"
        "cell.collect = collect\n"
        f"planted_study.run({str(tmp_path)!r})\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("stages/collect/*.partial.safetensors"))
    run(tmp_path)
    assert results(tmp_path) == results(finished)
    assert not list(tmp_path.glob("stages/collect/*.partial.safetensors"))


def test_what_can_not_be_done_is_said_and_the_rest_goes_on(tmp_path: Path):
    content = run(tmp_path, tops=[1.0], selectors=["lap"])
    reasons = {one["stage"]: one["reason"] for one in content["not_done"]}
    assert "baseline" not in reasons
    assert "no setting leaves neurons" in reasons["ablate"]
    assert "baseline" in content["cells"][0]
    assert "ablation" not in content["cells"][0]
    assert (tmp_path / "report.html").exists()


def test_stages_that_are_not_asked_for_are_left_out(tmp_path: Path):
    content = run(tmp_path, stages=["baseline", "collect"])
    assert set(content["cells"][0]) >= {"baseline", "filter"}
    assert "ablation" not in content["cells"][0]
    assert not (tmp_path / "report.html").exists()
    assert {path.name for path in (tmp_path / "stages").iterdir() if path.is_dir()} == {"baseline", "collect"}


def test_a_limit_takes_fewer_clips_of_each_set(tmp_path: Path):
    content = run(tmp_path, corpora=[{"corpus": "north", "limit": 10}], stages=["baseline"])
    assert {part["clips"] for part in content["cells"][0]["clips"].values()} == {10}
    assert content["pairs"] == []


def test_a_task_that_fails_by_our_fault_is_not_remembered_as_done(tmp_path: Path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("the floor gave way")

    with monkeypatch.context() as patch:
        patch.setattr("esn_interp.studies.recognition.cell.ablation", broken)
        with pytest.raises(RuntimeError):
            run(tmp_path)
    assert not list(tmp_path.glob("stages/ablate/*"))
    assert "ablation" in run(tmp_path)["cells"][0]


def test_a_corpus_without_the_asked_emotions_is_refused(tmp_path: Path):
    with pytest.raises(EsnError, match="bored"):
        run(tmp_path, emotions=["bored", "surprised"])


def test_the_page_is_written_anew_from_the_files_alone(finished: Path, tmp_path: Path, monkeypatch):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    monkeypatch.setattr("esn_interp.studies.work.corpus", None)
    monkeypatch.setattr("esn_interp.studies.models.StudiedModel.lm", None)
    assert report(copy).read_bytes() == before


def test_results_of_an_earlier_version_are_found_by_their_numbers(finished: Path, tmp_path: Path):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    content = json.loads((copy / "results.json").read_text())
    named = load_study(copy).found
    for one in (*content["cells"], *content["pairs"]):
        del one["files"]
    (copy / "results.json").write_text(json.dumps(content), encoding="utf-8")
    sought = load_study(copy).found
    assert [(title, set(found)) for title, found in sought.items()] == [(t, set(found)) for t, found in named.items()]
    for title, found in named.items():
        for name, one in found.items():
            if hasattr(one, "to_dict"):
                assert sought[title][name].to_dict() == one.to_dict()
            else:
                assert (sought[title][name].flat == one.flat).all()


def test_a_study_is_loaded_again(finished: Path):
    done = load_study(finished)
    assert isinstance(done, RecognitionStudy)
    assert set(done.found) == {"planted on north", "planted on south", "north and south, planted"}
    assert done.ablation is not None
    assert done.comparison is not None
    assert done.doses is not None
    assert done.summary() == done.ablation.summary()
    assert done.to_frame().equals(done.ablation.to_frame())
    assert done.plot().data


def test_the_report_has_a_chapter_for_every_cell_and_pair(finished: Path):
    page = (finished / "report.html").read_text()
    for text in ("planted on north", "planted on south", "north and south, planted", "Carried over"):
        assert text in page
    assert "Where this comes from" in page
