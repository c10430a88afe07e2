"""Side effects on the planted listener, whose costs are known, and the likelihood of a text on a real model."""

import numpy as np
import pytest
import torch
from planted_listener import (
    EMOTIONS,
    SEX_GATE,
    WIDTHS,
    WORD_GATE,
    PlantedListener,
    planted_clips,
    planted_gates,
    planted_set,
)
from rounding import assert_close, terms_of
from scipy import stats

from esn_interp.analysis.side_effects.measure import side_effects
from esn_interp.analysis.side_effects.result import SideEffects
from esn_interp.errors import CorpusError, EditError, ModelError, StatisticsError
from esn_interp.interventions.edits import at_random, deactivate
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.unrelated_text import PASSAGE, sentences_of

CLIP_TASKS = ("transcription", "sex", "valence", "arousal")
LEAKS = [0.0, 0.3, 0.5, 0.8, 0.8, 0.9, 0.6, 0.1]


class Reader(PlantedListener):
    """Reads as well: a token costs one nat, and half a nat more for each sadness neuron that is silenced."""

    def text_log_probs(self, sentences, *, edits=()):
        lost = sum(
            int(np.isin(edit.neurons, planted_gates("sad", edit.layer)).sum())
            for edit in edits
            if np.all(np.asarray(edit.gain) == 0)
        )
        # Sentences feel it unevenly, or there would be no interval to look at.
        return [
            np.full(len(s.split()), -1.0 - 0.5 * lost * (1 + at % 3) / 2, dtype=np.float32)
            for at, s in enumerate(sentences)
        ]


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(leaks=LEAKS)


@pytest.fixture(scope="module")
def result(clips) -> SideEffects:
    return side_effects(Reader(), clips, planted_set(), draws=4, seed=1, progress=False)


def test_costs_are_found_where_they_were_planted():
    edits = {
        "sex": [Edit(SEX_GATE[0], np.array([SEX_GATE[1]]), gain=0.0)],
        "word": [Edit(WORD_GATE[0], np.array([WORD_GATE[1]]), gain=0.0)],
        "sad": deactivate(planted_set()["sad"]),
    }
    found = side_effects(PlantedListener(), planted_clips(), edits, tasks=CLIP_TASKS, draws=0, progress=False)
    assert found.conditions == ("sex", "word", "sad")
    assert found.neurons == (1, 1, 4)
    np.testing.assert_allclose(found.baseline.value, 1)
    # Half of the speakers are women; one of six words; a fifth of the clips is sad, and taken for neutral.
    expected = [[0, -1 / 2, 0, 0], [-1 / 6, 0, 0, 0], [0, 0, -1 / 5, 0]]
    np.testing.assert_allclose(found.change.value, expected, atol=1e-12)
    np.testing.assert_allclose(found.mean_change.value, np.mean(expected, axis=0), atol=1e-12)
    assert np.isnan(found.random_change.value).all()
    assert "no random control was drawn" in found.notes
    assert "Editing changes" in found.summary()


def test_intervals_are_those_of_the_speakers(result):
    """As many clips of every speaker: Student's interval over their means, and what an unseen event could add."""
    accuracy, speakers = result.accuracy, np.array(result.speakers)
    valence = result.tasks.index("valence")
    by_speaker = np.array(
        [(accuracy[1:, valence] - accuracy[0, valence])[:, speakers == s].mean() for s in np.unique(speakers)]
    )

    def bounds(values: np.ndarray) -> tuple[float, float]:
        unseen = -np.log(0.025) / len(result.conditions) / len(speakers)
        half = np.hypot(stats.t.ppf(0.975, 7) * stats.sem(values), unseen)
        return values.mean() - half, values.mean() + half

    ours = result.mean("valence")
    assert ours.value == pytest.approx(by_speaker.mean())
    assert (ours.low, ours.high) == pytest.approx(bounds(by_speaker), rel=1e-3)
    assert ours.speakers == 8
    drawn = np.array(
        [
            (result.random_accuracy[:, :, valence] - accuracy[0, valence])[..., speakers == s].mean()
            for s in np.unique(speakers)
        ]
    )
    paired = by_speaker - drawn
    assert result.minus_random.value[valence] == pytest.approx(paired.mean())
    got = (result.minus_random.low[valence], result.minus_random.high[valence])
    assert got == pytest.approx(bounds(paired), rel=1e-3)
    assert result.random_mean.value[valence] == pytest.approx(drawn.mean())


def test_random_controls_are_the_same_edits_elsewhere(result, clips):
    assert result.draws == 4
    assert result.random_accuracy.shape == (4, 5, 4, len(clips))
    states = np.random.SeedSequence(1).generate_state(20).tolist()
    for draw, condition in ((0, 0), (2, 3)):
        edits = at_random(
            deactivate(planted_set()[EMOTIONS[condition]]), WIDTHS, seed=states[5 * draw + condition]
        )
        alone = side_effects(PlantedListener(), clips, edits, tasks=CLIP_TASKS, draws=0, progress=False)
        np.testing.assert_array_equal(result.random_accuracy[draw, condition], alone.accuracy[1])


def test_a_text_is_read_under_the_same_edits(result):
    text = result.text
    assert text.sentences == PASSAGE
    assert text.tokens.tolist() == [len(s.split()) for s in PASSAGE]
    assert text.perplexity == pytest.approx(np.e)
    lost = 4 * 0.5 * np.array([(1 + at % 3) / 2 for at in range(len(PASSAGE))])
    sad = EMOTIONS.index("sad")
    assert text.ratio.value[sad] == pytest.approx(np.exp((lost * text.tokens).sum() / text.tokens.sum()))
    assert text.ratio.low[sad] < text.ratio.value[sad] < text.ratio.high[sad]
    others = [at for at in range(5) if at != sad]
    np.testing.assert_allclose(text.ratio.value[others], 1)
    # The mean over conditions is a mean of nats: a geometric mean of ratios.
    assert text.mean_ratio.value == pytest.approx(text.ratio.value[sad] ** (1 / 5))
    assert text.mean_ratio.speakers == len(PASSAGE)


def test_edits_of_audio_alone_leave_a_text_as_it_is(clips):
    edits = deactivate(planted_set()["sad"], positions={"audio"})
    found = side_effects(Reader(), clips, edits, tasks=["text"], draws=1, progress=False)
    assert found.text.ratio.value[0] == 1
    assert found.tasks == ()
    assert found.plot().data


def test_a_text_of_ones_own_is_cut_into_sentences(clips):
    assert sentences_of(" One.  Two and\nthree? Four! ") == ("One.", "Two and three?", "Four!")
    found = side_effects(
        Reader(),
        clips,
        planted_set(),
        tasks=["text"],
        text="One two. Three four five.",
        draws=0,
        progress=False,
    )
    assert found.text.tokens.tolist() == [2, 3]
    with pytest.raises(CorpusError, match="two sentences or more"):
        side_effects(Reader(), clips, planted_set(), tasks=["text"], text="One.", progress=False)
    with pytest.raises(CorpusError, match="leave the task text out"):
        side_effects(PlantedListener(), clips, planted_set(), tasks=["text"], progress=False)


def test_gain_is_obeyed(clips):
    doubled = side_effects(Reader(), clips, planted_set(), alpha=1, draws=0, progress=False)
    assert doubled.alpha == 1
    np.testing.assert_allclose(doubled.text.ratio.value, 1)
    assert "Multiplying gates by 2 changes" in doubled.summary()


def test_empty_sets_are_left_out_and_all_neurons_leave_no_control(clips):
    sets = planted_set()
    emptied = NeuronSet.from_indices(
        sets.origin, {e: sets.indices(e) if e != "sad" else np.zeros(0, np.int64) for e in EMOTIONS}
    )
    found = side_effects(Reader(), clips, emptied, draws=1, progress=False)
    assert "sad" not in found.conditions
    assert "no neurons for sad: left out" in found.notes
    everything = NeuronSet.from_indices(sets.origin, {"sad": np.arange(sum(WIDTHS))})
    found = side_effects(Reader(), clips, everything, draws=3, progress=False)
    assert found.draws == 0
    assert "no random control: layer 0: the edits name 24 of 24 neurons" in " ".join(found.notes)
    assert "random" not in found.summary()
    nothing = NeuronSet.from_indices(sets.origin, {"sad": np.zeros(0, np.int64)})
    with pytest.raises(EditError, match="nothing to edit"):
        side_effects(Reader(), clips, nothing, progress=False)


def test_one_speaker_gets_values_only():
    found = side_effects(Reader(), planted_clips(speakers=1), planted_set(), draws=1, progress=False)
    assert np.isnan(found.mean("sex").low)
    assert any(note.startswith("one speaker only") for note in found.notes)
    assert "no interval" in found.summary()
    assert found.plot().data


def test_wrong_requests_are_one_clear_line(clips):
    with pytest.raises(
        CorpusError, match="unknown side task 'taste'; choose from transcription, sex, valence"
    ):
        side_effects(Reader(), clips, planted_set(), tasks=["taste"])
    with pytest.raises(EditError, match="alpha goes with neurons"):
        side_effects(Reader(), clips, deactivate(planted_set()), alpha=1)
    listener = Reader()
    listener.fingerprint = "other"  # type: ignore[misc]
    with pytest.raises(StatisticsError, match="other"):
        side_effects(listener, clips, planted_set())


def test_frame_file_and_figure_hold_the_same_numbers(result, tmp_path):
    frame = result.to_frame()
    assert len(frame) == 5 * 2 * 6
    mean = frame[(frame.task == "valence") & (frame.neurons == "own") & (frame.condition == "mean")]
    assert mean.value.item() == pytest.approx(result.mean("valence").value)
    result.save(tmp_path / "r.json")
    loaded = SideEffects.load(tmp_path / "r.json")
    assert loaded.to_dict() == result.to_dict()
    without = side_effects(
        PlantedListener(), planted_clips(speakers=2), planted_set(), tasks=["sex"], draws=0, progress=False
    )
    without.save(tmp_path / "s.json")
    assert SideEffects.load(tmp_path / "s.json").text is None
    figure = result.plot()
    means = [t for t in figure.data if t.name.startswith("mean")]
    np.testing.assert_allclose(means[0].x, 100 * result.mean_change.value)
    np.testing.assert_allclose(means[1].x, [result.text.mean_ratio.value])
    assert {t.name for t in figure.data} >= set(EMOTIONS)


# ---------------------------------------------------------------- the likelihood of a text, on a real model


def bare_log_probs(lm, sentences):
    tokenizer = lm.processor.tokenizer
    pieces = [
        tokenizer(s if not at else f" {s}", add_special_tokens=False)["input_ids"]
        for at, s in enumerate(sentences)
    ]
    ids = torch.tensor([[token for piece in pieces for token in piece]])
    with torch.no_grad():
        logits = lm.family.generator(lm.model)(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    chosen = logits[0, :-1].log_softmax(-1)[torch.arange(ids.shape[1] - 1), ids[0, 1:]]
    return chosen.numpy(), [len(piece) for piece in pieces]


def test_the_likelihood_of_a_text_is_the_bare_models(tiny_lm):
    ours = tiny_lm.text_log_probs(PASSAGE[:3])
    theirs, lengths = bare_log_probs(tiny_lm, PASSAGE[:3])
    assert [len(one) for one in ours] == [lengths[0] - 1, *lengths[1:]]
    assert_close(np.concatenate(ours), theirs, terms=terms_of(tiny_lm.model))


def test_the_likelihood_of_a_text_feels_the_edits(tiny_lm):
    from bare_model import plain_hooks

    edits = [Edit(1, np.arange(12), gain=0.0)]
    ours = np.concatenate(tiny_lm.text_log_probs(PASSAGE[:2], edits=edits))
    with plain_hooks(tiny_lm, edits):
        theirs, _ = bare_log_probs(tiny_lm, PASSAGE[:2])
    assert_close(ours, theirs, terms=terms_of(tiny_lm.model))
    assert not np.allclose(ours, np.concatenate(tiny_lm.text_log_probs(PASSAGE[:2])))
    with pytest.raises(ModelError, match="two tokens or more"):
        tiny_lm.text_log_probs([""])
