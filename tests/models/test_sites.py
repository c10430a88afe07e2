"""What is read and edited at a site is what plain PyTorch hooks read and edit there."""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from rounding import assert_close
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.edits import at_random, deactivate
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load
from esn_interp.models.sites import NEURON_SITES, SITES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.collection import collect

CLIPS = noise(0.7, 1.3)
FAMILIES = ("qwen2.5-omni", "qwen2-audio", "voxtral")


@pytest.fixture(scope="module", params=FAMILIES)
def lm(request: pytest.FixtureRequest, family_folder: Callable[[str], Any]) -> Any:
    return load(family_folder(request.param))


@contextmanager
def hooked(lm: Any, layer: int, site: str, change: Callable[[torch.Tensor], torch.Tensor]):
    """The site's value passes through a function, by hooks of PyTorch alone."""
    gate = lm.stacks["thinker"].gates[layer]
    module = {
        "resid_pre": gate.layer, "resid_post": gate.layer, "attn_out": gate.layer.self_attn,
        "mlp_out": gate.layer.mlp, "pre": gate.module, "gate": gate.module, "gated": gate.layer.mlp.down_proj,
    }[site]  # fmt: skip

    def before(module, args, kwargs):
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

    def after(module, args, output):
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    if site in ("resid_pre", "pre", "gated"):
        handle = module.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = module.register_forward_hook(after)
    with ExitStack() as stack:
        stack.callback(handle.remove)
        yield


@pytest.mark.parametrize("site", SITES)
def test_what_a_tap_reads_at_a_site_is_what_hooks_read(lm, site):
    encoded, seen, expected = lm.encode(CLIPS, CHOICE), [], []
    lm.scores(encoded, EMOTIONS, tap=lambda step, layer, value: seen.append(value.clone()), site=site)
    for layer in range(lm.n_layers):
        keep: Any = lambda value: expected.append(value.clone()) or value  # noqa: E731
        with hooked(lm, layer, site, keep):
            lm.scores(encoded, EMOTIONS)
    assert [value.shape[-1] for value in seen] == list(lm.widths_at(site))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(seen, expected, strict=True))


@pytest.mark.parametrize("site", SITES)
def test_an_edit_at_a_site_does_what_hooks_do_there(lm, site):
    encoded = lm.encode(CLIPS, CHOICE)
    embedded = encoded.decoder_inputs["inputs_embeds"].clone()
    chosen = np.arange(1, lm.widths_at(site)[0], 2)
    for layer in (0, lm.n_layers - 1):
        edit = Edit(layer, chosen, gain=0.5, shift=0.3, site=site)

        def change(value: torch.Tensor) -> torch.Tensor:
            value = value.clone()
            value[..., chosen] = 0.5 * value[..., chosen] + 0.3
            return value

        with hooked(lm, layer, site, change):
            expected = lm.scores(encoded, EMOTIONS)
        assert not np.allclose(expected, lm.scores(encoded, EMOTIONS), atol=1e-6)
        assert_close(lm.scores(encoded, EMOTIONS, edits=[edit]), expected, terms=64)
    assert torch.equal(encoded.decoder_inputs["inputs_embeds"], embedded)


def test_edits_of_several_sites_of_one_layer_act_together(lm):
    encoded, everything = lm.encode(CLIPS, CHOICE), np.arange(lm.hidden)
    edits = [Edit(1, everything, gain=0.5, site="resid_post"), Edit(1, np.arange(4), gain=2.0, site="pre"),
             Edit(1, everything, gain=0.9, site="attn_out")]  # fmt: skip
    half: Any = lambda value: 0.5 * value  # noqa: E731

    def double(value: torch.Tensor) -> torch.Tensor:
        return torch.cat([2 * value[..., :4], value[..., 4:]], dim=-1)

    with hooked(lm, 1, "resid_post", half), hooked(lm, 1, "pre", double), hooked(
        lm, 1, "attn_out", lambda value: 0.9 * value
    ):
        expected = lm.scores(encoded, EMOTIONS)
    assert_close(lm.scores(encoded, EMOTIONS, edits=edits), expected, terms=64)
    assert lm.generate(CLIPS[:1], CHOICE, edits=edits, max_new_tokens=3)


def test_along_a_direction_only_its_component_is_edited(tiny_lm):
    encoded, rng = tiny_lm.encode(CLIPS, CHOICE), np.random.default_rng(0)
    along = rng.normal(size=tiny_lm.hidden)
    unit = torch.tensor(along / np.linalg.norm(along), dtype=torch.float32)
    cases: list[tuple[dict[str, float], Any]] = [
        ({"gain": 0.0}, lambda h: h - (h @ unit)[..., None] * unit),
        ({"shift": 2.0}, lambda h: h + 2.0 * unit),
        ({"floor": 1.0}, lambda h: h + (1.0 - h @ unit).clamp_min(0)[..., None] * unit),
    ]
    for options, change in cases:
        edit = Edit(1, np.arange(tiny_lm.hidden), along=along, site="resid_post", **options)
        with hooked(tiny_lm, 1, "resid_post", change):
            expected = tiny_lm.scores(encoded, EMOTIONS)
        assert_close(tiny_lm.scores(encoded, EMOTIONS, edits=[edit]), expected, terms=64)


def test_a_gain_of_what_down_reads_may_stand_in_the_weights_and_no_other(tiny_lm):
    encoded, chosen = tiny_lm.encode(CLIPS, CHOICE), np.array([1, 5])
    gated = [Edit(1, chosen, gain=3.0, site="gated")]
    traced = tiny_lm.scores(encoded, EMOTIONS, edits=gated, plan="traced")
    assert_close(tiny_lm.scores(encoded, EMOTIONS, edits=gated, plan="scaled"), traced, terms=64)
    with pytest.raises(EditError, match="before its activation"):
        tiny_lm.scores(encoded, EMOTIONS, edits=[Edit(1, chosen, gain=3.0, site="pre")], plan="scaled")


def test_nonsense_is_refused(tiny_lm):
    with pytest.raises(EditError, match="no site 'up'"):
        Edit(0, np.array([0]), site="up")
    with pytest.raises(EditError, match="not all 0"):
        Edit(0, np.arange(3), along=np.zeros(3))
    with pytest.raises(EditError, match="single numbers"):
        Edit(0, np.arange(3), along=np.ones(3), shift=np.ones(3))
    far = Edit(0, np.array([tiny_lm.hidden]), gain=0.0, site="resid_post")
    with pytest.raises(EditError, match="out of range, the layer has"):
        tiny_lm.scores(tiny_lm.encode(CLIPS, CHOICE), EMOTIONS, edits=[far])
    with pytest.raises(EditError, match="random control"):
        at_random([replace(far, neurons=np.array([0]))], tiny_lm.widths, seed=0)


@pytest.mark.filterwarnings("ignore:few clips")
@pytest.mark.parametrize("site", NEURON_SITES)
def test_statistics_are_of_the_site_and_say_so(tiny_lm, site, tmp_path):
    clips = noise_corpus(tmp_path)
    stats = collect(tiny_lm, clips, progress=False, site=site, batch_size=2)
    total = dict.fromkeys(range(tiny_lm.n_layers), 0.0)
    encoded = tiny_lm.encode([clip.waveform() for clip in clips], stats.prompt)

    def tap(step: int, layer: int, value: torch.Tensor) -> None:
        total[layer] = float(value[torch.from_numpy(encoded.scopes == 0)].double().sum())

    tiny_lm.scores(encoded, EMOTIONS, tap=tap, site=site)
    sums = stats.sums["audio/sum"].sum(axis=0)
    for layer, columns in enumerate(stats.origin.layers):
        assert sums[columns].sum() == pytest.approx(total[layer], rel=1e-4, abs=1e-4)
    stats.save(tmp_path / "stats.safetensors")
    assert type(stats).load(tmp_path / "stats.safetensors").site == site


def test_neurons_are_edited_where_they_were_found_and_not_mixed_with_others(tiny_lm):
    origin = Origin.of(tiny_lm, corpus="noise", site="gated")
    esns = NeuronSet.from_indices(origin, {"angry": np.array([0, 3])})
    assert {edit.site for edit in deactivate(esns)} == {"gated"}
    with pytest.raises(StatisticsError, match="of the site gated, not of gate"):
        origin.check(replace(origin, site="gate"), "the neurons")
    without = {name: value for name, value in replace(origin, site="gate").header().items() if name != "site"}
    assert Origin.from_header(without, where="made").site == "gate"


def noise_corpus(folder: Any) -> Any:
    import pandas as pd
    import soundfile

    from esn_interp.speech.clips import Clips

    rows = []
    for at, waveform in enumerate(noise(0.7, 1.1, 0.9, 1.3)):
        path = folder / f"{at}.wav"
        soundfile.write(path, waveform, 16_000)
        rows.append({"audio": str(path), "emotion": EMOTIONS[at % 2], "speaker": "x", "id": str(at)})
    return Clips.from_frame(pd.DataFrame(rows), name="noise")
