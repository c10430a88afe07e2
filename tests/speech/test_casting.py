"""Who speaks what, proved from the data: evaluation voices and sentences are new to every model, judge and corpus."""

import csv
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from toy_omni.speaking.output_voices import VOICES as OUTPUT_VOICES
from voices.casting import SENTENCES, spliced

from esn_interp.speech.corpora import corpus
from esn_interp.speech.heard import FILE, Heard

CORPORA = ("toy-studio", "toy-phone")
# One person reads for several synthesisers: whom the voices were recorded from.
SAME_PERSON = {
    "festival kal_diphone": "flite kal16",
    "flite kal": "flite kal16",
    "festival cmu_us_slt_arctic_hts": "flite slt",
    "flite awb_time": "flite awb",
}


def folders(room: str) -> list[Path]:
    """Every bundled thing that has weights."""
    root = Path(str(resources.files(f"esn_interp.{room}") / "bundled"))
    return sorted(path for path in root.iterdir() if list(path.glob("*.safetensors")))


LEARNT = [*folders("models"), *folders("tasks.judges")]


def table() -> dict[str, dict[str, str]]:
    with (resources.files("esn_interp.speech") / "voices.csv").open(encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def person(engine: str, reader: str) -> str:
    """Who is heard, whatever the dialect, the pitch and the formants."""
    voice = reader.partition("+")[2] if engine == "espeak" else f"{engine} {reader}"
    return SAME_PERSON.get(voice, voice)


PERSON = {name: person(row["engine"], row["reader"]) for name, row in table().items()}


def speakers(name: str, split: str) -> set[str]:
    return set(corpus(name).where(split=split).column("speaker"))


def sentences(name: str, split: str) -> set[str]:
    return set(corpus(name).where(split=split).column("transcript"))


@pytest.mark.parametrize("name", CORPORA)
def test_a_voice_of_a_corpus_is_a_person_of_its_own(name: str) -> None:
    mine = sorted(set(corpus(name).speakers))
    everybody = Counter(PERSON[voice] for voice in PERSON if table()[voice]["cast"] not in ("training",))
    learnt_from = {PERSON[voice] for voice in PERSON if table()[voice]["cast"] == "training"}
    output = {person(voice.engine, voice.reader) for voice in OUTPUT_VOICES}
    for voice in mine:
        assert everybody[PERSON[voice]] == 1, voice
        assert PERSON[voice] not in learnt_from | output, voice


@pytest.mark.parametrize("name", CORPORA)
def test_evaluation_sentences_are_said_nowhere_else_and_hold_no_new_word(name: str) -> None:
    said = sentences(name, "evaluation")
    assert len(said) == 8
    elsewhere = {
        sentence
        for other in CORPORA
        for split in ("identification", "validation", "evaluation")
        if (other, split) != (name, "evaluation")
        for sentence in sentences(other, split)
    }
    assert not said & elsewhere
    assert not said & {*SENTENCES, *spliced(480, seed=0)}
    words = {word for sentence in SENTENCES for word in sentence.lower().split()}
    assert {word for sentence in said for word in sentence.lower().split()} <= words


@pytest.mark.parametrize("name", CORPORA)
def test_every_part_has_as_many_women_as_men(name: str) -> None:
    for split, size in (("validation", 4), ("identification", 6), ("evaluation", 10)):
        who = speakers(name, split)
        assert len(who) == size
        assert Counter(table()[voice]["sex"] for voice in who) == {"female": size // 2, "male": size // 2}


@pytest.mark.parametrize("folder", LEARNT, ids=lambda folder: folder.name)
def test_whatever_has_learnt_says_from_whom_and_never_met_an_evaluation_voice_or_sentence(folder: Path) -> None:
    assert (folder / FILE).is_file()
    heard = Heard.beside(folder)
    known = [voice for part in heard.speakers.values() for voice in part.get("toy-training", ())]
    learnt = heard.speakers["training"].get("toy-training", ())
    assert {voice for voice, row in table().items() if row["cast"] == "training"} <= set(learnt)
    met = {PERSON[voice] for voice in known}
    for name in CORPORA:
        roles = heard.roles([name] * 20, corpus(name).speakers)
        for voice, role in zip(corpus(name).speakers, roles, strict=True):
            if role:
                met.add(PERSON[voice])
        new = speakers(name, "evaluation")
        assert not met & {PERSON[voice] for voice in new}
        assert not set(heard.sentences) & sentences(name, "evaluation")
    assert set(SENTENCES) <= set(heard.sentences)


def test_there_is_something_to_walk_over() -> None:
    models, judges = {"toy-omni", "toy-emodb", "smol-audio"}, {"toy-prosody", "toy-spectrum", "toy-ctc"}
    assert {folder.name for folder in LEARNT} >= models | judges
