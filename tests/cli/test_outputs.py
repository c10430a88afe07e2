"""What a command writes: onto no input, over nothing of somebody else's, by one run at a time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import esn, write_clips
from tiny_omni import save_tiny

from esn_interp.cli.shared.outputs import guarded, out_file
from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.report.page import POLICY
from esn_interp.speech.playable import Speech

SELECT = ("--selector", "mad", "--count", "5", "--filter", "none")


@pytest.fixture(scope="module")
def statistics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    save_tiny(folder / "model")
    write_clips(folder / "clips", speakers=["anna", "bernd", "cleo"])
    assert collect(folder, folder / "stats.safetensors").code == 0
    return folder / "stats.safetensors"


def collect(folder: Path, out: Path, *options: str):
    words = ("--model", folder / "model", "--corpus", folder / "clips", "--split", "all", "--out", out)
    return esn("collect", *words, "--quiet", *options)


@pytest.mark.parametrize("named", ["itself", "another way", "a link"])
def test_an_input_is_never_written_over(statistics: Path, tmp_path: Path, named: str) -> None:
    out = {
        "itself": statistics,
        "another way": statistics.parent / "clips" / ".." / statistics.name,
        "a link": tmp_path / "link.safetensors",
    }[named]
    if named == "a link":
        out.symlink_to(statistics)
    before = statistics.read_bytes()
    line = esn("select", statistics, *SELECT, "--out", out, "--overwrite").refusal
    assert "this is an input as well, and would be lost; name another file" in line
    assert statistics.read_bytes() == before


def test_nor_is_one_of_many(statistics: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(statistics.read_bytes())
    assert "input as well" in esn("merge", statistics, other, "--out", other).refusal
    assert other.read_bytes() == statistics.read_bytes()


def test_what_a_command_wrote_it_writes_again(statistics: Path, tmp_path: Path) -> None:
    out = tmp_path / "esns.safetensors"
    for count in ("5", "3"):
        assert esn("select", statistics, *SELECT, "--count", count, "--out", out).code == 0
    assert NeuronSet.load(out).counts().sum(axis=1).tolist() == [3] * 5


def test_another_kind_of_file_is_replaced_only_when_told(statistics: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    for content in (statistics.read_bytes(), b"notes of mine"):
        out.write_bytes(content)
        refused = esn("select", statistics, *SELECT, "--out", out).refusal
        assert "there is a file already, no neurons of esn; name another file, or say --overwrite" in refused
        assert out.read_bytes() == content
    assert esn("select", statistics, *SELECT, "--out", out, "--overwrite").code == 0
    assert len(NeuronSet.load(out))


def test_a_file_that_is_called_like_a_checkpoint_is_kept(statistics: Path, tmp_path: Path) -> None:
    mine = tmp_path / "x.partial.safetensors"
    mine.write_bytes(b"weights of mine")
    line = collect(statistics.parent, tmp_path / "x.safetensors", "--overwrite").refusal
    assert "x.partial.safetensors: there is a file already, no collection checkpoint of esn" in line
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_bytes() == b"weights of mine"


@pytest.mark.parametrize("content", ['{"my": "settings"}', "[1]", "not json"])
def test_json_of_somebody_else_is_kept(statistics: Path, tmp_path: Path, content: str) -> None:
    out = tmp_path / "layers.json"
    out.write_text(content, encoding="utf-8")
    neurons = tmp_path / "esns.safetensors"
    assert esn("select", statistics, *SELECT, "--out", neurons).code == 0
    assert "no layer_profile of esn; name another file" in esn("layers", neurons, "--out", out).refusal
    assert out.read_text(encoding="utf-8") == content
    assert esn("layers", neurons, "--out", out, "--overwrite").code == 0
    assert json.loads(out.read_text(encoding="utf-8"))["kind"] == "layer_profile"
    assert esn("layers", neurons, "--out", out).code == 0  # now it is ours
    assert POLICY in out.with_suffix(".html").read_text(encoding="utf-8")


def test_a_recording_is_told_from_speech_that_was_written(tmp_path: Path) -> None:
    wave = (0.5 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    soundfile.write(tmp_path / "recorded.wav", wave, 16_000)
    Speech(wave, 16_000, "hello").save(tmp_path / "said.wav")
    np.testing.assert_allclose(soundfile.read(tmp_path / "said.wav")[0], wave, atol=1e-4)
    with guarded({}):
        out_file(tmp_path / "said.wav", ".wav")
        with pytest.raises(EsnError, match="not one that esn wrote"):
            out_file(tmp_path / "recorded.wav", ".wav")


def test_a_result_of_another_kind_and_a_page_of_somebody_else_are_kept(statistics: Path, tmp_path: Path) -> None:
    neurons, out = tmp_path / "esns.safetensors", tmp_path / "r.json"
    assert esn("select", statistics, *SELECT, "--out", neurons).code == 0
    out.write_text('{"kind": "ablation", "version": 1}', encoding="utf-8")
    assert "no layer_profile of esn; name another file" in esn("layers", neurons, "--out", out).refusal
    out.unlink()
    for page in (out.with_suffix(".html"), out.with_suffix(".clusters.html")):
        page.write_text("<p>mine</p>", encoding="utf-8")
        assert f"{page.name}: there is a file already" in esn("layers", neurons, "--out", out).refusal
        assert [one.read_text() for one in tmp_path.glob("*.html")] == ["<p>mine</p>"]
        page.unlink()


def test_a_result_and_its_figures_are_written_together_or_not_at_all(
    statistics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neurons, out = tmp_path / "esns.safetensors", tmp_path / "out" / "r.json"
    assert esn("select", statistics, *SELECT, "--out", neurons).code == 0
    replace, seen = Path.write_bytes, []

    def full(self: Path, content: bytes) -> int:
        seen.append(self.suffix)
        if self.suffix == ".html":
            raise OSError(28, "No space left on device")
        return replace(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    line = esn("layers", neurons, "--out", out).refusal
    assert "r.html: can't be written: No space left on device" in line
    assert seen == [".json", ".html"]
    assert list(out.parent.iterdir()) == []


def test_every_analysis_says_which_kinds_it_writes() -> None:
    """And they are those of the results that there are."""
    import inspect

    import typer

    from esn_interp.analysis.result import Result
    from esn_interp.cli import app
    from esn_interp.cli.shared import Measured
    from esn_interp.cli.shared.outputs import WRITES

    measured = {
        command.callback.__wrapped__.__name__
        for command in app.registered_commands
        if any(
            isinstance(one.annotation, type) and issubclass(one.annotation, Measured)
            for one in inspect.signature(inspect.unwrap(command.callback)).parameters.values()
        )
    }
    assert isinstance(app, typer.Typer)
    assert len(measured) >= 12
    assert measured <= set(WRITES)
    kinds = {kind.kind for kind in _below(Result)}
    assert {kind for some in WRITES.values() for kind in some} <= kinds


def _below(kind: type) -> set[type]:
    import importlib
    import pkgutil

    from esn_interp import analysis

    for module in pkgutil.walk_packages(analysis.__path__, "esn_interp.analysis."):
        importlib.import_module(module.name)
    return {kind}.union(*map(_below_alone, kind.__subclasses__()))


def _below_alone(kind: type) -> set[type]:
    return {kind}.union(*map(_below_alone, kind.__subclasses__()))


# ---------------------------------------------------------------- folders


def test_a_folder_of_somebody_else_is_not_written_into(tmp_path: Path) -> None:
    from esn_interp.cli.shared.study_choice import study_folder

    mine = tmp_path / "mine"
    mine.mkdir()
    with guarded({}):
        study_folder(mine, "study")  # empty
    (mine / "results.json").write_text('{"kind": "my results"}', encoding="utf-8")
    for options in ({}, {"resume": True}):
        refused = pytest.raises(EsnError, match="holds other things than a study of esn; name a folder of its own")
        with guarded(options), refused:
            study_folder(mine, "study")
    with guarded({"overwrite": True}):
        study_folder(mine, "study")
    given = {"overwrite": True, "root": [str(mine)]}
    with guarded(given), pytest.raises(EsnError, match=r"an input as well \(--root\)"):
        study_folder(mine, "study")
    (tmp_path / "file").write_text("mine")
    with guarded({}), pytest.raises(EsnError, match="is a file, not a folder"):
        study_folder(tmp_path / "file", "study")


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        ({"results.json": '{"kind": "study", "version": 1}'}, True),
        ({"results.json": '{"kind": "conversion study", "version": 1}'}, False),
        ({"stages/study.json": '{"kind": "study folder", "version": 1, "of": ["study"]}'}, True),
        ({"stages/study.json": '{"kind": "study folder", "version": 1, "of": ["conversion study"]}'}, False),
        ({"stages/baseline/0123456789abcdef.json": "{}"}, True),  # cut off, of an earlier release
        ({"stages/notes.txt": "mine"}, False),
        ({"results.json": '{"kind": "study"}', "report.html": "<p>mine</p>"}, False),
        ({"results.json": '{"kind": "study"}', "report.html": "<p>Made by esn_interp</p>"}, True),
    ],
)
def test_a_study_is_written_over_by_the_command_that_wrote_it(
    tmp_path: Path, there: dict[str, str], ours: bool
) -> None:
    from esn_interp.cli.shared.study_choice import study_folder

    for name, content in there.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    with guarded({}):
        if ours:
            study_folder(tmp_path, "study")
        else:
            with pytest.raises(EsnError, match="say --overwrite"):
                study_folder(tmp_path, "study")


HOLDER = """
import sys
from pathlib import Path
from esn_interp.cli.shared.outputs import guarded, out_file
with guarded({}):
    out_file(Path(sys.argv[1]), ".json")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_do_not_share_a_file_and_the_dead_hold_none(tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with guarded({}), pytest.raises(EsnError, match=rf"another run is writing it \(process {other.pid}\)"):
            out_file(out, ".json")
        with guarded({}):
            out_file(tmp_path / "y.json", ".json")
    finally:
        other.kill()
        other.communicate()
    with guarded({}):
        out_file(out, ".json")
        out_file(out, ".json")  # a command may look twice
    assert list(tmp_path.iterdir()) == []
