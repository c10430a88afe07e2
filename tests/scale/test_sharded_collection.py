"""Statistics in shards: the same clips, the same batches, the same numbers as a local run."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_listener import MadeUpModel, corpus, noise, wav
from on_replicas import MadeUpRecipe

from esn_interp.errors import AudioError, CorpusError, EsnError, StatisticsError
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.scale.collection import Recipe, _shards, collect_on
from esn_interp.scale.engines import Here
from esn_interp.scale.on_ray import OnRay
from esn_interp.tasks.collection import CollectWarning, collect
from esn_interp.tasks.protocols import protocol

few = pytest.mark.filterwarnings("ignore:few clips to go by:esn_interp.tasks.collection.CollectWarning")
BATCHES = {"batch_size": 2, "checkpoint_every": 2, "progress": False}


class Stopping(Here):
    """An engine that breaks off after some shards."""

    def __init__(self, after: int) -> None:
        self._after = after

    def results(self, work: Any, shards: Any) -> Any:
        for number, shard in enumerate(shards):
            if number == self._after:
                raise KeyboardInterrupt
            yield work(shard)


def same(one: GateStatistics, other: GateStatistics) -> None:
    for name, values in one.arrays().items():
        np.testing.assert_array_equal(values, other.arrays()[name], err_msg=name)
    assert (one.origin, one.skipped, one.seed) == (other.origin, other.skipped, other.seed)


@few
@pytest.mark.parametrize(
    "options", [{}, {"per_clip": True}, {"limit": 9, "seed": 3}, {"emotions": ("sad", "happy", "angry")}]
)
def test_shards_here_are_a_local_run(options: dict[str, Any], tmp_path: Path):
    found = collect_on(Here(), MadeUpRecipe(23, tmp_path), corpus(23), **BATCHES, **options)
    same(found, collect(MadeUpModel(23), corpus(23), **BATCHES, **options))
    assert len(list(tmp_path.glob("loaded-*"))) == 1


class Answering(MadeUpModel):
    """Can be asked without being looked into."""

    def scores(self, encoded: Any, labels: Any, *, edits: Any = (), tap: Any = None) -> np.ndarray:
        return super().scores(encoded, labels, tap=tap or (lambda *_: None))

    def generate(self, waveforms: Any, prompt: Any, *, edits: Any = (), max_new_tokens: int = 32) -> list[str]:
        raise NotImplementedError


class AnsweringRecipe(MadeUpRecipe):
    def load(self) -> Answering:
        super().load()
        return Answering(self.clips)


@few
def test_shards_stop_at_the_same_correct_clips_as_a_local_run(tmp_path: Path):
    how = {**BATCHES, "seed": 4, "protocol": replace(protocol("ours"), identification_clips=3)}
    found = collect_on(Here(), AnsweringRecipe(40, tmp_path), corpus(40), **how)
    assert found.kept == {"neutral": 3, "happy": 3, "angry": 3}
    same(found, collect(Answering(40), corpus(40), **how))
    assert sum(found.seen.values()) < 40


@few
def test_what_was_stopped_goes_on_from_its_checkpoint_here_or_in_a_local_run(tmp_path: Path):
    whole, file = collect(MadeUpModel(23), corpus(23), **BATCHES), tmp_path / "partial.safetensors"
    for go_on in ("shards", "local"):
        file.unlink(missing_ok=True)
        with pytest.raises(KeyboardInterrupt):
            collect_on(Stopping(2), MadeUpRecipe(23, tmp_path), corpus(23), **BATCHES, checkpoint=file)
        model = MadeUpModel(23)
        if go_on == "local":
            again = collect(model, corpus(23), **BATCHES, checkpoint=file, resume=True)
            assert len(model.heard) == 23 - 8
        else:
            again = collect_on(Here(), MadeUpRecipe(23, tmp_path), corpus(23), **BATCHES, checkpoint=file, resume=True)
        same(again, whole)


@few
def test_a_shard_of_bad_clips_only_is_listed_like_any_other(tmp_path: Path):
    silent = wav(np.zeros(8_000, np.float32))
    for bad in ({0, 1, 2, 3}, {4, 5, 6, 7, 9}):
        clips = corpus(14, bad=dict.fromkeys(bad, silent))
        with pytest.warns(CollectWarning, match=f"skipped {len(bad)} of 14 clips"):
            found = collect_on(Here(), MadeUpRecipe(14, tmp_path), clips, **BATCHES)
        with pytest.warns(CollectWarning):
            same(found, collect(MadeUpModel(14), clips, **BATCHES))


def test_nothing_but_bad_clips_and_the_first_bad_one_are_refused_as_in_a_local_run(tmp_path: Path):
    clips = corpus(6, bad=dict.fromkeys(range(6), b"text"))
    with pytest.raises(CorpusError, match="none of its 6 clips can be used; the first is clip-0"):
        collect_on(Here(), MadeUpRecipe(6, tmp_path), clips, **BATCHES)
    with pytest.raises(AudioError, match="clip-0"):
        collect_on(Here(), MadeUpRecipe(6, tmp_path), clips, strict=True, **BATCHES)


@few
def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path):
    file = tmp_path / "partial.safetensors"
    with pytest.raises(KeyboardInterrupt):
        collect_on(Stopping(2), MadeUpRecipe(23, tmp_path), corpus(23), **BATCHES, checkpoint=file)

    class Another(MadeUpRecipe):
        def load(self) -> MadeUpModel:
            model = super().load()
            model.fingerprint = "m1"  # pyright: ignore[reportAttributeAccessIssue]
            return model

    with pytest.raises(StatisticsError, match="m0"):
        collect_on(Here(), Another(23, tmp_path), corpus(23), **BATCHES, checkpoint=file, resume=True)


def test_shards_follow_from_the_corpus_and_hold_whole_stretches():
    assert _shards(0, 23, 4) == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 20), (20, 23)]
    assert _shards(8, 23, 4)[0] == (8, 12)
    for clips in (1, 320, 10_000, 100_000, 10_000_000):
        found = _shards(0, clips, 320)
        assert [begin for begin, _ in found] == [0, *(end for _, end in found[:-1])]
        assert found[-1][1] == clips
        assert all(begin % 320 == 0 for begin, _ in found)
        assert max(end - begin for begin, end in found) <= 16 * 320


def test_a_recipe_loads_a_model_by_name_or_folder(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tiny_folder.parent)
    lm: Any = Recipe("tiny", {"dtype": "bfloat16"}).load()
    assert lm.name == "tiny"
    assert Path(lm.place) == tiny_folder.resolve()
    assert str(lm.dtype) == "torch.bfloat16"
    assert len(noise(1)) > 0


def test_without_ray_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EsnError, match=r"pip install 'esn-interp\[ray\]'"):
        collect_on(OnRay(), MadeUpRecipe(23, tmp_path), corpus(23), **BATCHES)
