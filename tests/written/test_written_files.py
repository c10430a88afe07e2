"""Files that earlier versions wrote are read, to the numbers that those versions read from them."""

import importlib
import importlib.metadata
import json
import pkgutil
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import planted_study
import pytest
from command_line import esn as run_esn
from planted_demo import StudiedListener
from puppet_model import Puppet
from safetensors import safe_open

import esn_interp as esn
from esn_interp.errors import EsnWarning, StatisticsError
from esn_interp.neurons.resampling import subset
from esn_interp.speech.heard import Heard
from esn_interp.speech.identified import Identified
from esn_interp.speech.splits import Assignment
from esn_interp.studies.conversion.sounds import Sounds
from esn_interp.studies.whole import load_study

pytestmark = pytest.mark.filterwarnings("ignore:.*sound not verified")

HERE = Path(__file__).parent / "0.1"
HEADER = ("kind", "version", "package_version")


def files(*folders: str, suffix: str) -> list[Any]:
    """The files of some folders, as parameters of a test; not those that are read by a study, or tell of others."""
    found = [path for folder in folders for path in sorted((HERE / folder).rglob(f"*{suffix}"))]
    others = (".facts.json", ".failed.json", "results.json", "partial.safetensors")
    kept = [path for path in found if not path.name.endswith(others)]
    assert kept
    return [pytest.param(path, id=str(path.relative_to(HERE))) for path in kept]


def facts(path: Path) -> dict[str, Any]:
    return json.loads(path.with_name(f"{path.stem}.facts.json").read_text(encoding="utf-8"))


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(str(path), framework="numpy") as file:
        return json.loads(file.metadata()["esn"])


def statistics(name: str) -> esn.GateStatistics:
    return esn.GateStatistics.load(HERE / "statistics" / f"{name}.safetensors")


def same(found: Any, told: Any, where: str, *, rounding: float = 0.0) -> None:
    """Whether what was loaded is what is written; ``rounding`` is for what was computed from it anew."""
    if told is None:
        assert found is None or np.isnan(found), where
    elif isinstance(told, dict) and isinstance(found, np.ndarray):
        assert list(found.shape) == told["shape"], where  # without elements
    elif isinstance(told, dict):
        held = found if isinstance(found, Mapping) else {name: getattr(found, name) for name in told}
        held = {str(key): value for key, value in held.items()}
        for name, value in told.items():
            same(held[name], value, f"{where}.{name}", rounding=rounding)
    elif isinstance(told, list):
        assert len(found) == len(told), where
        for at, (one, other) in enumerate(zip(found, told, strict=True)):
            same(one, other, f"{where}[{at}]", rounding=rounding)
    elif isinstance(told, float):
        assert found == pytest.approx(told, rel=rounding, abs=rounding), where
    elif isinstance(told, str) and (".notes[" in where or ".check[" in where):
        assert found.startswith(told), where  # more may be said of it by now
    else:
        assert found == told, where


def result_kinds() -> dict[str, Any]:
    """Every class of results of the package, by the kind that its files name."""
    for module in pkgutil.walk_packages(esn.__path__, "esn_interp."):
        if "triton" not in module.name:  # nothing that is written down, and not everywhere
            importlib.import_module(module.name)
    (base,) = (parent for parent in esn.Ablation.__mro__ if parent.__name__ == "Result")

    def below(parent: Any) -> Iterator[Any]:
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    return {found.kind: found for found in below(base)}


@pytest.fixture(scope="module")
def kinds() -> dict[str, Any]:
    return result_kinds()


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studies name their recordings from here."""
    monkeypatch.chdir(HERE)


# ---------------------------------------------------------------- single files


@pytest.mark.parametrize("path", files("analyses", "demo", "recognition", "conversion", suffix=".json"))
def test_a_result_is_read_in_every_field_and_written_alike(path: Path, kinds: dict[str, Any], tmp_path: Path):
    content = json.loads(path.read_text(encoding="utf-8"))
    loaded = kinds[content["kind"]].load(path)
    written = {name: value for name, value in content.items() if name not in HEADER}
    assert written
    same(loaded, written, path.stem)
    loaded.save(tmp_path / "again.json")
    same(type(loaded).load(tmp_path / "again.json"), written, path.stem)


@pytest.mark.parametrize("path", files("analyses", suffix=".json"))
def test_a_result_makes_the_table_and_the_figure_that_it_made(path: Path, kinds: dict[str, Any]):
    told = facts(path)
    loaded = kinds[told["kind"]].load(path)
    same(loaded, told["properties"], path.stem, rounding=1e-9)
    if "frame" in told:
        frame = loaded.to_frame()
        same({name: frame[name].tolist() for name in told["frame"]}, told["frame"], path.stem, rounding=1e-9)
    if "summary" in told:
        assert loaded.summary()
        assert loaded.plot().data


@pytest.mark.parametrize("path", files("statistics", "collecting", suffix=".safetensors"))
def test_statistics_are_read_with_every_sum(path: Path):
    told, loaded = facts(path), esn.GateStatistics.load(path)
    names = ("origin", "emotions", "scopes", "prompt", "success", "seed", "kept", "seen", "skipped", "tokens")
    same(loaded, {name: told[name] for name in names}, path.stem)
    assert set(loaded.sums) >= set(told["sums"])
    # Added up in another order by another numpy, sums differ in their last bits.
    same({name: loaded.sums[name].sum(axis=1) for name in told["sums"]}, told["sums"], path.stem, rounding=1e-9)
    same({name: loaded.sums[name].sum(axis=0) for name in told["gates"]}, told["gates"], path.stem)
    single, its = loaded.per_clip, told["per_clip"]
    assert (single is None) == (its is None)
    if single is not None:
        same(single, {name: its[name] for name in ("ids", "speakers", "emotion", "kept", "tokens")}, path.stem)
        same({name: single.sums[name].sum(axis=1) for name in its["sums"]}, its["sums"], path.stem, rounding=1e-9)


def test_merged_and_divided_statistics_still_add_up():
    dense, merged, whole, part = map(statistics, ("dense", "merged", "per_clip", "subset"))
    assert merged.corpus == "one+other"
    with pytest.raises(StatisticsError, match=r"can't be merged: sound not verified: .*; collect anew"):
        esn.merge([dense, merged])
    np.testing.assert_array_equal(esn.merge([dense]).clips, dense.clips)
    assert part.per_clip is not None
    again = subset(whole, list(part.per_clip.ids))
    for name, values in part.sums.items():
        np.testing.assert_array_equal(again.sums[name], values)


@pytest.mark.parametrize("path", files("neurons", suffix=".safetensors"))
def test_neurons_are_read_with_their_origin(path: Path):
    told, loaded = facts(path), esn.NeuronSet.load(path)
    same(loaded, {name: told[name] for name in ("origin", "emotions", "selector", "parameters")}, path.stem)
    assert len(loaded) == sum(len(one["flat"]) for one in told["members"].values())
    for emotion, members in told["members"].items():
        same(loaded[emotion], members, f"{path.stem} {emotion}")


@pytest.mark.parametrize("name", ["lap", "lape", "mad", "cas", "random"])
def test_a_selector_still_finds_what_it_found(name: str):
    """For the one that draws, this says that a seed means what it meant."""
    found = esn.NeuronSet.load(HERE / "neurons" / f"{name}.safetensors")
    stats = statistics("two_emotions" if name == "cas" else "dense")
    again = esn.select(stats, name, top=0.25, scope="all", filter="none", seed=4)
    assert len(found)
    assert again.emotions == found.emotions
    np.testing.assert_array_equal(again.flat, found.flat)
    np.testing.assert_allclose(again.score, found.score, rtol=1e-6)


# ---------------------------------------------------------------- work that was cut off


def test_a_collection_that_was_cut_off_is_not_gone_on_with_since_its_sound_is_not_known(tmp_path: Path):
    clips = esn.corpus(HERE / "corpora" / "north").where(
        speaker=["s0", "s1", "s2", "s3"], emotion=["happy", "angry"]
    )
    checkpoint = tmp_path / "partial.safetensors"
    shutil.copy(HERE / "collecting" / "partial.safetensors", checkpoint)
    lm = StudiedListener()
    with pytest.raises(StatisticsError, match=r"partial.safetensors: the collection can't be resumed: sound not veri"):
        esn.collect(lm, clips, batch_size=2, per_clip=True, checkpoint=checkpoint, resume=True, progress=False)
    assert lm.encoded == []
    assert checkpoint.read_bytes() == (HERE / "collecting" / "partial.safetensors").read_bytes()


@pytest.mark.filterwarnings("error")
def test_statistics_whose_sound_is_not_known_say_so(tmp_path: Path):
    shutil.copy(HERE / "statistics" / "dense.safetensors", tmp_path / "one.safetensors")
    with pytest.warns(EsnWarning, match=r"one\.safetensors: one: sound not verified") as told:
        loaded = esn.GateStatistics.load(tmp_path / "one.safetensors")
    assert len(told) == 1
    assert loaded.origin.identity == "labels"
    chosen = esn.select(loaded, "mad", top=0.25, filter="none")
    chosen.save(tmp_path / "esns.safetensors")
    assert esn.NeuronSet.load(tmp_path / "esns.safetensors").origin.identity == "labels"


def by_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if recordings were still known by their labels: to see that all else of a file is understood."""
    monkeypatch.setattr(Identified, "fingerprint", Identified.labels_fingerprint)


@pytest.mark.parametrize("name", ["plain", "steered"])
def test_a_run_of_conversions_is_read_and_nothing_is_said_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def silence(request: str, seed: int) -> Any:
        raise AssertionError("what is there is not said again")

    shutil.copytree(HERE / "conversions" / name, tmp_path / "run")
    steered = esn.NeuronSet.load(HERE / "neurons" / "generated.safetensors")
    options: dict[str, Any] = {"gates": True}
    if name == "steered":
        manner = esn.Manner(greedy=True, max_seconds=5.0)
        options = {"edits_for": lambda to: esn.edits.steer(steered[to], 2.0), "manner": manner, "seed": 3}
    clips = esn.corpus(HERE / "corpora" / "north").where(id=["s2-neutral", "s3-angry", "s6-happy"])
    options |= {"store": tmp_path / "run", "resume": True, "progress": False}
    with pytest.raises(esn.EsnError, match=r"run: can't be resumed: sound not verified: .*; name another folder"):
        esn.conversions(Puppet(silence), clips, ("happy", "sad"), **options)
    by_labels(monkeypatch)
    run = esn.conversions(Puppet(silence), clips, ("happy", "sad"), **options)
    told = facts(HERE / "conversions" / name)
    assert len(run) == len(told["conversions"]) > 0
    assert run.problems == told["problems"]
    for one, its in zip(run.conversions, told["conversions"], strict=True):
        sound = {"samples": len(one.waveform), "sound": float(np.abs(one.waveform.astype(np.float64)).sum())}
        same({**vars(one), **sound}, its, one.id, rounding=1e-9)
    assert (run.reductions is None) == (told["gates"] is None)
    for sums, its in zip(run.reductions or (), told["gates"] or (), strict=True):
        assert (sums is None) == (its is None)
        if sums is not None:
            same({at: values.sum(axis=1) for at, values in sums.sums.items()}, its, name, rounding=1e-9)


# ---------------------------------------------------------------- listeners and speakers


def test_pairs_and_answers_of_listeners_are_read(tmp_path: Path):
    told = facts(HERE / "listening")
    page = esn.listening_page(HERE / "listening", tmp_path / "page.html")
    assert (page.pairs, page.checks) == (told["pairs"], told["checks"])
    assert page.path.stat().st_size == page.bytes > 10_000
    scored = esn.preference(*sorted((HERE / "listening").glob("*.csv")))
    written = json.loads((HERE / "analyses" / "preference.json").read_text(encoding="utf-8"))
    numbers = {name: written[name] for name in ("conditions", "emotions", "listeners", "comparisons", "left")}
    same(scored, numbers, "preference", rounding=1e-9)


def test_an_assignment_of_speakers_and_what_a_model_has_heard_are_read():
    told = facts(HERE / "splits" / "split.json")
    read = Assignment.load(HERE / "splits" / "split.json")
    counts = told.pop("counts")
    same(read, {name: value for name, value in told.items() if name != "kind"}, "split")
    assert read.counts() == counts
    parts = esn.corpus(HERE / "corpora" / "north").divide(read)
    assert [len(part) for part in parts] == list(counts.values())
    assert Heard.beside(HERE / "splits").speakers == facts(HERE / "splits" / "heard.json")["speakers"]


# ---------------------------------------------------------------- studies


@pytest.mark.parametrize("path", files("demo", "recognition", "conversion", suffix=".safetensors"))
def test_what_the_stages_of_a_study_keep_is_read(path: Path):
    kind = header_of(path)["kind"]
    if kind == "conversion sounds":
        sounds = Sounds.load(path).of
        assert len(sounds) == len(header_of(path)["sounds"]) > 0
        assert all(len(speech.waveform) for speech in sounds.values() if speech.problem is None)
    else:
        loaded = {"statistics": esn.GateStatistics, "neurons": esn.NeuronSet}[kind].load(path)
        assert loaded.n_gates == 54
        assert loaded.corpus in ("north", "south")


def test_the_report_of_a_demo_is_written_from_its_files(tmp_path: Path):
    folder = tmp_path / "demo"
    shutil.copytree(HERE / "demo", folder)
    told = run_esn("report", folder)
    assert told.code == 0, told.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert f"{100 * content['summary']['uar']:.1f}" in page
    assert page.count("data:audio/wav;base64,") >= len(content["emotions"])


@pytest.mark.parametrize(("name", "figures", "sounds"), [("recognition", 12, 0), ("conversion", 5, 6)])
def test_the_report_of_a_study_is_written_from_its_files(name: str, figures: int, sounds: int, tmp_path: Path):
    """Neither its model nor its recordings are at hand; what `results.json` does not name is found by its numbers."""
    folder = tmp_path / name
    shutil.copytree(HERE / name, folder)
    told = run_esn("report", folder)
    assert told.code == 0, told.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data-figure=") == figures
    assert page.count("data:audio/wav;base64,") >= sounds


def test_a_finished_study_of_an_earlier_release_is_told_kept_and_done_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its recordings were known by names and labels alone, so nothing of it can be gone on with."""
    folder = tmp_path / "study"
    shutil.copytree(HERE / "recognition", folder)
    stored = {path: path.read_bytes() for path in (folder / "stages").rglob("*") if path.is_file()}
    assert load_study(folder).summary()
    planted_study.planted_world(monkeypatch)
    told: list[str] = []
    planted_study.run(folder, told, stages=["baseline"])
    assert told[0].startswith(f"an earlier release did {len(stored)} tasks here, without knowing the recordings by")
    assert {path: path.read_bytes() for path in stored} == stored
    again: list[str] = []
    planted_study.run(folder, again, stages=["baseline"])
    assert not any("earlier release" in line for line in again)
