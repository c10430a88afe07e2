"""What the playground does, without a page: hearing, turning, the lesson, and the Python that it tells."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from esn_interp.errors import AudioError, EsnError
from esn_interp.playground.bench import ALPHAS, LONGEST, RANDOM, Bench, Settings
from esn_interp.playground.lesson import lesson
from esn_interp.playground.parts import answer_table, map_page, neuron_links

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:few clips")]
ANGRY = Settings("angry", alpha=8.0)


def test_at_rest_the_answer_is_that_of_the_model(bench: Bench):
    clip = bench.clips[0]
    heard = bench.hear_clip(clip)
    answer = bench.answer(heard, replace(ANGRY, alpha=0))
    assert not answer.turned
    np.testing.assert_array_equal(answer.before, answer.after)
    assert answer.before.sum() == pytest.approx(1, abs=1e-5)
    asked = bench.lm.answer(clip, bench.recognition.prompt, options=bench.emotions)
    assert answer.words == (asked, asked)


@pytest.mark.parametrize("alpha", [ALPHAS[0], 2.0, ALPHAS[1]])
def test_a_turned_answer_is_that_of_the_steered_model(bench: Bench, alpha: float):
    clip = bench.clips[1]
    settings = replace(ANGRY, alpha=alpha)
    answer = bench.answer(bench.hear_clip(clip), settings)
    with bench.lm.steered(bench.chosen(settings), alpha=alpha):
        encoded = bench.lm.encode([clip.waveform()], bench.recognition.prompt)
        scores = bench.lm.scores(encoded, bench.emotions)
    np.testing.assert_allclose(answer.after, np.exp(scores[0]), atol=1e-5)
    assert np.abs(answer.after - answer.before).max() > 1e-4


def test_a_change_of_the_slider_runs_the_decoder_once_and_the_encoder_never(bench: Bench):
    heard = bench.hear_clip(bench.clips[0])
    bench.chosen(ANGRY)
    runs = {"decoder": 0, "encoder": 0}

    def count(what: str):
        def counted(*_: object) -> None:
            runs[what] += 1

        return counted

    encoder = next(module for name, module in bench.lm.model.named_modules() if name.endswith("audio_tower"))
    hooks = [bench.lm._decoder.register_forward_hook(count("decoder")), encoder.register_forward_hook(count("encoder"))]
    try:
        bench.answer(heard, ANGRY)
    finally:
        for hook in hooks:
            hook.remove()
    assert runs == {"decoder": 1, "encoder": 0}


def test_random_neurons_are_the_control(bench: Bench):
    own, other = (bench.chosen(replace(ANGRY, selector=name)) for name in ("mad", RANDOM))
    assert own.counts().tolist() == other.counts().tolist()
    assert set(own.flat.tolist()).isdisjoint(other.flat.tolist())
    with pytest.raises(EsnError, match="unknown selector 'best'"):
        bench.neurons("best", 0.02)


def test_own_recordings_are_heard_and_limited(bench: Bench, tmp_path: Path):
    clip = bench.clips[0]
    soundfile.write(tmp_path / "own.wav", clip.waveform(), 16_000, subtype="FLOAT")
    heard = bench.hear_file(str(tmp_path / "own.wav"))
    np.testing.assert_allclose(heard.plain, bench.hear_clip(clip).plain, atol=1e-6)
    soundfile.write(tmp_path / "long.wav", np.tile(clip.waveform(), 40)[: int(16_000 * (LONGEST + 1))], 16_000)
    with pytest.raises(AudioError, match="your recording"):
        bench.hear_file(str(tmp_path / "long.wav"))


def test_the_lesson_shows_what_it_says(bench: Bench):
    taught = lesson(bench)
    assert [step.title for step in taught.steps] == ["Listen", "Find", "Silence", "Turn up", "Doubt"]
    assert taught.clip.id in bench.lesson.column("id")  # a voice that no claim is made about
    heard = bench.hear_clip(taught.clip)
    listen, _, _, up, doubt = (bench.answer(heard, step.settings) for step in taught.steps)
    assert listen.words == (taught.clip.emotion, taught.clip.emotion)
    assert up.words == (taught.clip.emotion, taught.target)
    assert not doubt.turned


def test_the_python_that_is_told_makes_the_view(bench: Bench):
    taught = lesson(bench)
    heard, settings = bench.hear_clip(taught.clip), taught.steps[3].settings
    code = bench.code(heard, settings).replace("esns.plot().show()", "")
    # The bench of the tests is of few clips; otherwise the lines are run as they are told.
    code = code.replace("(lm, identification)", "(lm, identification.limit(40), progress=False)")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.split() == list(bench.answer(heard, settings).words)


def test_pieces_say_what_is_seen(bench: Bench):
    heard = bench.hear_clip(bench.clips[0])
    answer = bench.answer(heard, ANGRY)
    html = answer_table(answer)
    assert answer.summary() in html
    assert 'role="status"' in html
    assert html.count("<tr>") == 1 + len(bench.emotions)
    (layer, neuron, _), *_ = bench.strongest(ANGRY)
    best = bench.chosen(ANGRY).to_frame().nlargest(1, "score").iloc[0]
    assert (layer, neuron) == (best.layer, best.neuron)
    assert f'href="/neuron/{layer}/{neuron}"' in neuron_links(bench.strongest(ANGRY))
    page = map_page(bench.map("mad", 0.02))
    assert "default-src 'none'" in page
    assert "plotly_click" in page
