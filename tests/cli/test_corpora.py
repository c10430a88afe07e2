"""`esn corpora`, and what every command can be told of a corpus."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import esn, write_clips, write_wave
from miniature_corpora import LAYOUTS
from miniature_corpora.parts import tone, write
from tiny_omni import noise

from esn_interp.speech.corpora import CORPORA, corpus

SPEAKERS = ("anna", "bernd", "cleo", "dirk")
EMOTIONS = ("neutral", "happy", "angry")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(
        tmp_path_factory.mktemp("mine") / "clips", speakers=SPEAKERS, takes=2, emotions=EMOTIONS
    )


def test_the_list_names_every_corpus() -> None:
    text = esn("corpora").out
    for info in CORPORA.values():
        assert info.name in text
        assert info.title in text
    assert [row["name"] for row in esn("corpora", "--json").content["corpora"]] == list(CORPORA)


@pytest.mark.parametrize("name", CORPORA)
def test_one_corpus_is_told_in_full(name: str) -> None:
    info = CORPORA[name]
    text = esn("corpora", name).out
    for fact in (info.title, info.licence, info.download, info.layout, info.split):
        assert fact in text
    content = esn("corpora", name, "--json").content
    assert content["labels"] == dict(info.labels)
    assert content["counts"] == dict(info.counts)


def test_a_check_prints_and_writes_what_it_found(clips: Path, tmp_path: Path) -> None:
    page, split = tmp_path / "new" / "report.html", tmp_path / "split.json"
    words = ("corpora", "check", "--corpus", clips, "--out", page, "--split-out", split)
    told = esn(*words)
    assert told.code == 0
    assert "clips: 24 of 24 clips can be used, 0.0 hours by 4 speakers in 3 emotions" in told.out
    assert "split by speaker" in told.out
    assert "anna" in told.out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(split.read_text())["kind"] == "split"
    content = esn(*words, "--json").content
    assert content["check"]["balance"] == [[2, 2, 2]] * 4
    assert content["check"]["leaks"] == []
    assert content["out"] == str(page)


def test_a_check_lists_clips_that_cannot_be_used_and_goes_on(clips: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(clips, tmp_path / "clips"))
    write(there / "angry" / "anna" / "angry-anna-0.wav", "this is a letter")
    write_wave(there / "happy" / "cleo" / "happy-cleo-1.wav", np.zeros(8_000))
    told = esn("corpora", "check", "--corpus", there)
    assert told.code == 0
    assert "22 of 24 clips can be used" in told.out
    assert "clips that cannot be used: 1 not audio, 1 silent" in told.out
    assert "angry-anna-0  not audio that soundfile can read" in told.out


def test_the_same_recording_in_two_splits_ends_in_exit_code_2(clips: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(clips, tmp_path / "clips"))
    one = there / "angry" / "anna" / "angry-anna-0.wav"
    for speaker in SPEAKERS[1:]:  # one of them is in another split, whoever that is
        shutil.copy(one, there / "angry" / speaker / f"angry-{speaker}-0.wav")
    page = tmp_path / "leak.html"
    told = esn("corpora", "check", "--corpus", there, "--out", page)
    assert told.code == 2
    assert "in more than one split" in told.err.splitlines()[-1]
    assert "that is an error" in told.out
    assert "angry-anna-0 = " in page.read_text(encoding="utf-8")
    in_json = esn("corpora", "check", "--corpus", there, "--json")
    assert in_json.code == 2
    assert in_json.content["kind"] == "CorpusError"


def test_a_corpus_of_the_catalogue_is_checked_by_its_root(tmp_path: Path) -> None:
    LAYOUTS["ravdess"].build(tmp_path)
    content = esn(
        "corpora",
        "check",
        "--corpus",
        "ravdess",
        "--root",
        tmp_path,
        "--emotions",
        "anger,Calm,disgust",
        "--json",
    ).content
    assert list(content["check"]["emotions"]) == ["angry", "calm", "disgusted"]
    assert any("left out, emotions that were not chosen: 3 neutral" in note for note in content["notes"])
    assert any("found 12 of the 1,440 clips" in note for note in content["notes"])


def test_loudness_and_trimming_are_told(clips: Path) -> None:
    words = ("corpora", "check", "--corpus", clips, "--json")
    plain = esn(*words).content["check"]
    done = esn(*words, "--loudness", "-35", "--trim", "40").content["check"]
    assert plain["preparation"].startswith("as recorded")
    assert done["preparation"].endswith("loudness brought to -35 LUFS")
    assert done["fingerprint"] != plain["fingerprint"]
    assert np.mean(done["level"]) < np.mean(plain["level"]) - 5


def test_columns_labels_and_options_of_a_loader(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        tone(tmp_path / f"{name}.wav")
    table = write(
        tmp_path / "t.csv", "wav,mood,who\na.wav,Freude,x\nb.wav,Wut,x\nc.wav,Freude,y\nd.wav,Wut,z\n"
    )
    options = ("audio=wav", "emotion=mood", "speaker=who", "labels=Freude:happy,Wut:angry")
    words = [word for option in options for word in ("--corpus-option", option)]
    check = esn("corpora", "check", "--corpus", table, *words, "--json").content["check"]
    assert check["emotions"] == ["happy", "angry"]
    assert check["speakers"] == ["x", "y", "z"]
    LAYOUTS["esd"].build(tmp_path / "esd")
    told = esn(
        "corpora", "check", "--corpus", "esd", "--root", tmp_path / "esd", "--corpus-option", "partition=true"
    )
    assert "split by corpus" in told.out
    assert "speakers with clips in more than one split: 3" in told.out


def test_what_is_told_of_a_corpus_reaches_every_command(
    clips: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    split, stats = tmp_path / "split.json", tmp_path / "stats.safetensors"
    esn("corpora", "check", "--corpus", clips, "--split-out", split, "--seed", "3")
    _, identification, _ = corpus(clips).split(seed=3)
    words = [
        "collect",
        "--model",
        tiny_folder,
        "--corpus",
        clips,
        "--out",
        stats,
        "--split-by",
        split,
        "--json",
    ]
    seen = esn(*words, "--emotions", "happiness,anger").content["seen"]
    expected = identification.choose(["happy", "angry"])
    assert seen == {emotion: expected.column("emotion").count(emotion) for emotion in ("happy", "angry")}
    few = esn(*words[:-3], "--split-by", "sentence", "--identification", "1", "--json").content["seen"]
    assert few == {"neutral": 1, "happy": 1, "angry": 1}


def test_notes_on_a_corpus_go_to_stderr_unless_it_is_to_be_quiet(
    clips: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    words = [
        "collect",
        "--model",
        tiny_folder,
        "--corpus",
        clips,
        "--emotions",
        "happy,angry",
        "--limit",
        "2",
    ]
    words += ["--out", tmp_path / "stats.safetensors"]
    assert "esn: note: left out, emotions that were not chosen: 8 neutral" in esn(*words).err
    assert "not chosen" not in esn(*words, "--quiet").err


REFUSED: dict[str, tuple[Callable[[Path], list[str | Path]], tuple[str, ...]]] = {
    "no corpus to check": (lambda clips: ["corpora", "check"], ("--corpus C",)),
    "a corpus that is not to be checked": (
        lambda clips: ["corpora", "--corpus", clips],
        ("esn corpora check --corpus C",),
    ),
    "an unknown name": (lambda clips: ["corpora", "iemocrap"], ("'iemocrap'", "iemocap", "meld")),
    "a report of another kind": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--out", "report.pdf"],
        ("report.pdf", "report.html"),
    ),
    "an emotion that nobody shows": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--emotions", "happy,furious"],
        ("'furious'", "'neutral', 'happy', 'angry'"),
    ),
    "an option without a value": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--corpus-option", "emotion"],
        ("--corpus-option emotion", "KEY=VALUE"),
    ),
    "labels without a meaning": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--corpus-option", "labels=Wut"],
        ("labels=Wut", "Freude:happy"),
    ),
    "an option that the loader has not": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--corpus-option", "colour=red"],
        ("'colour'", "name, labels"),
    ),
    "a loudness above full scale": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--loudness", "3"],
        ("loudness 3", "-23"),
    ),
    "a unit that is none": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--split-by", "mood"],
        ("'mood'", "speaker, sentence, session, corpus"),
    ),
    "sessions that are not known": (
        lambda clips: ["corpora", "check", "--corpus", clips, "--split-by", "session"],
        ("24 of 24 clips have no session",),
    ),
    "a split of other clips": (
        lambda clips: ["collect", "--model", "toy-omni", "--corpus", clips, "--split-by", clips / "gone.json",
                       "--out", clips / "never.safetensors"],
        ("gone.json", "no such file"),
    ),
    "a bad root": (
        lambda clips: ["corpora", "check", "--corpus", "meld", "--root", clips / "gone"],
        ("corpus meld", "gone", "no such folder"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case: str, clips: Path) -> None:
    words, told = REFUSED[case]
    line = esn(*words(clips)).refusal
    for part in told:
        assert part in line, line


def test_a_page_of_a_large_corpus_stays_small(tmp_path: Path) -> None:
    rows = ["audio,emotion,speaker"]
    write_wave(tmp_path / "a.wav", noise(0.2)[0])
    rows += [f"{'a' if n else 'gone'}.wav,{EMOTIONS[n % 3]},s{n}" for n in range(300)]
    told = esn("corpora", "check", "--corpus", write(tmp_path / "t.csv", "\n".join(rows)))
    assert told.code == 2  # the same recording all over
    assert "275 others" in told.out
    assert len(told.out.splitlines()) < 60


def test_the_same_recording_under_two_emotions_ends_in_exit_code_2(clips: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(clips, tmp_path / "clips"))
    shutil.copy(there / "angry" / "anna" / "angry-anna-0.wav", there / "happy" / "anna" / "happy-anna-0.wav")
    told = esn("corpora", "check", "--corpus", there)
    assert told.code == 2
    assert "recordings that are there under several emotions: 1" in told.err.splitlines()[-1]
    assert "angry-anna-0 (angry) and happy-anna-0 (happy)" in told.err
