"""Looks into one clip equal plain PyTorch on tiny models of three families."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import BUILDERS
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.analysis.inside import (
    acoustics,
    attention_over_recording,
    compare_sites,
    direct_attribution,
    lens,
    patching_map,
    writes,
)
from esn_interp.analysis.inside.direct import DirectAttribution
from esn_interp.analysis.inside.lensing import Lens
from esn_interp.analysis.inside.patching import PatchingMap
from esn_interp.analysis.inside.seen import name_of
from esn_interp.analysis.inside.voice import AcousticCorrelates, spearman, voice_at
from esn_interp.analysis.inside.writing import Writes
from esn_interp.errors import EsnError, ModelError, StatisticsError
from esn_interp.models.loading import load

CLIP, TWIN = noise(1.3, 1.7)
LABELS = EMOTIONS


@pytest.fixture(scope="module", params=("qwen2.5-omni", "qwen2-audio", "voxtral"))
def lm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint") / "tiny"))


def run(lm: Any, clip: np.ndarray = CLIP) -> dict[str, Any]:
    """States and logits by hooks of PyTorch alone."""
    gates, states, handles = lm.stacks["thinker"].gates, dict[str, Any](), list[Any]()

    def keep(name: str, before: bool, module: Any) -> None:
        def pre(module: Any, args: Any, named: Any) -> None:
            states[name] = (args[0] if args else named["hidden_states"])[0].clone()

        def post(module: Any, args: Any, output: Any) -> None:
            states[name] = (output[0] if isinstance(output, tuple) else output)[0].clone()

        options = {"with_kwargs": True} if before else {}
        register = module.register_forward_pre_hook if before else module.register_forward_hook
        handles.append(register(pre if before else post, **options))

    for i, gate in enumerate(gates):
        keep(f"in{i}", True, gate.layer)
        keep(f"out{i}", False, gate.layer)
        keep(f"attention{i}", False, gate.layer.self_attn)
        keep(f"mlp{i}", False, gate.layer.mlp)
        keep(f"z{i}", True, gate.layer.self_attn.o_proj)
        keep(f"gated{i}", True, gate.layer.mlp.down_proj)
    inputs = lm.family.inputs(lm.processor, [clip], CHOICE)
    with torch.no_grad():
        logits = lm.family.generator(lm.model)(**inputs.tensors).logits[0]
    for handle in handles:
        handle.remove()
    return states | {"logits": logits}


def ids_of(lm: Any) -> list[int]:
    return [lm.processor.tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in LABELS]


def test_the_lens_is_norm_and_head_on_every_state(lm):
    states, ids = run(lm), ids_of(lm)
    norm, head = lm.stacks["thinker"].decoder.norm, lm.family.head(lm.model)
    found = lens(lm, CLIP, LABELS, question=CHOICE)
    every = lens(lm, CLIP, question=CHOICE)
    for row in range(lm.n_layers + 1):
        with torch.no_grad():
            logits = head(norm(states["in0"] if row == 0 else states[f"out{row - 1}"]))
        assert found.by_label[row] == pytest.approx(logits[:, ids].softmax(-1).numpy(), abs=1e-5)
        assert every.probability[row] == pytest.approx(logits.softmax(-1).max(-1).values.numpy(), abs=1e-5)
    last = states["logits"][-1]
    assert found.answer == LABELS[int(last[ids].argmax())]
    assert every.answer == lm.processor.tokenizer.decode([int(last.argmax())])


def test_parts_add_up_to_the_log_odds_and_equal_gradients(lm):
    states, ids = run(lm), ids_of(lm)
    found = direct_attribution(lm, CLIP, LABELS, target="angry", question=CHOICE, top=10_000)
    at = LABELS.index("angry")
    final = states[f"out{lm.n_layers - 1}"][-1]
    norm, head = lm.stacks["thinker"].decoder.norm, lm.family.head(lm.model)
    scale = final.pow(2).mean().sqrt()

    def log_odds(state: torch.Tensor) -> torch.Tensor:
        logits = head(state / scale * norm(torch.ones_like(state)))[ids]
        return logits[at] - torch.cat([logits[:at], logits[at + 1 :]]).logsumexp(0)

    state = final.clone().requires_grad_()
    value = log_odds(state)
    (slope,) = torch.autograd.grad(value, state)
    value = value.detach()
    assert found.log_odds == pytest.approx(float(value), abs=1e-3)
    assert found.total == pytest.approx(found.log_odds, abs=1e-3)
    assert found.embedding == pytest.approx(float(states["in0"][-1] @ slope), abs=1e-4)
    for layer, gate in enumerate(lm.stacks["thinker"].gates):
        assert found.attention[layer] == pytest.approx(float(states[f"attention{layer}"][-1] @ slope), abs=1e-4)
        assert found.mlp[layer] == pytest.approx(float(states[f"mlp{layer}"][-1] @ slope), abs=1e-4)
        z, heads = states[f"z{layer}"][-1], found.heads.shape[1]
        for head_at, part in enumerate(torch.arange(len(z)).chunk(heads)):
            alone = gate.layer.self_attn.o_proj.weight[:, part] @ z[part]
            assert found.heads[layer, head_at] == pytest.approx(float((alone @ slope).detach()), abs=1e-4)
        mine = found.top_layer == layer
        expected = (gate.layer.mlp.down_proj.weight * states[f"gated{layer}"][-1]).T @ slope
        assert found.top_value[mine] == pytest.approx(expected.detach().numpy()[found.top_neuron[mine]], abs=1e-4)
    assert len(found.top_value) == lm.n_gates


def test_what_a_neuron_writes_is_its_column_through_norm_and_head(lm):
    layer, neuron = 1, 3
    found = writes(lm, layer, neuron, LABELS, top=5)
    column = lm.stacks["thinker"].gates[layer].layer.mlp.down_proj.weight[:, neuron]
    norm, head = lm.stacks["thinker"].decoder.norm, lm.family.head(lm.model)
    with torch.no_grad():
        logits = head.weight @ (column * norm(torch.ones_like(column)))
    logits = (logits - logits.mean()).numpy()
    assert found.label_by == pytest.approx(logits[ids_of(lm)], abs=1e-5)
    order = np.argsort(-logits)
    assert found.raised_by == pytest.approx(logits[order[:5]], abs=1e-5)
    assert found.lowered_by == pytest.approx(logits[order[::-1][:5]], abs=1e-5)
    assert found.raised[0] == lm.processor.tokenizer.decode([int(order[0])])


def test_a_patched_place_gives_what_hooks_give(lm):
    found = patching_map(lm, CLIP, TWIN, LABELS, site="resid_post", target="angry", parts=3, question=CHOICE)
    own, other, ids = run(lm), run(lm, TWIN), ids_of(lm)
    inputs = lm.family.inputs(lm.processor, [CLIP], CHOICE)
    scopes = inputs.scopes[0].numpy()
    at = LABELS.index("angry")

    def log_odds(logits: torch.Tensor) -> float:
        scores = logits[-1, ids]
        return float(scores[at] - torch.cat([scores[:at], scores[at + 1 :]]).logsumexp(0))

    start, end = log_odds(own["logits"]), log_odds(other["logits"])
    assert (found.clip_log_odds, found.twin_log_odds) == pytest.approx((start, end), abs=1e-4)
    place = np.array_split(np.flatnonzero(scopes == 0), 3)[1]
    theirs = lm.family.inputs(lm.processor, [TWIN], CHOICE).scopes[0].numpy()
    source = np.array_split(np.flatnonzero(theirs == 0), 3)[1]
    source = source[np.round(np.linspace(0, len(source) - 1, len(place))).astype(int)]
    for layer in range(lm.n_layers):

        def hook(module: Any, args: Any, output: Any, layer: int = layer) -> Any:
            value = (output[0] if isinstance(output, tuple) else output).clone()
            value[0, place] = other[f"out{layer}"][source]
            return (value, *output[1:]) if isinstance(output, tuple) else value

        handle = lm.stacks["thinker"].gates[layer].layer.register_forward_hook(hook)
        with torch.no_grad():
            logits = lm.family.generator(lm.model)(**inputs.tensors).logits[0]
        handle.remove()
        expected = (log_odds(logits) - start) / (end - start)
        assert found.recovered[layer, 1] == pytest.approx(expected, abs=2e-3 / abs(end - start))
    # Behind the last layer nothing is read but the last token.
    assert found.recovered[-1] == pytest.approx([0, 0, 0, 0, 1], abs=2e-3 / abs(end - start))


@pytest.mark.parametrize("site", ["gate", "attn_out"])
def test_a_clip_that_is_its_own_twin_is_refused_and_sites_can_be_patched(lm, site):
    found = patching_map(lm, CLIP, TWIN, LABELS, site=site, parts=2, question=CHOICE)
    assert np.isfinite(found.recovered).all()
    assert found.recovered.shape == (lm.n_layers, 4)
    with pytest.raises(ModelError, match="both clips alike"):
        patching_map(lm, CLIP, CLIP, LABELS, site=site, parts=2, question=CHOICE)


def test_attention_over_the_recording_is_the_last_row_of_the_patterns(lm):
    found = attention_over_recording(lm, CLIP, question=CHOICE)
    cache = lm.cache(CLIP, CHOICE, names="blocks.*.pattern", progress=False)
    heard = cache.where("audio")
    for layer in range(lm.n_layers):
        assert found.weights[layer] == pytest.approx(cache[f"blocks.{layer}.pattern"][:, -1, heard])
    assert (found.on_audio <= 1 + 1e-6).all()
    assert found.plot().data
    frame = found.to_frame()
    assert len(frame) == found.weights.size
    strongest = frame.groupby(["layer", "head"])["weight"].sum().idxmax()
    assert f"most by head {strongest[1]} of layer {strongest[0]} (" in found.summary()


def test_a_gate_that_is_the_level_goes_with_the_level():
    rng = np.random.default_rng(0)
    seconds = np.arange(32_000) / 16_000
    loudness = 0.05 + 0.4 * np.abs(np.sin(2 * np.pi * 1.5 * seconds))
    pitch = 150 + 50 * seconds
    wave = (loudness * np.sin(2 * np.pi * np.cumsum(pitch) / 16_000)).astype(np.float32)
    wave += 1e-4 * rng.normal(size=len(wave)).astype(np.float32)
    moments = np.arange(50) * 0.04 + 0.02
    voice = voice_at(wave, moments)
    at = (16_000 * moments).astype(int)
    assert spearman(loudness[at], voice[:, 1]) > 0.95
    assert spearman(pitch[at], voice[:, 0]) > 0.95
    assert abs(spearman(rng.normal(size=50), voice[:, 1])) < 0.35
    assert np.isnan(spearman(np.zeros(50), voice[:, 1]))


@pytest.mark.filterwarnings("ignore:few clips")
def test_results_are_saved_drawn_and_told(tiny_lm, tmp_path):
    results: dict[str, tuple[Any, type[Any]]] = {
        "lens": (lens(tiny_lm, CLIP, LABELS, question=CHOICE), Lens),
        "direct": (direct_attribution(tiny_lm, CLIP, LABELS, question=CHOICE), DirectAttribution),
        "writes": (writes(tiny_lm, 0, 1, LABELS), Writes),
        "patching": (patching_map(tiny_lm, CLIP, TWIN, LABELS, parts=2, question=CHOICE), PatchingMap),
    }
    for name, (result, kind) in results.items():
        result.save(tmp_path / f"{name}.json")
        again = kind.load(tmp_path / f"{name}.json")
        assert again.to_frame().equals(result.to_frame())
        assert again.summary() == result.summary()
        assert result.summary().endswith(".")
        assert result.plot().layout.title.text
    assert AcousticCorrelates.kind == "acoustic_correlates"
    assert callable(acoustics)


def test_nonsense_is_refused(tiny_lm):
    with pytest.raises(ModelError, match="no neuron 99999 at layer 0"):
        writes(tiny_lm, 0, 99_999)
    with pytest.raises(EsnError, match="between which answers"):
        direct_attribution(tiny_lm, CLIP, ())
    with pytest.raises(StatisticsError, match="has no neuron 3 at layer 99"):
        acoustics(tiny_lm, [], 99, 3)
    assert [name_of(one) for one in (Path("a/b.wav"), "c.wav", CLIP)] == ["b.wav", "c.wav", "waveform"]
    with pytest.raises(ModelError, match="not among the labels"):
        direct_attribution(tiny_lm, CLIP, LABELS, target="bored", question=CHOICE)


@pytest.mark.usefixtures("unchecked")
def test_there_is_no_comparison_of_no_sites(tiny_lm):
    with pytest.raises(StatisticsError, match="name at least one site of "):
        compare_sites(tiny_lm, [], [], sites=())  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:few clips")
def test_sites_are_compared_by_the_ablation_of_what_is_found_there():
    import esn_interp as esn

    lm = load("toy-omni")
    _, ident, evaluate = esn.corpus("toy-studio").split()
    ident, evaluate = ident.limit(25), evaluate.limit(10)
    found = esn.inside.compare_sites(lm, ident, evaluate, sites=("gated",), count=8, draws=1, progress=False)
    esns = esn.select(esn.collect(lm, ident, site="gated", progress=False), "mad", count=8)
    alone = esn.ablation(lm, evaluate, esns, draws=1, progress=False)
    assert found.own[0] == alone.self_change
    assert found.cross[0] == alone.cross_change
    gates = esn.select(esn.collect(lm, ident, progress=False), "mad", count=8)
    both = sum(len(set(esns.indices(e)) & set(gates.indices(e))) for e in esns.emotions)
    assert found.shared[0] == pytest.approx(both / len(esns))
    assert len(found.to_frame()) == 3
    assert f"costs: gated {100 * found.own[0].value:+.1f} (others " in found.summary()
    assert found.plot().data
