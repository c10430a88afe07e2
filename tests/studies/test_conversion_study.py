"""A study of conversions on a planted speaker: what it finds, and what it leaves for readers and listeners."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import planted_speaker as planted
import pytest
from planted_conversions import TITLE, content
from planted_listener import planted_set

from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.analysis.conversion.settings_result import ConversionGrid
from esn_interp.analysis.listening.pairs import read_pairs
from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.config import load_config
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.estimate import estimate
from esn_interp.studies.conversion.plan import ConversionPlan
from esn_interp.studies.conversion.record import SUMMARY
from esn_interp.studies.conversion.study import ConversionStudy
from esn_interp.studies.conversion.units import Unit
from esn_interp.studies.whole import load_study, report

pytestmark = pytest.mark.usefixtures("speaker")


def test_the_planted_neurons_are_found_and_steer(converted: Path):
    found = NeuronSet.load(converted / "esns.safetensors")
    truth = planted_set(planted.EMOTIONS)
    for target in planted.TARGETS:
        assert set(found.indices(target)) == set(truth.indices(target))
    summary = content(converted)["summary"][TITLE]
    assert tuple(summary) == SUMMARY
    assert (summary["selector"], summary["alpha"]) == ("mad", 1)
    assert 0.3 < summary["unsteered_accuracy"] < 0.7
    assert summary["steered_accuracy"] > 0.9
    assert summary["seen_gain"] > 0.3
    assert abs(summary["random_gain"]) < 0.1
    assert summary["own_neurons"] > summary["other_neurons"] + 0.3
    assert content(converted)["not_done"] == []


def test_a_gain_that_costs_the_words_is_not_chosen(converted: Path):
    choice = ConversionGrid.load(converted / "choice.json")
    table = choice.to_frame().query("selector == 'mad' and filtered").set_index("alpha")
    assert table.filter_probability[9] > table.filter_probability[1]
    assert table.wer[9] > 0.9
    assert choice.setting.alpha == 1


def test_the_three_sets_of_speakers_share_no_one(converted: Path):
    cell = ConversionPlan(planted.config(), converted).cells[0]
    sets = [set(clips.speakers) for clips in cell.splits.values()]
    assert [len(one) for one in sets] == [2, 3, 5]
    assert len(set.union(*sets)) == 10
    assert all(set(clips.column("emotion")) == {"neutral"} for clips in cell.splits.values())
    effect = ConversionEffect.load(converted / "unseen.json")
    assert set(effect.speakers) == sets[2]
    assert set(ConversionEffect.load(converted / "seen.json").speakers) == sets[1]
    assert effect.conditions == (UNSTEERED, STEERED, RANDOM, UNFILTERED)


def test_attempts_that_failed_are_counted_by_name(converted: Path):
    """The planted speaker says nothing, or never ends, in a known share of its attempts."""
    effect = ConversionEffect.load(converted / "unseen.json")
    counted = {(p.condition, p.name): p.count for p in effect.problems if p.condition == UNSTEERED}
    cell = ConversionPlan(planted.config(), converted).cells[0]
    rows = cell.measured("evaluation")[UNSTEERED]
    for name in ("nothing said", "never ended"):
        assert sum(p.count for p in effect.problems if (p.condition, p.name) == (UNSTEERED, name)) == sum(
            row.problem == name for row in rows
        )
    assert sum(counted.values()) > 0
    assert len(rows) == 10 * 4
    page = (converted / "report.html").read_text()
    assert "They count as missed; none is left out." in page


def test_every_clip_meets_one_random_draw(converted: Path):
    cell = ConversionPlan(planted.config(), converted).cells[0]
    met = [row for unit in cell.measuring("evaluation")[RANDOM] for row in unit.rows]
    assert sorted(met) == list(range(10))
    assert {unit.condition.draw for unit in cell.measuring("evaluation")[RANDOM]} == {0, 1, 2}


def test_the_filter_is_compared_with_its_absence(converted: Path):
    sieve = content(converted)["cells"][0]["filter"]
    assert sieve["accuracy"]["value"] == 0
    assert sieve["verdict"].startswith("The success filter makes no clear difference here")
    sample = content(converted)["cells"][0]["sample"]
    assert 0 < sample["kept"] < sample["conversions"] == 6 * 4
    assert "other emotion" in sample["reasons"]


def test_further_attempts_find_neurons_and_only_the_first_is_compared(tmp_path: Path):
    once, thrice = (ConversionPlan(planted.config(attempts=count), tmp_path / str(count)).cells[0] for count in (1, 3))
    assert len(thrice.sampling) == 3 * len(once.sampling) == 9
    first, second, _ = ([unit for unit in thrice.sampling if unit.attempt == number] for number in range(3))

    def heard(cell: Cell, units: Sequence[Unit]) -> list[Mapping[str, float]]:
        return [row.probabilities for unit in units for row in cell.outcomes(unit).rows]

    assert heard(once, once.sampling) == heard(thrice, first) != heard(thrice, second)
    said = len(thrice.statistics.origin.corpus_fingerprint.split("+"))
    assert said == 9
    assert thrice.statistics.clips.sum() > 2.5 * once.statistics.clips.sum()
    assert thrice.measuring("identification")[UNSTEERED] == first
    plan = ConversionPlan(planted.config(attempts=3), tmp_path / "3")
    planned = {one.stage: one.conversions for one in estimate(plan)}
    assert planned["sample"] == 3 * 6 * 4


def test_listeners_get_pairs_with_their_sounds(converted: Path):
    folder, pairs = read_pairs(converted)
    assert folder == converted / "listening"
    assert {pair.emotion for pair in pairs} == set(planted.TARGETS)
    for pair in pairs:
        assert (pair.first.condition, pair.second.condition) == (STEERED, UNSTEERED)
        assert pair.source is not None
        for name in (pair.first.file, pair.second.file, pair.source):
            assert (folder / name).stat().st_size > 1000


def test_what_is_heard_again_is_what_was_evaluated(converted: Path):
    """Sounds are made in a run of their own, with the seeds of the evaluation: the judges hear the same."""
    cell = ConversionPlan(planted.config(), converted).cells[0]
    judged = {(o.clip, o.target): o for o in cell.measured("evaluation")[STEERED]}
    for target in planted.TARGETS:
        for outcome in cell.outcomes(cell.playing(target)[STEERED]).rows:
            assert outcome.probabilities == judged[outcome.clip, target].probabilities


def test_results_load_again_and_frames_are_tables(converted: Path):
    assert ConversionCross.load(converted / "cross.json").targets == planted.TARGETS
    assert {path.name for path in (converted / "frames").iterdir()} == {
        "validation.csv", "unseen.csv", "seen.csv", "cross.csv",
    }  # fmt: skip
    assert load_config(converted / "config.yaml", kind=ConversionConfig) == planted.config()


def test_the_page_is_written_anew_from_the_files_alone(converted: Path, tmp_path: Path, speaker):
    copy = Path(shutil.copytree(converted, tmp_path / "copy", ignore=shutil.ignore_patterns("stages")))
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    assert report(copy) == copy / "report.html"
    assert (copy / "report.html").read_bytes() == before
    assert speaker.said == 0


def test_a_study_is_loaded_again(converted: Path):
    done = load_study(converted)
    assert isinstance(done, ConversionStudy)
    assert (done.folder, done.content) == (converted, content(converted))
    assert done.neurons is not None
    assert done.choice is not None
    assert done.effect is not None
    assert done.seen is not None
    assert done.cross is not None
    assert done.summary() == ConversionEffect.load(converted / "unseen.json").summary()
    with pytest.raises(EsnError, match="no such folder"):
        ConversionStudy.load(converted / "none")


def test_a_folder_of_an_earlier_version_plays_the_pairs_for_listeners(converted: Path, tmp_path: Path):
    copy = Path(shutil.copytree(converted, tmp_path / "copy", ignore=shutil.ignore_patterns("clips")))
    old = content(copy)
    for cell in old["cells"]:
        del cell["players"], cell["weights"]
    for corpus in old["corpora"]:
        del corpus["clips"]
    del old["command"]
    (copy / "results.json").write_text(json.dumps(old), encoding="utf-8")
    page = report(copy).read_text(encoding="utf-8")
    assert page.count('src="data:audio/wav;base64,') >= len(planted.TARGETS) * 3
    assert page.count("data-figure=") == 5


def test_the_report_has_players_tables_and_figures(converted: Path):
    page = (converted / "report.html").read_text()
    assert page.count('src="data:audio/wav;base64,') >= 4 * 3
    assert page.count("data-figure=") == 5
    for text in ("Unseen speakers", "Speakers that the neurons were found on", "has no part in the choice", TITLE):
        assert text in page
    assert "nan" not in page.split("</style>")[1].split("<script")[0]
