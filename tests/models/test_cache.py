"""`lm.cache` gives under each name what plain PyTorch hooks see there, in one run."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny_omni import CHOICE, noise

from esn_interp.errors import ModelError
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load
from esn_interp.models.sites import KEPT
from esn_interp.models.stacks import encoder_layers

CLIP = noise(1.3)[0]


@pytest.fixture(scope="module", params=("qwen2.5-omni", "qwen2-audio", "voxtral"))
def lm(request: pytest.FixtureRequest, family_folder: Any) -> Any:
    return load(family_folder(request.param))


def by_hooks(lm: Any, *, eager: bool) -> dict[str, np.ndarray]:
    """Everything, by hooks of PyTorch alone."""
    seen: dict[str, np.ndarray] = {}
    handles: list[Any] = []

    def keep(name: str, value: torch.Tensor) -> None:
        seen[name] = value[0].detach().float().numpy().copy()

    def first(args: Any, named: Any) -> torch.Tensor:
        return args[0] if args else named["hidden_states"]

    def before(module: Any, name: str) -> None:
        def hook(module: Any, args: Any, named: Any) -> None:
            keep(name, first(args, named))

        handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def after(module: Any, name: str, item: int = 0) -> None:
        def hook(module: Any, args: Any, output: Any) -> None:
            keep(name, output[item] if isinstance(output, tuple) else output)

        handles.append(module.register_forward_hook(hook))

    for i, gate in enumerate(lm.stacks["thinker"].gates):
        layer, name = gate.layer, f"blocks.{i}"
        before(layer, f"{name}.resid_pre")
        before(layer.self_attn.o_proj, f"{name}.z")
        after(layer.self_attn, f"{name}.attn_out")
        if eager:
            after(layer.self_attn, f"{name}.pattern", item=1)
        before(gate.module, f"{name}.pre")
        after(gate.module, f"{name}.gate")
        before(layer.mlp.down_proj, f"{name}.gated")
        after(layer.mlp, f"{name}.mlp_out")
        after(layer, f"{name}.resid_post")
    inputs = lm.family.inputs(lm.processor, [CLIP], CHOICE)
    decoder = lm.stacks["thinker"].decoder
    if eager:
        decoder.config._attn_implementation = "eager"
    with torch.no_grad():
        hidden = lm.family.backbone(lm.model)(**inputs.tensors, use_cache=False).last_hidden_state
    for handle in handles:
        handle.remove()
    return seen | {"final_norm": hidden[0].float().numpy()}


def test_every_name_holds_what_hooks_see(lm):
    expected = by_hooks(lm, eager=False)
    cache = lm.cache(CLIP, CHOICE, progress=False)
    last = lm.n_layers - 1
    assert not any("pattern" in name for name in cache)
    for name, value in expected.items():
        if name.endswith(".z"):
            assert cache.axes(name) == ("token", "head", "unit")
            value = value.reshape(cache[name].shape)
        assert np.array_equal(cache[name], value), name
    assert np.array_equal(cache["resid_final"], expected[f"blocks.{last}.resid_post"])
    assert set(cache) - set(expected) == {"resid_final", *(name for name in cache if name.startswith("encoder."))}
    assert np.isnan(cache.eager_difference)
    assert cache.stack("gate").shape == (lm.n_layers, len(cache.tokens), lm.widths[0])


def test_patterns_come_from_eager_attention_which_is_switched_back(lm):
    decoder = lm.stacks["thinker"].decoder
    before = decoder.config._attn_implementation
    cache = lm.cache(CLIP, CHOICE, names=["blocks.*.pattern", "final_norm"], progress=False)
    assert decoder.config._attn_implementation == before != "eager"
    plain = by_hooks(lm, eager=False)["final_norm"]
    assert cache.eager_difference == pytest.approx(
        np.abs(cache["final_norm"] - plain).max() / np.abs(plain).max(), rel=1e-5, abs=1e-12
    )
    assert cache.eager_difference < 1e-4
    expected = by_hooks(lm, eager=True)
    decoder.config._attn_implementation = before
    for name in (name for name in cache if name.endswith("pattern")):
        assert np.array_equal(cache[name], expected[name])
        assert cache[name].sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_layers_of_the_encoder_are_kept_with_their_seconds(lm):
    seen: list[np.ndarray] = []

    def hook(module: Any, args: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) else output
        seen.append(value.reshape(-1, value.shape[-1]).numpy().copy())

    layers = encoder_layers(lm.model)
    handles = [layer.register_forward_hook(hook) for layer in layers]
    cache = lm.cache(CLIP, CHOICE, names="encoder.*", progress=False)
    for handle in handles:
        handle.remove()
    assert len(cache) == len(layers) > 0
    for at, name in enumerate(cache):
        assert np.array_equal(cache[name], seen[at])
        assert len(cache.frames(name)) == len(cache[name])
        assert cache.frames(name)[-1] < cache.duration


def test_tokens_have_their_seconds_and_scopes(tiny_lm):
    cache = tiny_lm.cache(CLIP, CHOICE, names="resid_final", progress=False)
    heard = cache.where("audio")
    assert cache.duration == pytest.approx(len(CLIP) / 16_000)
    assert np.isnan(cache.seconds[~heard]).all()
    steps = np.diff(cache.seconds[heard])
    assert steps == pytest.approx(cache.duration / heard.sum())
    assert cache.seconds[heard][0] == 0
    assert cache.where("last").sum() == 1


def test_edits_that_stand_act_in_the_run(tiny_lm):
    edit = Edit(1, np.arange(8), gain=0.0)
    plain = tiny_lm.cache(CLIP, CHOICE, names="blocks.*", progress=False)
    with tiny_lm.steered([edit]):
        cache = tiny_lm.cache(CLIP, CHOICE, names="blocks.*", progress=False)
    assert (cache["blocks.1.gate"][:, :8] == 0).all()
    assert np.array_equal(cache["blocks.0.resid_post"], plain["blocks.0.resid_post"])
    assert not np.array_equal(cache["blocks.1.resid_post"], plain["blocks.1.resid_post"])


def test_what_does_not_fit_is_refused_before_the_run_and_says_what_would(tiny_lm, capsys):
    cache = tiny_lm.cache(CLIP, CHOICE)
    told = capsys.readouterr().err
    assert f"Keeping {len(cache)} activations of {len(cache.tokens)} tokens" in told
    one = tiny_lm.cache(CLIP, CHOICE, names="blocks.0.gate", progress=False)
    with pytest.raises(ModelError, match=r"take .* by itself would fit: .*blocks\.\*\.gate \("):
        tiny_lm.cache(CLIP, CHOICE, at_most=one.nbytes * (tiny_lm.n_layers + 1))
    with pytest.raises(ModelError, match=r"no activation is called 'blocks\.9\.up'") as refused:
        tiny_lm.cache(CLIP, CHOICE, names="blocks.9.up")
    assert all(kind in str(refused.value) for kind in KEPT)
    with pytest.raises(ModelError, match=r"it has blocks\.\*\.gate"):
        one["blocks.0.resid_pre"]


def test_a_notebook_shows_what_there_is(tiny_lm):
    cache = tiny_lm.cache(CLIP, CHOICE, names=["blocks.0.gate", "resid_final"], progress=False)
    html = cache._repr_html_()
    tokens, width = cache["blocks.0.gate"].shape
    for told in ("blocks.0.gate", "token, neuron", "resid_final", CHOICE):
        assert told in html
    assert f"{tokens} × {width}" in html
    assert len(html) < 3000
