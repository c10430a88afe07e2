"""Clips that found the neurons are refused for evaluation, or it is said; so is how they were prepared."""

from dataclasses import replace

import pandas as pd
import pytest
from planted_listener import PlantedListener, clip_bytes, evidence_for, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.guards import check_apart
from esn_interp.analysis.injection.measure import injection
from esn_interp.errors import CorpusError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.speech.clip_keys import joined_keys, keys_of_ids, split_keys
from esn_interp.speech.clips import Clips
from esn_interp.speech.known_clips import keys_of, provenance


@pytest.fixture(scope="module")
def parts() -> tuple[Clips, Clips]:
    clips = planted_clips(speakers=6, takes=1)
    return clips.where(speaker=["s00", "s01", "s02"]), clips.where(speaker=["s03", "s04", "s05"])


def found_on(clips: Clips) -> NeuronSet:
    esns = planted_set()
    origin = replace(esns.origin, corpus=clips.name, corpus_fingerprint=clips.fingerprint, **provenance(clips))
    return replace(esns, origin=origin)


def test_clips_that_found_the_neurons_are_refused_and_others_are_not(parts):
    identification, evaluation = parts
    esns = found_on(identification)
    for measure in (ablation, dose_response, injection):
        with pytest.raises(CorpusError, match=r"15 of 15 clips are among those .* --allow-identification-clips"):
            measure(PlantedListener(), identification, esns, draws=0, progress=False)
    found = ablation(PlantedListener(), evaluation, esns, draws=0, progress=False)
    assert found.reservation == ""
    assert not [note for note in found.notes if "found on" in note]


def test_one_clip_among_many_is_enough(parts):
    identification, evaluation = parts
    mixed = planted_clips(speakers=6, takes=1).where(speaker=["s02", "s03", "s04", "s05"])
    assert set(mixed.column("id")) > set(evaluation.column("id"))
    with pytest.raises(CorpusError, match="5 of 20 clips"):
        check_apart(mixed, found_on(identification).origin, allow_identification_clips=False)


def test_what_is_allowed_is_said_in_every_summary_and_kept_in_the_file(parts, tmp_path):
    identification, _ = parts
    for measure in (ablation, dose_response, injection):
        found = measure(
            PlantedListener(), identification, found_on(identification), draws=0, progress=False,
            allow_identification_clips=True,
        )
        assert "15 of these clips are among those that the neurons were found on" in found.summary()
        assert found.notes[0] == "15 of 15 clips are among those that the neurons were found on: no evidence for others"
        found.save(tmp_path / "found.json")
        assert type(found).load(tmp_path / "found.json").summary() == found.summary()


def test_a_set_that_does_not_say_can_not_be_checked(parts):
    _, evaluation = parts
    old = replace(found_on(evaluation).origin, found_on="", preparation="", corpus_fingerprint="other")
    told = check_apart(evaluation, old, allow_identification_clips=False)
    assert told.found == 0
    assert "can't be checked" in told.notes[0]
    elsewhere = replace(old, corpus="another")
    assert check_apart(evaluation, elsewhere, allow_identification_clips=False).notes == ()
    # Its fingerprint alone tells when the very same clips are tried.
    same = replace(old, corpus_fingerprint=evaluation.fingerprint)
    with pytest.raises(CorpusError, match="15 of 15"):
        check_apart(evaluation, same, allow_identification_clips=False)


def test_another_preparation_is_told(parts):
    identification, evaluation = parts
    esns = found_on(identification.prepared(loudness=-23.0))
    found = ablation(PlantedListener(), evaluation, esns, draws=0, progress=False)
    (note,) = [note for note in found.notes if "prepared otherwise" in note]
    assert "loudness brought to -23 LUFS; these: as recorded" in note
    prepared = evaluation.prepared(loudness=-23.0)
    assert check_apart(prepared, esns.origin, allow_identification_clips=False).notes == ()
    # Whatever is done to a clip, it stays the clip that found the neurons.
    with pytest.raises(CorpusError):
        check_apart(identification, esns.origin, allow_identification_clips=False)


def test_keys_are_kept_joined_and_taken(parts, tmp_path):
    identification, evaluation = parts
    esns = found_on(identification)
    esns.save(tmp_path / "esns.safetensors")
    assert NeuronSet.load(tmp_path / "esns.safetensors").origin == esns.origin
    both: Origin = esns.origin.join([found_on(evaluation).origin])
    assert set(split_keys(both.found_on)) == {
        *split_keys(keys_of(identification)), *split_keys(keys_of(evaluation)),
    }
    assert both.preparation == esns.origin.preparation
    assert joined_keys([esns.origin.found_on, ""]) == ""
    some = identification.column("id")[:4]
    assert keys_of_ids(both.found_on, some) == keys_of(identification.take(range(4)))


def test_one_recording_under_two_emotions_is_refused():
    sound = clip_bytes(evidence_for("happy", 0.0), female=True, seconds=0.2)
    rows = [
        {"id": f"{speaker}-{emotion}", "audio": sound, "emotion": emotion, "speaker": speaker}
        for speaker, emotion in (("s0", "happy"), ("s1", "happy"), ("s1", "sad"))
    ]
    consistent, contradictory = (Clips.from_frame(pd.DataFrame(some), name="copied") for some in (rows[:2], rows))
    check_apart(consistent, planted_set().origin, allow_identification_clips=False)
    with pytest.raises(CorpusError, match=r"emotions: 1, such as s0-happy \(happy\) and s1-sad \(sad\)"):
        ablation(PlantedListener(), contradictory, planted_set(), draws=0, progress=False)
