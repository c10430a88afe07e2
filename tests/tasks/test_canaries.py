"""Judges that are off: told from those that hear, before they have judged anything."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest

from esn_interp.errors import EsnError, ModelError
from esn_interp.speech.corpora import corpus
from esn_interp.studies.config import load_config
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.tasks import judges
from esn_interp.tasks.judges.canaries import CORPORA, JudgeWarning, checked, try_judge
from esn_interp.tasks.judges.knowledge import EMOTION2VEC, emotions_of, require_known

SYNTHETIC, RECORDED = CORPORA


@dataclass
class Oracle:
    """Knows the clips of some corpora by their samples, and guesses about others; ``turn`` shifts its classes."""

    corpora: tuple[str, ...]
    turn: int = 0
    name: str = "oracle"
    emotions: tuple[str, ...] = ("neutral", "happy", "angry", "sad", "fearful")
    known: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self):
        for name in self.corpora:
            clips = corpus(name)
            self.known |= {clip.waveform().tobytes(): clip.emotion for clip in clips}

    def probabilities(self, waveforms, rate):
        rows = np.zeros((len(waveforms), len(self.emotions)))
        for row, wave in enumerate(waveforms):
            heard = self.known.get(np.asarray(wave).tobytes(), self.emotions[0])
            at = self.emotions.index(heard) if heard in self.emotions else 0
            rows[row, (at + self.turn) % len(self.emotions)] = 1
        return rows


def test_a_judge_that_hears_both_passes_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge = Oracle((SYNTHETIC, RECORDED))
        assert checked(judge) is judge
    found = try_judge(judge, RECORDED)
    assert found.recall == 1
    np.testing.assert_array_equal(found.confusion, np.diag(found.confusion.diagonal()))


def test_classes_in_another_order_are_refused_and_deafness_to_recordings_is_warned_of():
    with pytest.raises(ModelError, match="no better than guessing; its weights or its classes"):
        checked(Oracle((SYNTHETIC, RECORDED), turn=1))
    with pytest.warns(JudgeWarning, match="no judge of recorded voices"):
        checked(Oracle((SYNTHETIC,)))


@pytest.mark.parametrize("name", [judges.FILTER, judges.SCORER])
def test_bundled_judges_hear_the_synthetic_clips(name: str):
    found = try_judge(judges.emotion(name), SYNTHETIC)
    assert not found.guessing, found.summary()
    assert emotions_of(name) == judges.emotion(name).emotions


def test_what_a_judge_knows_is_told_without_it(tmp_path):
    assert emotions_of("emotion2vec") == EMOTION2VEC
    assert emotions_of("superb/wav2vec2-base-superb-er") == ("neutral", "happy", "angry", "sad")
    assert emotions_of("some/checkpoint") is None
    (tmp_path / "config.json").write_text('{"id2label": {"0": "hap", "1": "sadness", "2": "noise"}}')
    assert set(emotions_of(tmp_path) or ()) == {"happy", "sad"}
    require_known("some/checkpoint", ["surprised"], role="score_judge")
    with pytest.raises(EsnError, match=r"filter_judge superb/.* does not hear surprised"):
        require_known("superb/wav2vec2-base-superb-er", ["sad", "surprised"], role="filter_judge")
    assert emotions_of("toy-spektrum") is None  # that there is no such judge is said where a config is read


def test_a_config_whose_judge_does_not_know_a_target_is_refused_when_it_is_read(tmp_path):
    text = "name: x\nmodels: [toy-omni]\ncorpora: [toy-studio]\ntargets: [happy, surprised]\n"
    path = tmp_path / "study.yaml"
    path.write_text(text + "filter_judge: superb/wav2vec2-base-superb-er\nscore_judge: emotion2vec\n")
    with pytest.raises(EsnError, match=r"filter_judge superb/wav2vec2-base-superb-er does not hear surprised"):
        load_config(path, kind=ConversionConfig)
    path.write_text(text + "filter_judge: emotion2vec\nscore_judge: toy-prosodie\n")
    with pytest.raises(EsnError, match="toy-prosodie"):
        load_config(path, kind=ConversionConfig)
    path.write_text(text + "filter_judge: emotion2vec\nscore_judge: some/checkpoint\n")
    assert load_config(path, kind=ConversionConfig).targets == ("happy", "surprised")
    for name in ConversionConfig.ready:
        assert load_config(name, kind=ConversionConfig).name == name


def test_a_config_of_a_judge_that_can_not_be_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"id2label": {"0": "LABEL_0"}}', encoding="utf-8")
    assert emotions_of(tmp_path) is None  # names that say nothing
    (tmp_path / "config.json").write_text('{"id2label": {"0": "Sadness", "1": "joy"}}', encoding="utf-8")
    assert emotions_of(tmp_path) == ("happy", "sad")
    for content in ("[1]", '{"id2label": 3}', "{"):
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
        with pytest.raises(EsnError, match=r"config\.json: this is not the config of a checkpoint; download it anew"):
            emotions_of(tmp_path)
