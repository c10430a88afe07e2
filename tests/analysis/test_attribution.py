"""Attribution: its sums, its selection, and its agreement with true ablation, on models whose truth is known."""

import numpy as np
import pytest
from planted_listener import BIAS, EMOTIONS, PER_LAYER, WIDTHS, PlantedListener, planted_clips, planted_set
from rounding import assert_close, terms_of
from scipy import stats
from tiny_omni import CHOICE, noise

import esn_interp as esn
from esn_interp.analysis.attribution.check import AttributionCheck
from esn_interp.analysis.attribution.measure import attribution
from esn_interp.analysis.attribution.result import Attribution
from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.errors import CorpusError, EditError, StatisticsError
from esn_interp.models.gradients import Attributions
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.speech.clips import Clips

LEAKS = [0.0, 0.1, 0.2, 0.05, 0.3, 0.0, 0.15]


class DifferentiableListener(PlantedListener):
    """Its gradients by hand: dL/dg is 1 for a gate of the target and -softmax among the others for theirs."""

    def attributions(self, encoded, labels, target, *, positions=("audio", "text", "last")) -> Attributions:
        totals, gates = self._run(encoded, ())
        logits = totals[:, [EMOTIONS.index(label) for label in labels]]
        log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        values = np.concatenate([np.zeros_like(gate) for gate in gates], axis=1)
        for clip, wanted in enumerate(target):
            rest = np.exp(np.delete(logits[clip], wanted))
            slopes = np.insert(-rest / rest.sum(), wanted, 1.0)
            for at, label in enumerate(labels):
                for layer, start in enumerate((0, WIDTHS[0])):
                    mine = PER_LAYER * EMOTIONS.index(label) + np.arange(PER_LAYER)
                    values[clip, start + mine] = slopes[at] * gates[layer][clip, mine]
        return Attributions(log_probs.astype(np.float32), values.astype(np.float32))


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(speakers=len(LEAKS), leaks=LEAKS, mistaken=[(0, "sad", "angry")])


@pytest.fixture(scope="module")
def found(clips) -> Attribution:
    return attribution(DifferentiableListener(), clips, per_clip=True, batch_size=9, progress=False)


def test_log_odds_equal_scipys_logit():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 6))
    target = np.array([0, 1, 2, 3, 0, 1])
    expected = np.log(probabilities) - np.log1p(-probabilities)
    found = log_odds(np.log(probabilities), target)
    np.testing.assert_allclose(found, np.take_along_axis(expected, target[None, :, None], 2)[..., 0])
    certain = np.array([[0.0, -40.0, -41.0]])  # here 1 - p is lost to rounding
    assert log_odds(certain, np.array([0]))[0] == pytest.approx(-np.logaddexp(-40, -41))


def test_means_are_over_clips_of_an_emotion_on_both_sides_of_the_filter(found, clips):
    truth, predicted, own = found.truth, found.predicted, found.per_clip
    assert found.clips == tuple(clips.column("id"))
    assert own is not None
    for e in range(len(EMOTIONS)):
        mine = truth == e
        assert_close(found.score("none")[e], own[mine].mean(axis=0), terms=mine.sum())
        assert_close(found.score()[e], own[mine & (predicted == e)].mean(axis=0), terms=mine.sum())
    assert found.seen.tolist() == [14] * 5
    assert found.kept.tolist() == [14, 14, 14, 13, 14]
    by_speaker = np.array(
        [own[(truth == 2) & (np.array(found.speakers) == s)].mean(0) for s in clips.speakers]
    )
    of_layer = by_speaker[:, : WIDTHS[0]].sum(axis=1)
    assert found.layers[2, 0] == pytest.approx(of_layer.mean())
    half = stats.t.ppf(0.975, len(LEAKS) - 1) * stats.sem(of_layer)
    assert found.layers_high[2, 0] - found.layers[2, 0] == pytest.approx(half)


def test_it_selects_the_planted_neurons_and_nothing_else(found):
    chosen, planted = found.select(count=6), planted_set()
    for emotion in EMOTIONS:  # asked for six, only four speak for it
        np.testing.assert_array_equal(chosen.indices(emotion), planted.indices(emotion))
    assert chosen.selector == "attribution"
    assert chosen.parameters["kept"] == {**dict.fromkeys(EMOTIONS, 14), "sad": 13}
    two = found.select(count=1, per_layer=True)
    assert (two.counts() == 1).all()
    assert two["angry"].neuron.tolist() == [4, 4]  # ties go to the first
    shares = found.concentration()
    np.testing.assert_allclose(shares[:, 3:], 1)
    np.testing.assert_allclose(shares[:, 1], 0.5, atol=1e-6)


def test_agreement_with_true_ablation_equals_plain_loops(found, clips):
    check = found.check(PlantedListener(), clips, neurons=planted_set(), progress=False)
    assert check.neuron.shape == (20,)
    speakers, truth = np.array(check.speakers), found.truth
    frame = clips.to_frame()
    for e, emotion in enumerate(EMOTIONS):
        for n in (0, 7, 19):
            at = int(check.neuron[n]) // PER_LAYER
            changes = []
            for row in np.flatnonzero(truth == e):
                said = "angry" if (frame.id[row], emotion) == ("s00-sad-0", "sad") else emotion
                scores = np.full(5, LEAKS[int(frame.speaker[row][1:])]) + BIAS
                scores[EMOTIONS.index(said)] = 1 + BIAS[EMOTIONS.index(said)]
                silenced = scores.copy()
                silenced[at] -= (scores - BIAS)[at] / (2 * PER_LAYER)
                both = np.stack([scores, silenced])
                rest = np.logaddexp.reduce(np.delete(both, e, axis=1), axis=1)
                changes.append(float(np.diff(both[:, e] - rest)[0]))
            assert check.effect[e, n] == pytest.approx(np.mean(changes), abs=2e-3)
        assert check.spearman[e] == stats.spearmanr(check.predicted[e], check.effect[e]).statistic
    assert check.agreement.value == pytest.approx(check.spearman.mean())
    # Leaving a speaker out by hand gives the jackknife behind the interval.
    effect_without = []
    for speaker in clips.speakers:
        rest = clips.take(np.flatnonzero(speakers != speaker))
        effect_without.append(
            found.check(PlantedListener(), rest, neurons=planted_set(), progress=False).agreement.value
        )
    error = np.sqrt(6 / 7 * ((np.array(effect_without) - check.agreement.value) ** 2).sum())
    low = max(check.agreement.value - stats.t.ppf(0.975, 6) * error, -1)
    assert check.agreement.low == pytest.approx(low)
    assert check.agreement.value > 0.9


def test_the_sample_is_drawn_from_gates_that_do_anything(found, clips):
    check = found.check(PlantedListener(), clips.limit(10), neurons=8, seed=4, progress=False)
    assert check.silent == sum(WIDTHS) - 20
    assert len(check.neuron) == 8
    flat = np.array([0, WIDTHS[0]])[check.layer] + check.neuron
    assert np.isin(flat, planted_set().indices()).all()
    again = found.check(PlantedListener(), clips.limit(10), neurons=8, seed=4, progress=False)
    assert again.to_dict() == check.to_dict()
    assert found.check(PlantedListener(), clips.limit(10), neurons=99, progress=False).neuron.shape == (20,)


def test_on_a_real_class_it_sums_what_the_model_gives(tiny_lm, tmp_path):
    import pandas as pd
    import soundfile

    rows = []
    for at, wave in enumerate(noise(0.5, 0.8, 1.1, 0.6)):
        soundfile.write(tmp_path / f"{at}.wav", wave, 16_000, subtype="FLOAT")
        emotion = ("angry", "sad")[at % 2]
        rows.append({"audio": str(tmp_path / f"{at}.wav"), "emotion": emotion, "speaker": f"s{at // 2}"})
    noises = Clips.from_frame(pd.DataFrame(rows), name="noise")
    result = attribution(
        tiny_lm, noises, emotions=EMOTIONS, positions={"last"}, per_clip=True, batch_size=3, progress=False
    )
    assert result.prompt == CHOICE
    target = np.array([EMOTIONS.index(emotion) for emotion in noises.column("emotion")])
    waveforms = [clip.waveform() for clip in noises]
    expected = tiny_lm.attributions(tiny_lm.encode(waveforms, CHOICE), EMOTIONS, target, positions={"last"})
    assert_close(result.per_clip, expected.values, terms=2 * terms_of(tiny_lm.model))
    assert np.isnan(result.values[1, 0]).all()
    assert "no clip is neutral: nothing is attributed to it" in result.notes
    with pytest.raises(StatisticsError, match="neutral: 0 clips attributed, 1 needed"):
        result.select(count=2, filter="none")
    check = result.check(tiny_lm, noises, neurons=5, progress=False)
    assert check.positions == ("last",)
    assert np.isfinite(check.agreement.value)
    assert any(note.startswith("neutral: no rank correlation") for note in check.notes)


def test_what_cannot_be_done_is_refused(found, clips, tiny_lm):
    with pytest.raises(StatisticsError, match="unknown filter 'right'; choose correct or none"):
        found.select(count=1, filter="right")
    with pytest.raises(StatisticsError, match="sad: 13 clips labelled correctly, 14 needed"):
        found.select(count=1, min_clips=14)
    with pytest.raises(StatisticsError, match="the attributions come from planted"):
        found.check(tiny_lm, clips, progress=False)
    with pytest.raises(StatisticsError, match="2 neurons can't be ranked"):
        found.check(PlantedListener(), clips, neurons=2, progress=False)
    with pytest.raises(CorpusError, match="is not among the options"):
        attribution(DifferentiableListener(), clips, emotions=("sad", "angry"), progress=False)
    with pytest.raises(CorpusError, match="a choice of emotions needs two or more"):
        attribution(DifferentiableListener(), clips.where(emotion="sad"), progress=False)
    with pytest.raises(EditError, match="no token to attribute to in scope generated"):
        tiny_lm.attributions(
            tiny_lm.encode(noise(0.5), CHOICE), EMOTIONS, np.array([0]), positions={"generated"}
        )


def test_tables_figures_and_files_hold_the_same_numbers(found, clips, tmp_path):
    found.save(tmp_path / "attribution.json")
    assert Attribution.load(tmp_path / "attribution.json").to_dict() == found.to_dict()
    frame = found.to_frame()
    first = frame[frame.emotion == "angry"].iloc[0]
    assert (first.layer, first.neuron) == (0, 4)
    assert "hold" in found.summary()
    figure = found.plot()
    (heat,) = [trace for trace in figure.data if trace.type == "heatmap"]
    np.testing.assert_array_equal(heat.z, found.layers)
    assert heat.zmin == -heat.zmax
    check = found.check(PlantedListener(), clips.limit(20), neurons=6, progress=False)
    check.save(tmp_path / "check.json")
    assert AttributionCheck.load(tmp_path / "check.json").to_dict() == check.to_dict()
    points = [trace for trace in check.plot().data if trace.mode == "markers"]
    np.testing.assert_array_equal(points[1].x, check.predicted[1])
    np.testing.assert_array_equal(points[1].y, check.effect[1])
    assert f"{check.agreement.value:.2f}" in check.summary()
    assert len(check.to_frame()) == 5 * 6


@pytest.mark.slow
def test_on_toy_omni_attribution_ranks_true_ablation():
    """Found on identification voices, silenced on validation voices: the screen that it is meant to be."""
    lm = esn.load("toy-omni")
    validation, identification, _ = esn.corpus("toy-studio").split()
    some = validation.limit(25)
    screen = attribution(lm, identification.limit(100), progress=False)
    assert screen.check(lm, some, neurons=30, progress=False).agreement.value > 0.5
    same = attribution(lm, some, progress=False)
    assert same.check(lm, some, neurons=30, progress=False).agreement.value > 0.9


def test_neurons_of_another_model_are_not_checked(found, clips):
    origin = Origin("other", "beef", "thinker", WIDTHS, "x", "y")
    other = NeuronSet.from_indices(origin, {"sad": np.arange(4)})
    with pytest.raises(StatisticsError, match="the neurons come from other"):
        found.check(PlantedListener(), clips, neurons=other, progress=False)


def test_where_nothing_speaks_for_a_label_nothing_is_selected(clips):
    class Deaf(DifferentiableListener):
        def attributions(
            self, encoded, labels, target, *, positions=("audio", "text", "last")
        ) -> Attributions:
            found = super().attributions(encoded, labels, target, positions=positions)
            return Attributions(np.full_like(found.log_probs, -np.log(5)), 0 * found.values)

    flat = attribution(Deaf(), clips, progress=False)
    assert len(flat.select(count=3, filter="none")) == 0
    assert flat.kept.tolist() == [14, 0, 0, 0, 0]  # ties are answered with the first option
    assert np.isnan(flat.concentration("none")).all()
    assert "hold nothing of all" in flat.summary()
    assert flat.plot().data
    with pytest.raises(StatisticsError, match="0 neurons can't be ranked"):
        flat.check(PlantedListener(), clips, progress=False)
