"""The whole way at the widths of a 7B model: 18,944 gates a layer, bfloat16, a vocabulary of 152,064."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from plain_hooks import reading
from true_geometry import VOCABULARY, WIDTH, true_geometry

import esn_interp as esn
from esn_interp.neurons.origin import Origin

LAYERS = 2
EMOTIONS = ("neutral", "angry")


@pytest.fixture(scope="module")
def lm() -> esn.AudioLM:
    return true_geometry(layers=LAYERS)


def noise(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=5000 + 400 * seed)).astype(np.float32)


@pytest.fixture(scope="module")
def clips() -> esn.Clips:
    def wav(seed: int) -> bytes:
        file = io.BytesIO()
        soundfile.write(file, noise(seed), 16_000, format="WAV", subtype="FLOAT")
        return file.getvalue()

    rows = [
        {"id": f"clip-{seed}", "audio": wav(seed), "emotion": EMOTIONS[seed % 2], "speaker": f"s{seed // 2}"}
        for seed in range(4)
    ]
    return esn.Clips.from_frame(pd.DataFrame(rows), name="noise")


@pytest.mark.filterwarnings("ignore::esn_interp.errors.EsnWarning")
def test_collect_select_ablate_dose(lm: esn.AudioLM, clips: esn.Clips, tmp_path: Path):
    assert lm.widths == (WIDTH,) * LAYERS
    assert lm.dtype == torch.bfloat16
    embedding = lm.family.embedding(lm.model).weight
    assert embedding.shape[0] == VOCABULARY
    assert embedding.numel() > 2**26
    assert lm.fingerprint.startswith("2-")

    stats = esn.collect(lm, clips, batch_size=4, progress=False)
    assert sum(stats.seen.values()) == 4
    question = stats.prompt
    fired, added = np.zeros(LAYERS * WIDTH, np.int64), np.zeros(LAYERS * WIDTH)
    with reading(lm) as gates:  # the very batch that was collected, in one run of the plain model
        encoded = lm.encode([noise(seed) for seed in range(4)], question)
        with torch.no_grad():
            lm.family.decoder(lm.model)(**{**encoded.decoder_inputs, "use_cache": False})
    here = torch.from_numpy(np.asarray(encoded.scopes) == 0)
    for layer, (gate,) in gates.items():
        assert gate.dtype == torch.bfloat16
        values = gate[here].double()
        own = slice(layer * WIDTH, (layer + 1) * WIDTH)
        fired[own], added[own] = (values > 0).sum(dim=0).numpy(), values.sum(dim=0).numpy()
    np.testing.assert_array_equal(stats.sums["audio/firings"].sum(axis=0), fired)
    scale = stats.sums["audio/sum_abs"].sum(axis=0)
    assert (np.abs(stats.sums["audio/sum"].sum(axis=0) - added) <= 2.0**-20 * scale).all()
    assert 0.3 < fired.mean() / here.sum() < 0.7

    path = tmp_path / "stats.safetensors"
    stats.save(path)
    assert path.stat().st_size < 0.5 * sum(array.nbytes for array in stats.arrays().values())
    stats = esn.GateStatistics.load(path)
    esns = esn.select(stats, "mad", top=0.005, filter="none")
    assert np.bincount(esns.emotion).tolist() == [round(0.005 * LAYERS * WIDTH)] * 2
    esns.save(tmp_path / "esns.safetensors")
    esns = esn.NeuronSet.load(tmp_path / "esns.safetensors")
    esns.check(lm)

    before = lm.fingerprint
    how = {"draws": 0, "batch_size": 4, "progress": False, "allow_identification_clips": True}
    result = esn.ablation(lm, clips, esns, **how)
    doses = esn.dose_response(lm, clips, esns, alphas=(0.0, 2.0), **how)
    for name, one in {"ablation": result, "doses": doses}.items():
        one.save(tmp_path / f"{name}.json")
        assert len(one.to_frame()) > 0
        assert one.plot() is not None
    assert Origin.of(lm).fingerprint == before
