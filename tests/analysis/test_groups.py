"""Who pays: effects by sex and language are those on their clips alone, and their difference has an interval."""

import numpy as np
import pandas as pd
import pytest
from planted_listener import EMOTIONS, SEX_GATE, WORD_GATE, PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.groups import by_group, groups_frame, traits_of
from esn_interp.analysis.injection.measure import injection
from esn_interp.analysis.side_effects.measure import side_effects
from esn_interp.analysis.transfer.measure import transfer
from esn_interp.analysis.transfer.result import Transfer
from esn_interp.models.edits import Edit
from esn_interp.speech.clips import Clips

SEXES = ("female", "male")


def told(groups, **which) -> pd.Series:
    frame = groups_frame(groups)
    for name, value in which.items():
        frame = frame[frame[name] == value]
    (row,) = [row for _, row in frame.iterrows()]
    return row


def two_languages(clips: Clips) -> Clips:
    """The second take of everybody is in another language: speakers have clips of both."""
    frame = clips.to_frame()
    frame["audio"] = [clip.audio for clip in clips]
    frame["language"] = ["en" if number.endswith("-0") else "de" for number in frame["id"]]
    return Clips.from_frame(frame, name=clips.name)


@pytest.fixture(scope="module")
def clips() -> Clips:
    leaks = [0.0, 0.9, 0.3, 0.8, 0.5, 0.9, 0.1, 0.6]  # women, who have odd numbers, leak more
    return two_languages(planted_clips(leaks=leaks))


@pytest.fixture(scope="module")
def result(clips: Clips) -> Ablation:
    return ablation(PlantedListener(), clips, planted_set(), draws=2, progress=False)


def test_an_ablation_tells_each_group_as_an_ablation_of_its_clips_does(clips: Clips, result: Ablation, tmp_path):
    for trait, group in (("sex", "female"), ("sex", "male"), ("language", "de"), ("language", "en")):
        alone = ablation(PlantedListener(), clips.where(**{trait: group}), planted_set(), draws=0, progress=False)
        for effect, interval in (
            ("self change", alone.self_change),
            ("cross change", alone.cross_change),
            ("self minus cross", alone.specificity),
        ):
            row = told(result.groups, trait=trait, group=group, effect=effect)
            assert [row.value, row.speakers, row.clips] == [
                pytest.approx(interval.value),
                interval.speakers,
                len(alone.clips),
            ]
    result.save(tmp_path / "a.json")
    assert Ablation.load(tmp_path / "a.json").groups == result.groups
    assert any(note.startswith("by sex, self change in points: female ") for note in result.notes)


def test_the_difference_of_two_groups_of_speakers_is_that_of_two_samples():
    rng = np.random.default_rng(3)
    speakers = [f"s{at}" for at in range(12) for _ in range(5)]
    sex = tuple("female" if int(name[1:]) % 2 else "male" for name in speakers)
    outcome = 0.2 * rng.normal(size=(1, 60)) + np.array([value == "female" for value in sex]) * 0.5
    found = by_group(
        outcome, np.ones((1, 60), dtype=bool), lambda cells: cells, ["x"], speakers=speakers, traits={"sex": sex}
    )
    by_speaker = pd.Series(outcome[0]).groupby(speakers).mean()
    women, men = (by_speaker[[f"s{at}" for at in range(12) if at % 2 == odd]] for odd in (1, 0))
    row = told(found, group="female - male")
    assert row.value == pytest.approx(women.mean() - men.mean())
    assert (row.speakers, row.clips) == (12, 60)
    assert row.low < 0.5 < row.high
    assert row.high - row.low < 1


def test_what_a_corpus_does_not_know_groups_nothing(clips: Clips):
    assert set(traits_of(clips.where(sex="female"), range(4))) == {"language"}
    assert traits_of(clips.where(sex="female", language="en"), range(4)) == {}
    frame = clips.to_frame()
    frame["audio"] = [clip.audio for clip in clips]
    frame["sex"] = ""
    assert set(traits_of(Clips.from_frame(frame, name="x"), range(len(frame)))) == {"language"}


def test_doses_and_injection_tell_it_as_well(clips: Clips):
    doses = dose_response(
        PlantedListener(), clips, planted_set(), alphas=[0.0, 8.0], draws=0, progress=False
    )
    women = dose_response(
        PlantedListener(), clips.where(sex="female"), planted_set(), alphas=[0.0, 8.0], draws=0, progress=False
    )
    for at, alpha in enumerate(("0", "8")):
        row = told(doses.groups, trait="sex", group="female", effect=f"flip rate at alpha {alpha}")
        assert row.value == pytest.approx(women.flip.mean[at])
    injected = injection(PlantedListener(), clips, planted_set(), alphas=[4.0], draws=0, progress=False)
    row = told(injected.groups, trait="language", group="en", effect="accuracy change by two_pass at alpha 4")
    alone = injection(
        PlantedListener(), clips.where(language="en"), planted_set(), alphas=[4.0], draws=0, progress=False
    )
    assert row.value == pytest.approx(alone.gain("two_pass", 4.0).value)
    assert len(EMOTIONS) == len(doses.sets)


def test_transfer_tells_every_corpus_as_its_clips_alone_do(clips: Clips, tmp_path):
    one, other = clips.where(speaker=["s00", "s01", "s02", "s03"]), clips.where(speaker=["s04", "s05", "s06", "s07"])
    how = {"alpha": 8.0, "draws": 0, "progress": False}
    esns = planted_set()
    found = transfer(PlantedListener(), {"one": (one, esns), "other": (other, esns)}, **how)
    women = transfer(
        PlantedListener(), {"one": (one.where(sex="female"), esns), "other": (other.where(sex="female"), esns)}, **how
    )
    for target in ("one", "other"):
        for at, source in enumerate(("one", "other")):
            for effect, measured in (
                ("self minus cross", women.target(target).ablation.effect),
                ("flip gain", women.target(target).steering.effect),
            ):
                row = told(
                    found.target(target).groups, trait="sex", group="female", effect=f"{effect}, neurons of {source}"
                )
                assert row.value == pytest.approx(measured.value[at])
    assert any(note.startswith("on other, by sex, self change, neurons of other in points") for note in found.notes)
    found.save(tmp_path / "t.json")
    assert Transfer.load(tmp_path / "t.json").targets[0].groups == found.targets[0].groups


def test_side_effects_tell_who_pays(clips: Clips):
    how = {"tasks": ["transcription", "sex"], "draws": 0, "progress": False}
    edits = [Edit(layer, np.array([neuron]), gain=0.0) for layer, neuron in (SEX_GATE, WORD_GATE)]
    found = side_effects(PlantedListener(), clips, edits, **how)
    women, men = (told(found.groups, trait="sex", group=one, effect="change of accuracy, sex") for one in SEXES)
    assert (women.value, men.value) == (-1.0, 0.0), "everybody is taken for male"
    apart = told(found.groups, trait="sex", group="female - male", effect="change of accuracy, sex")
    assert apart.value == -1.0
    alone = side_effects(PlantedListener(), clips.where(language="en"), edits, **how)
    row = told(found.groups, trait="language", group="en", effect="change of accuracy, transcription")
    assert row.value == pytest.approx(alone.mean("transcription").value)
    few = side_effects(PlantedListener(), clips, edits, limit=10, seed=2, **how)
    assert {one.clips for one in few.groups if one.group == "female - male"} == {10}
