"""Every command does what it says, prints one JSON object when asked, and keeps its remarks off stdout."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import esn, write_clips
from tiny_omni import save_tiny

from esn_interp.cli.collect import Site
from esn_interp.cli.shared import ModelOptions
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.sites import NEURON_SITES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.studies.recognition.article.record import SUMMARY

KINDS = {"ablate": "ablation", "dose": "dose_response", "inject": "injection"}
EXECUTABLE = Path(sys.executable).with_name("esn")


def test_collect_offers_every_site_with_neurons() -> None:
    assert tuple(site.value for site in Site) == NEURON_SITES


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), speakers=["anna", "bernd", "cleo"], takes=2)


@pytest.fixture(scope="module")
def statistics(model: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("statistics") / "stats.safetensors"
    assert esn("collect", "--model", model, "--corpus", clips, "--split", "all", "--out", out).code == 0
    return out


@pytest.fixture(scope="module")
def neurons(statistics: Path) -> Path:
    out = statistics.with_name("esns.safetensors")
    # A random model labels few clips correctly, so all of them are used.
    chosen = esn("select", statistics, "--selector", "mad", "--count", "5", "--filter", "none", "--out", out)
    assert chosen.code == 0, chosen.err
    return out


def test_collect_says_what_it_saw(model: Path, clips: Path, tmp_path: Path):
    out = tmp_path / "new" / "stats.safetensors"
    answer = esn(
        "collect", "--model", model, "--corpus", clips, "--split", "all", "--out", out, "--json", "--quiet"
    )
    assert answer.code == 0
    content, saved = answer.content, GateStatistics.load(out)
    assert content["seen"] == saved.seen == dict.fromkeys(saved.emotions, 6)
    assert content["kept"] == saved.kept
    assert content["accuracy"] == pytest.approx(sum(saved.kept.values()) / 30)
    assert [path.name for path in out.parent.iterdir()] == [out.name]  # the checkpoint is gone


def test_collect_takes_one_split_and_a_limit(model: Path, clips: Path, tmp_path: Path):
    out = tmp_path / "stats.safetensors"
    words = ("collect", "--model", model, "--corpus", clips, "--limit", "5", "--out", out, "--json")
    assert sum(esn(*words, "--split", "evaluation").content["seen"].values()) == 5


def test_collect_finds_its_batches_and_reads_ahead(model: Path, clips: Path, statistics: Path, tmp_path: Path):
    out = tmp_path / "stats.safetensors"
    words = ("collect", "--model", model, "--corpus", clips, "--split", "all", "--out", out, "--quiet")
    assert esn(*words, "--batch-size", "auto", "--workers", "2").code == 0
    found, usual = GateStatistics.load(out), GateStatistics.load(statistics)
    assert found.kept == usual.kept
    assert found.tokens["audio"].tolist() == usual.tokens["audio"].tolist()


def test_an_interrupted_collection_resumes_to_the_same_numbers(
    model: Path, clips: Path, statistics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, scores, calls = tmp_path / "stats.safetensors", AudioLM.scores, 0
    words = (
        "collect",
        "--model",
        model,
        "--corpus",
        clips,
        "--split",
        "all",
        "--batch-size",
        "1",
        "--out",
        out,
    )

    def interrupted(self, *args, **options):
        nonlocal calls
        calls += 1
        if calls == 25:
            raise KeyboardInterrupt
        return scores(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(AudioLM, "scores", interrupted)
        answer = esn(*words, "--quiet")
    assert (answer.code, answer.out, answer.err.splitlines()) == (130, "", ["esn: interrupted"])
    assert not out.exists()

    with monkeypatch.context() as patch:
        patch.setattr(AudioLM, "scores", interrupted)
        calls = 30  # so that only the calls of the second run are counted from here on
        assert esn(*words, "--resume").code == 0
    assert calls == 30 + 10  # 20 of the 30 clips were checkpointed
    whole, resumed = GateStatistics.load(statistics), GateStatistics.load(out)
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(resumed.arrays()[name], array, rtol=1e-4, atol=1e-4)
    assert resumed.kept == whole.kept


def test_merge_adds_shards(model: Path, tmp_path: Path):
    shards = []
    for speaker in ("anna", "bernd"):
        corpus = write_clips(tmp_path / speaker, speakers=[speaker])
        shards.append(tmp_path / f"{speaker}.safetensors")
        words = ("collect", "--model", model, "--corpus", corpus, "--split", "all", "--out", shards[-1])
        assert esn(*words).code == 0
    out = tmp_path / "both.safetensors"
    answer = esn("merge", *shards, "--out", out, "--json")
    assert answer.content["corpus"] == "anna+bernd"
    both, parts = GateStatistics.load(out), [GateStatistics.load(shard) for shard in shards]
    np.testing.assert_array_equal(both.clips, parts[0].clips + parts[1].clips)
    np.testing.assert_array_equal(both.tokens["audio"], parts[0].tokens["audio"] + parts[1].tokens["audio"])


def test_select_writes_a_set_that_says_how_it_was_made(statistics: Path, tmp_path: Path):
    out = tmp_path / "esns.safetensors"
    words = (
        "--selector",
        "cas",
        "--top",
        "0.1",
        "--scope",
        "audio,last",
        "--pooling",
        "token",
        "--filter",
        "none",
    )
    answer = esn("select", statistics, *words, "--per-layer", "--out", out, "--json")
    assert answer.code == 0, answer.err
    saved = NeuronSet.load(out)
    assert answer.content["neurons"] == dict(
        zip(saved.emotions, saved.counts().sum(axis=1).tolist(), strict=True)
    )
    wanted = {"top": 0.1, "scope": "audio,last", "pooling": "token", "filter": "none", "per_layer": True}
    assert wanted.items() <= saved.parameters.items()
    assert max(saved.counts().max(axis=0)) <= round(0.1 * 24)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("ablate", ()),
        ("dose", ("--alphas=-1,0,8",)),
        ("dose", ("--scopes", "audio,all", "--alpha", "8")),
        ("dose", ("--bands", "0-1,2-2")),
        ("inject", ("--alphas", "1,4", "--methods", "union,mix")),
    ],
)
def test_analyses_write_the_result_and_a_figure_beside_it(
    command: str, options: tuple[str, ...], model: Path, clips: Path, neurons: Path, tmp_path: Path
):
    out = tmp_path / "result.json"
    words = [command, "--model", model, "--neurons", neurons, "--corpus", clips, "--out", out, *options]
    words += ["--split", "all", "--limit", "10", "--draws", "1"]
    assert "10 of 10 clips are among those that the neurons were found on" in esn(*words).refusal
    words.append("--allow-identification-clips")
    answer = esn(*words, "--json")
    assert answer.code == 0, answer.err
    content = answer.content
    assert content["out"] == str(out)
    assert content["result"]["kind"] == KINDS[command]
    assert content["result"]["emotions"] == list(NeuronSet.load(neurons).emotions)
    figure = (tmp_path / "result.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in figure
    assert content["result"]["kind"] in out.read_text(encoding="utf-8")
    plain = esn(*words, "--quiet")
    assert plain.err == ""
    assert content["summary"] in plain.out  # the same seed, the same numbers


def test_models_and_corpora_are_listed():
    models, corpora = esn("models", "--json").content, esn("corpora", "--json").content
    assert models["models"][0]["name"] == "toy-omni"
    assert {"toy-studio", "toy-phone", "emodb"} <= {corpus["name"] for corpus in corpora["corpora"]}
    assert "Qwen/Qwen2.5-Omni-7B" in esn("models").out
    assert "--root PATH" in esn("corpora").out


def test_a_model_tells_where_its_gates_are(model: Path):
    content = esn("models", str(model), "--json").content
    assert (content["layers"], content["gates"]) == (3, 72)
    (points,) = content["access_points"]
    assert (points["component"], points["first"], points["last"], points["gates"]) == ("thinker", 0, 2, 24)
    assert points["module"] == "model.language_model.layers.*.mlp.act_fn"
    assert "lm.layers[i].gate.output" in esn("models", str(model)).out


def test_a_family_tells_where_its_gates_are_without_a_checkpoint():
    content = esn("models", "qwen2.5-omni", "--json").content
    points = {point["component"]: point for point in content["access_points"]}
    assert points["thinker"]["module"] == "thinker.model.language_model.layers.*.mlp.act_fn"
    assert points["talker"]["module"] == "talker.model.layers.*.mlp.act_fn"
    assert points["thinker"]["shape"] == "[clip, token, 18944]"


@pytest.mark.usefixtures("planted_demo")
def test_demo_writes_the_study_and_prints_its_summary(tmp_path: Path):
    out = tmp_path / "demo"
    answer = esn("demo", "--out", out, "--json", "--seed", "3")
    assert answer.code == 0, answer.err
    assert tuple(answer.content["summary"]) == SUMMARY
    assert {"report.html", "results.json", "stats.safetensors", "esns.safetensors"} <= {
        p.name for p in out.iterdir()
    }
    assert "[1/8]" in answer.err

    report = out / "report.html"
    before = report.read_bytes()
    report.unlink()
    again = esn("report", out, "--json")
    assert again.content == {"report": str(report), "bytes": len(before)}
    assert report.read_bytes() == before


def test_our_own_faults_say_where_to_report_them(monkeypatch: pytest.MonkeyPatch):
    def broken(options: ModelOptions, name: str, **more: bool) -> None:
        raise RuntimeError("the floor\ngave way")

    monkeypatch.setattr(ModelOptions, "load", broken)
    answer = esn("models", "toy-omni", environment={"ESN_DEBUG": "0"})
    (line,) = answer.err.splitlines()
    assert (answer.code, answer.out) == (1, "")
    assert "report" in line
    assert "RuntimeError: the floor gave way" in line
    assert "Traceback" in esn("models", "toy-omni", environment={"ESN_DEBUG": "1"}).err
    assert esn("models", "toy-omni", "--json").content["exit"] == 1


def test_the_executable_runs_the_same_commands(tmp_path: Path):
    done = subprocess.run([EXECUTABLE, "corpora", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == esn("corpora", "--json").out


def test_a_closed_pipe_is_not_an_error_to_talk_about():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [EXECUTABLE, "corpora"], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr == ""
