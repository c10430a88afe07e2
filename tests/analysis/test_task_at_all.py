"""Can the model do the task at all? What can't fall is no finding, and chance is told."""

import numpy as np
import pytest
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.figure import NEVER, draw
from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.measure import dose_response

SPEAKERS = 8


def confused(*pairs: tuple[str, str]) -> list[tuple[int, str, str]]:
    """Everybody's clips of the first emotion of a pair sound like the second."""
    return [(speaker, meant, heard) for speaker in range(SPEAKERS) for meant, heard in pairs]


@pytest.fixture(scope="module")
def deaf() -> Ablation:
    clips = planted_clips(speakers=SPEAKERS, takes=1, mistaken=confused(("fearful", "angry")))
    return ablation(PlantedListener(), clips, planted_set(), draws=3, progress=False)


def test_an_emotion_that_is_never_recognised_is_left_out_of_the_means(deaf: Ablation):
    assert deaf.baseline_recall.tolist() == [1, 1, 1, 1, 0]
    assert deaf.falls.tolist() == [True, True, True, True, False]
    assert deaf.change[4, 4] == 0
    # Without evidence the answer is neutral: its own ablation costs nothing, and that of three others everything.
    assert deaf.self_change.value == pytest.approx(np.mean([0, -1, -1, -1]))
    assert deaf.cross_change.value == pytest.approx(0)
    assert np.isnan(deaf.p_values).tolist() == [False, False, False, False, True]
    (note,) = [note for note in deaf.notes if "can't fall" in note]
    assert note.startswith("without an edit no clip is recognised as fearful")


def test_it_is_drawn_as_what_can_not_fall_and_not_as_0(deaf: Ablation):
    figure = draw(deaf)
    own = figure.data[0]
    assert [line[4] for line in own.text] == [NEVER] * 5
    assert np.isnan([line[4] for line in own.z]).all()
    assert NEVER not in [cell for line in own.text for cell in line[:4]]
    assert "never recognised without an edit" in figure.layout.title.text


def test_a_model_that_guesses_is_told_with_its_recall_and_chance():
    # Every clip sounds like the emotion after its own, but for one of five: recall is that of guessing.
    shifted = [(one, EMOTIONS[(at + 1) % 4]) for at, one in enumerate(EMOTIONS[:4])]
    clips = planted_clips(speakers=SPEAKERS, takes=1, mistaken=confused(*shifted))
    found = ablation(PlantedListener(), clips, planted_set(), draws=2, progress=False)
    assert found.baseline_uar.value == pytest.approx(0.2)
    (note,) = [note for note in found.notes if "chance" in note]
    assert note.startswith("the model does not do this task better than chance: mean recall without an edit 0.20")
    assert "neutral 0.00, happy 0.00, angry 0.00, sad 0.00, fearful 1.00" in note
    assert "chance 0.20: the model does not do this task;" in found.summary()
    doses = dose_response(PlantedListener(), clips, planted_set(), alphas=[1.0], draws=1, progress=False)
    assert note in doses.notes


def test_a_model_that_can_is_not_doubted():
    found = ablation(PlantedListener(), planted_clips(), planted_set(), draws=2, progress=False)
    assert not [note for note in found.notes if "chance" in note or "can't fall" in note]
    assert "chance 0.20;" in found.summary()
    assert NEVER not in draw(found).layout.title.text


def test_one_dose_has_no_correlation_to_tell_and_no_best_to_choose():
    told = dose_response(
        PlantedListener(), planted_clips(), planted_set(), alphas=[1.0], draws=1, progress=False
    ).summary()
    assert "nan" not in told
    assert "chosen on these clips" not in told
    several = dose_response(
        PlantedListener(), planted_clips(), planted_set(), alphas=[0.0, 1.0, 2.0], draws=1, progress=False
    ).summary()
    assert "the best of the doses, chosen on these clips" in several
