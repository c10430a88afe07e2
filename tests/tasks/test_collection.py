"""Collecting, with a made-up model whose gates and answers are known, and with a tiny real one."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_gates import WIDTHS, HeardClip, assert_same, statistics_of
from made_up_listener import EMOTIONS, MadeUpModel, corpus, noise, wav
from rounding import assert_close, terms_of, tolerance
from tiny_omni import save_tiny

from esn_interp.errors import AudioError, CorpusError, StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.budget import Budget
from esn_interp.tasks.collection import CollectWarning, collect
from esn_interp.tasks.recognition import Recognition

pytestmark = pytest.mark.filterwarnings(
    "ignore:few clips to go by:esn_interp.tasks.collection.CollectWarning"
)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_clips_are_added_on_the_side_of_their_answer(batch_size: int):
    model, clips = MadeUpModel(20), corpus(20)
    stats = collect(model, clips, batch_size=batch_size)
    assert_same(stats, statistics_of([model.expected(seed) for seed in range(20)]))
    assert sorted(model.heard) == sorted(clips.column("id"))
    assert stats.emotions == EMOTIONS
    assert stats.seen == {"neutral": 7, "happy": 7, "angry": 6}
    assert stats.kept == {"neutral": 5, "happy": 5, "angry": 5}
    assert stats.prompt == Recognition(EMOTIONS).prompt
    assert model.prompts == {stats.prompt}
    assert (stats.origin.model, stats.origin.fingerprint, stats.origin.widths) == ("made-up", "m0", WIDTHS)
    assert (stats.corpus, stats.origin.corpus_fingerprint) == ("noise", clips.fingerprint)


def test_shards_of_a_corpus_add_up_to_it():
    model, clips = MadeUpModel(20), corpus(20)
    whole = collect(model, clips)
    parts = [collect(model, clips.take(rows), emotions=EMOTIONS) for rows in ([0, 3], range(4, 20), [1, 2])]
    assert parts[0].seen == {"neutral": 2, "happy": 0, "angry": 0}
    assert_same(parts[2] + parts[0] + parts[1], whole)


def test_few_correct_clips_are_warned_of():
    with pytest.warns(CollectWarning, match=r"neutral 3 \(labelled correctly, of 4\), happy 3 \("):
        collect(MadeUpModel(12), corpus(12))


BAD = {
    1: b"this is text, called .wav",
    4: wav(np.zeros(8_000, np.float32)),
    5: wav(np.full(8_000, np.nan, np.float32)),
    9: wav(noise(9)[:800]),
}


def test_one_recording_under_two_emotions_is_refused_and_files_that_say_nothing_are_not():
    one, other = wav(noise(0)), b"this is text, called .wav"
    with pytest.raises(CorpusError, match=r"emotions: 1, such as clip-0 \(neutral\) and clip-4 \(happy\)"):
        collect(MadeUpModel(14), corpus(14, bad={0: one, 3: one, 4: one}))
    with pytest.warns(CollectWarning, match="skipped 2 of 14 clips"):
        collect(MadeUpModel(14), corpus(14, bad={1: other, 3: other}))


def test_bad_clips_are_skipped_counted_and_listed(tmp_path: Path):
    good = [seed for seed in range(14) if seed not in BAD]
    model = MadeUpModel(14)
    with pytest.warns(CollectWarning, match="skipped 4 of 14 clips; the first is clip-1"):
        stats = collect(model, corpus(14, bad=BAD), batch_size=4)
    assert [clip for clip, _ in stats.skipped] == ["clip-1", "clip-4", "clip-5", "clip-9"]
    assert all(f"clip-{seed}" in reason for seed, (_, reason) in zip(BAD, stats.skipped, strict=True))
    assert_same(stats, statistics_of([model.expected(seed) for seed in good]))
    stats.save(tmp_path / "s.safetensors")
    assert GateStatistics.load(tmp_path / "s.safetensors").skipped == stats.skipped


def test_strict_stops_at_a_bad_clip():
    with pytest.raises(AudioError, match="clip-1"):
        collect(MadeUpModel(14), corpus(14, bad=BAD), strict=True)


def test_a_corpus_of_bad_clips_gives_nothing():
    bad = dict.fromkeys(range(6), b"text")
    with pytest.raises(CorpusError, match="none of its 6 clips can be used; the first is clip-0"):
        collect(MadeUpModel(6), corpus(6, bad=bad))


def test_a_limit_is_balanced_and_seeded():
    model, clips = MadeUpModel(21), corpus(21)
    stats = collect(model, clips, limit=9, seed=3)
    assert stats.seen == {"neutral": 3, "happy": 3, "angry": 3}
    assert stats.origin.corpus_fingerprint == clips.limit(9, seed=3).fingerprint
    assert stats.seed == 3


def test_emotions_can_be_named_in_any_order():
    model = MadeUpModel(12)
    stats = collect(model, corpus(12), emotions=("happy", "neutral"))
    assert stats.emotions == ("happy", "neutral")
    assert stats.seen == {"happy": 4, "neutral": 4}
    assert "Choose one: happy, neutral." in stats.prompt
    with pytest.raises(CorpusError, match="no clip is sad, bored; its emotions are neutral, happy, angry"):
        collect(model, corpus(12), emotions=("sad", "bored"))


def test_single_clips_tell_their_size_first(capsys: pytest.CaptureFixture[str]):
    model = MadeUpModel(12)
    stats = collect(model, corpus(12), per_clip=True, batch_size=5)
    assert f"12 clips: {12 * 12 * 3 * 16 / 1e6:.1f} MB" in capsys.readouterr().err
    assert stats.per_clip is not None
    for row, clip in enumerate(stats.per_clip.ids):
        heard = model.expected(int(clip.split("-")[1]))
        audio = np.concatenate(heard.gates, axis=1)[heard.scopes == 0]
        assert_close(stats.per_clip.mean("audio")[row], audio.mean(axis=0), terms=len(audio))
        np.testing.assert_allclose(stats.per_clip.rate("audio")[row], (audio > 0).mean(axis=0), rtol=1e-12)
        assert (stats.per_clip.emotion[row], stats.per_clip.kept[row]) == (heard.emotion, heard.kept)
    assert stats.per_clip.speakers == tuple(
        dict(zip(corpus(12).column("id"), corpus(12).column("speaker"), strict=True))[clip]
        for clip in stats.per_clip.ids
    )
    collect(model, corpus(12), per_clip=True, progress=False)
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------ interruptions


@pytest.mark.parametrize("stopped_after", [0, 5, 8, 17, 29])
@pytest.mark.parametrize("per_clip", [False, True])
@pytest.mark.filterwarnings("ignore:skipped:esn_interp.tasks.collection.CollectWarning")
def test_an_interrupted_collection_goes_on_to_the_same_bits(
    tmp_path: Path, stopped_after: int, per_clip: bool
):
    clips, path = corpus(34, bad=BAD), tmp_path / "half.safetensors"
    options = {
        "batch_size": 4,
        "checkpoint": path,
        "checkpoint_every": 2,
        "per_clip": per_clip,
        "progress": False,
    }
    whole = collect(MadeUpModel(34), clips, **{**options, "checkpoint": None})
    stopped = MadeUpModel(34, fails_after=stopped_after)
    with pytest.raises(KeyboardInterrupt):
        collect(stopped, clips, **options)
    resumed = MadeUpModel(34)
    stats = collect(resumed, clips, **options, resume=True)
    assert_same(stats, whole, bitwise=True)
    assert stats.skipped == whole.skipped
    # An interval is eight clips of the corpus; no more than one is heard twice.
    assert len(stopped.heard) + len(resumed.heard) - 30 <= 8
    again = MadeUpModel(34)
    assert_same(collect(again, clips, **options, resume=True), whole, bitwise=True)
    assert again.heard == []


def test_without_resume_a_checkpoint_is_written_anew(tmp_path: Path):
    path, model = tmp_path / "half.safetensors", MadeUpModel(12)
    for _ in range(2):
        collect(model, corpus(12), checkpoint=path)
    assert len(model.heard) == 24


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path):
    path, model = tmp_path / "half.safetensors", MadeUpModel(15)
    collect(model, corpus(12), checkpoint=path)
    other = MadeUpModel(15)
    other.fingerprint = "m1"
    for part, call in {
        "other clips": lambda: collect(model, corpus(15), checkpoint=path, resume=True),
        "other prompt": lambda: collect(
            model, corpus(12), checkpoint=path, resume=True, emotions=("angry", "happy", "neutral")
        ),
        "other per-clip": lambda: collect(model, corpus(12), checkpoint=path, resume=True, per_clip=True),
        "weights m1": lambda: collect(other, corpus(12), checkpoint=path, resume=True),
        "name the checkpoint": lambda: collect(model, corpus(12), resume=True),
    }.items():
        with pytest.raises(StatisticsError, match=part):
            call()


@pytest.mark.parametrize(
    ("entry", "array", "told"),
    [
        ({"position": -1}, {}, "entry 'position' is -1"),
        ({}, {"plan/sizes": np.array([1.5])}, "entry 'plan' has no array plan/sizes of whole numbers"),
        ({}, {"plan/rows": np.array([[1, 2]])}, "entry 'plan' has no array plan/rows of whole numbers"),
        ({}, {"plan/sizes": np.array([90])}, "entry 'plan' divides 90 rows"),
        ({}, {"plan/rows": np.array([-1])}, "entry 'plan' divides"),
        ({"plan": {"budget": {"clips": 0, "tokens": None}, "window": 4}}, {}, "entry 'budget' is 0 clips"),
        ({"plan": {"budget": {"clips": 4, "tokens": None}, "window": 0}}, {}, "entry 'budget' is 4 clips"),
    ],
)
def test_a_checkpoint_whose_plan_can_not_be_is_refused(tmp_path: Path, entry, array, told):
    path, model = tmp_path / "half.safetensors", MadeUpModel(12)
    collect(model, corpus(12), checkpoint=path)
    arrays, header = load_tensors(path, kind="collection checkpoint", version=3)
    save_tensors(path, arrays | array, header | entry)
    with pytest.raises(StatisticsError, match=told):
        collect(model, corpus(12), checkpoint=path, resume=True)


def test_a_batch_holds_a_clip_at_least():
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        collect(MadeUpModel(4), corpus(4), batch_size=0)


def test_a_card_takes_as_many_tokens_as_its_free_memory_holds(monkeypatch: pytest.MonkeyPatch):
    lm = SimpleNamespace(device=torch.device("cuda"), widths=(18_944,) * 28, dtype=torch.bfloat16)
    free = [2**power for power in range(20, 42)]
    found: list[int] = []
    for one in free:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, one=one: (one, 2**42))
        found.append(Budget.found(lm).tokens or 0)
    assert (found[0], found[-1]) == (256, 8192)  # the least that a clip may need, the most that a card can be busy with
    assert all(one in {low, 2 * low} for low, one in pairwise(found))  # twice the memory, twice the tokens in between
    assert set(found) == {2**power for power in range(8, 14)}  # powers of two: a little less memory, the same batches
    lm.device = torch.device("cpu")
    assert Budget.found(lm).tokens == 2048


# ------------------------------------------------------------------ a real model


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> AudioLM:
    return load(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def collected(lm: AudioLM) -> dict[int, GateStatistics]:
    return {size: collect(lm, corpus(18), batch_size=size, progress=False) for size in (1, 3, 16)}


def test_on_a_real_model_the_sums_are_those_of_plain_hooks_that_store_everything(lm: AudioLM, collected):
    clips, recognition = corpus(18), Recognition(EMOTIONS)
    stored: list[HeardClip] = []
    for number, clip in enumerate(clips):
        inputs = lm.family.inputs(lm.processor, [clip.waveform()], recognition.prompt)
        seen: list[np.ndarray] = []
        hooks = [
            layer.mlp.act_fn.register_forward_hook(
                lambda *run, seen=seen: seen.append(run[2][0].detach().numpy().copy())
            )
            for layer in lm.family.decoder(lm.model).layers
        ]
        with torch.no_grad():
            lm.family.generator(lm.model)(**inputs.tensors)
        for hook in hooks:
            hook.remove()
        answer = lm.answer(clip, recognition.prompt, options=EMOTIONS)
        scopes = inputs.scopes[0].numpy().astype(np.int8)
        stored.append(HeardClip(clip.id, number % 3, answer == clip.emotion, seen, scopes))
    expected = statistics_of(stored, widths=lm.widths, batch_size=1)
    assert_same(collected[1], expected)
    assert 0 < sum(collected[1].kept.values()) < 18


@pytest.mark.parametrize("size", [3, 16])
def test_on_a_real_model_batches_change_nothing_but_float_order(
    lm: AudioLM, collected: dict[int, GateStatistics], size: int
):
    one, many = collected[1].arrays(), collected[size].arrays()
    terms, differing, total = terms_of(lm.model), 0, 0
    for name in one:
        scope, *kind = name.split("/")
        if name == "clips" or kind == ["tokens"]:
            np.testing.assert_array_equal(many[name], one[name])
        elif kind[0] == "firings":
            differing += np.abs(many[name] - one[name]).sum()
            total += one[f"{scope}/tokens"].sum() * one[name].shape[1]
        elif kind[0] in ("sum", "sum_abs"):
            scale = np.sqrt(one[f"{scope}/tokens"][:, None] * one[f"{scope}/sum_sq/{kind[1]}"])
            assert (np.abs(many[name] - one[name]) <= tolerance(terms, scale)).all(), name
    assert total > 10_000
    assert differing <= total / 100_000


def test_on_a_real_model_in_double_precision_batches_change_nothing(tmp_path: Path):
    lm = load(save_tiny(tmp_path))
    lm.model.double()
    one, many = (collect(lm, corpus(9), batch_size=size, progress=False).arrays() for size in (1, 9))
    for name in one:
        np.testing.assert_allclose(many[name], one[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_on_a_real_model_what_is_prepared_ahead_is_what_is_prepared_in_between(lm: AudioLM, collected):
    ahead = collect(lm, corpus(18), batch_size=3, progress=False, workers=2)
    assert_same(ahead, collected[3], bitwise=True)
