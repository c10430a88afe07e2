"""An edit that changed nothing is told with its count, or refused: an effect of 0 looks like a finding."""

import numpy as np
import pytest
from planted_listener import EMOTIONS, WIDTHS, PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.conversion.effect import conversion_effect
from esn_interp.analysis.conversion.effect_result import RANDOM, STEERED, UNSTEERED
from esn_interp.analysis.conversion.measures import Outcome, unchanged_note
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.injection.measure import injection
from esn_interp.analysis.redundancy.measure import redundancy
from esn_interp.analysis.side_effects.measure import side_effects
from esn_interp.analysis.transfer.measure import transfer
from esn_interp.errors import EditError
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import recognise
from esn_interp.tasks.unmoved import unmoved, unmoved_note

CLIPS = 4 * len(EMOTIONS)
TOLD = "edits that changed nothing, in no digit of any score of"
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(speakers=4, takes=1, leaks=[0.3, 0.5, 0.4, 0.6])


@pytest.fixture(scope="module")
def half_dead() -> NeuronSet:
    """The planted neurons, but those of sadness, in whose place are two that lead nowhere."""
    planted = planted_set()
    index = {emotion: planted.indices(emotion) for emotion in EMOTIONS}
    return NeuronSet.from_indices(planted.origin, index | {"sad": np.array([15, WIDTHS[0] + 15])})


def told(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if TOLD in note]


def test_conditions_are_told_that_edit_and_change_no_score(clips: Clips):
    dead, alive = ([Edit(0, np.array([at]), gain=0.0)] for at in (15, 6))
    nothing = [Edit(0, np.array([6]), gain=1.0)]
    conditions = {"baseline": (), "dead": dead, "alive": alive, "nothing": nothing, "empty": ()}
    found = recognise(PlantedListener(), clips, conditions=conditions, **QUIET)
    assert found.unmoved == ("dead",)
    assert found.unmoved_note == f"{TOLD} {CLIPS} clips: dead"
    assert recognise(PlantedListener(), clips, conditions={"dead": dead}, **QUIET).unmoved == ()  # beside what?


def test_a_note_names_some_and_counts_the_rest():
    scores = np.zeros((10, 3, 2), dtype=np.float32)
    scores[9, 2, 1] = 1e-30
    acting = {"baseline": False, **{f"c{at}": True for at in range(1, 10)}}
    assert unmoved(acting, scores, "baseline") == tuple(f"c{at}" for at in range(1, 9))
    assert unmoved_note([f"c{at}" for at in range(1, 9)], 3).endswith("of 3 clips: c1, c2, c3, c4, c5, c6 and 2 more")
    assert unmoved_note([], 3) == ""


def test_ablation_names_the_set(clips: Clips, half_dead: NeuronSet):
    assert told(ablation(PlantedListener(), clips, half_dead, draws=0, **QUIET).notes) == [f"{TOLD} {CLIPS} clips: sad"]
    assert told(ablation(PlantedListener(), clips, planted_set(), draws=0, **QUIET).notes) == []


def test_dose_names_set_and_gain(clips: Clips, half_dead: NeuronSet):
    (note,) = told(dose_response(PlantedListener(), clips, half_dead, alphas=(0, 1, 2), draws=0, **QUIET).notes)
    assert note.count("sad (") == 2
    assert "happy" not in note
    for options in ({"alphas": (0,)}, {"scopes": ("audio",), "alpha": 0.0}):
        with pytest.raises(EditError, match=r"changes? (nothing|something)"):
            dose_response(PlantedListener(), clips, half_dead, draws=0, **options, **QUIET)


def test_injection_transfer_and_redundancy_tell_it_too(clips: Clips, half_dead: NeuronSet):
    sad = half_dead["sad"]
    found = injection(PlantedListener(), clips, sad, methods=("union",), alphas=[2.0], draws=0, **QUIET)
    assert len(told(found.notes)) == 1
    corpora = {"one": (clips, half_dead), "other": (clips, half_dead)}
    assert len(told(transfer(PlantedListener(), corpora, draws=0, **QUIET).notes)) == 2
    found = redundancy(PlantedListener(), clips, half_dead, draws=0, splits=1, **QUIET)
    (note,) = (note for note in found.notes if "groups of neurons changed nothing" in note)
    unmoved, _, tried = note.partition(" groups")[0].split()
    assert 0 < int(unmoved) < int(tried)


def test_side_effects_refuse_what_does_nothing_and_tell_what_did_nothing(clips: Clips, half_dead: NeuronSet):
    asked = {"tasks": ("sex",), "draws": 0, **QUIET}
    with pytest.raises(EditError, match="the edits change nothing: alpha 0"):
        side_effects(PlantedListener(), clips, half_dead, alpha=0.0, **asked)
    kept = {"still": [Edit(0, np.array([1]), gain=1.0)], "silenced": [Edit(0, np.array([1]), gain=0.0)]}
    notes = side_effects(PlantedListener(), clips, kept, **asked).notes
    assert any("leave gates as they are, so that nothing is changed: still" in note for note in notes)
    assert any(f"every answer on {CLIPS} clips was as right or wrong as before" in note for note in notes)


def test_steering_that_is_not_heard_is_told():
    def outcomes(chance: float, words: str = "so it is") -> list[Outcome]:
        chances = {"happy": chance, "sad": 1 - chance}
        return [
            Outcome(f"c{at}", f"s{at}", "neutral", "happy", None, chances, chances, float("nan"), 0.0, text=words)
            for at in range(3)
        ]

    assert unchanged_note(outcomes(0.5), {"steered": outcomes(0.5), "other": outcomes(0.5, "no")}) == (
        "steering that changed nothing that is judged, in 3 conversions: steered"
    )
    assert unchanged_note(outcomes(0.5), {"steered": outcomes(0.5 + 1e-15), "none": []}) == ""
    given = {"targets": ("happy", "sad"), "voices": "unseen", "judge": "soft"}
    for steered, told in ((outcomes(0.5), True), (outcomes(0.6), False)):
        found = conversion_effect({UNSTEERED: outcomes(0.5), RANDOM: outcomes(0.5), STEERED: steered}, **given)
        assert any("changed nothing that is judged" in note for note in found.notes) == told
