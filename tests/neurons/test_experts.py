"""Mixtures of experts: a neuron is (layer, expert, unit), and only the tokens that reached its expert count."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rounding import assert_close

from esn_interp.interventions.edits import deactivate
from esn_interp.models.edits import Edit
from esn_interp.models.routing import RoutedEdit, by_expert, routed
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.resampling import subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics, merge

EXPERTS, WIDTH, CHOICES, DENSE = 4, 3, 2, 5
ORIGIN = Origin("mixed", "f", "thinker", (DENSE, EXPERTS * WIDTH), "noise", "x", experts=(0, EXPERTS))
EMOTIONS = ("happy", "sad")
SCOPES = np.array([[-1, 0, 0, 0, 1, 2], [0, 0, 1, 1, 1, 2]])


def batch(seed: int):
    """Gates of a layer without and one with experts, and the experts of every token."""
    rng = np.random.default_rng(seed)
    dense = torch.from_numpy(rng.normal(size=(*SCOPES.shape, DENSE)))
    gates = torch.from_numpy(rng.normal(size=(*SCOPES.shape, CHOICES, WIDTH)))
    chosen = [rng.choice(EXPERTS, size=CHOICES, replace=False) for _ in range(SCOPES.size)]
    return dense, gates, torch.from_numpy(np.array(chosen).reshape(*SCOPES.shape, CHOICES))


def collected(*seeds: int, per_clip: bool = False) -> GateStatistics:
    accumulator = Accumulator(ORIGIN, EMOTIONS, per_clip=per_clip)
    for seed in seeds:
        dense, gates, experts = batch(seed)
        tap = accumulator.tap(SCOPES)
        tap(0, 0, dense)
        tap(0, 1, gates, experts)
        ids = [f"{seed}-{row}" for row in range(2)]
        accumulator.fold(tap, emotion=np.array([0, 1]), kept=np.array([True, seed % 2 == 0]), ids=ids)
    return accumulator.statistics(prompt="?")


def token_by_token(seeds, emotion: int, scope: int):
    """What each (expert, unit) did, in plain loops: tokens, firings and sum."""
    tokens, firings, total = (np.zeros(EXPERTS * WIDTH) for _ in range(3))
    for seed in seeds:
        _, gates, experts = batch(seed)
        for token in np.flatnonzero(SCOPES[emotion] == scope):
            for choice in range(CHOICES):
                first = int(experts[emotion, token, choice]) * WIDTH
                values = gates[emotion, token, choice].numpy()
                tokens[first : first + WIDTH] += 1
                firings[first : first + WIDTH] += values > 0
                total[first : first + WIDTH] += values
    return tokens, firings, total


@pytest.mark.parametrize(("scope", "code"), [("audio", 0), ("text", 1), ("last", 2)])
def test_only_tokens_routed_to_an_expert_count_for_its_neurons(scope, code):
    stats = collected(0, 2, 4)
    for emotion in range(2):
        tokens, firings, total = token_by_token((0, 2, 4), emotion, code)
        of = slice(DENSE, None)
        np.testing.assert_array_equal(stats.sums[f"{scope}/routed"][emotion, of], tokens)
        np.testing.assert_array_equal(stats.sums[f"{scope}/firings"][emotion, of], firings)
        np.testing.assert_allclose(stats.sums[f"{scope}/sum"][emotion, of], total, rtol=1e-12)
        rates = stats.rates(scope=scope, pooling="token")
        expected = np.divide(firings, tokens, out=np.zeros_like(firings), where=tokens > 0)
        np.testing.assert_allclose(rates.frequency[emotion, of], expected, rtol=1e-12)
        assert (stats.sums[f"{scope}/routed"][emotion, :DENSE] == stats.tokens[scope][emotion]).all()


def test_clips_without_a_token_at_an_expert_do_not_count_there():
    stats = collected(0, 2, 4, 6)
    clips = stats.sums["last/routed_clips"][:, DENSE:]
    assert (clips < stats.clips[:, None]).any()
    rates = stats.rates(scope="last", filter="none")
    shares = stats.sums["last/rate_sum"][:2] + stats.sums["last/rate_sum"][2:]
    count = (stats.sums["last/routed_clips"][:2] + stats.sums["last/routed_clips"][2:])[:, DENSE:]
    expected = np.divide(shares[:, DENSE:], count, out=np.zeros(count.shape), where=count > 0)
    np.testing.assert_allclose(rates.frequency[:, DENSE:], expected)
    assert rates.frequency.max() <= 1


def test_statistics_of_mixtures_are_kept_merged_and_taken_apart(tmp_path):
    whole = collected(0, 1, 2, per_clip=True)
    whole.save(tmp_path / "s.safetensors")
    again = GateStatistics.load(tmp_path / "s.safetensors")
    assert again.origin == ORIGIN
    assert whole.arrays()["audio/tokens/01"].shape == (4, EXPERTS)
    assert "audio/tokens/00" not in whole.arrays()
    for name, values in whole.sums.items():
        np.testing.assert_array_equal(again.sums[name], values, err_msg=name)
    part = subset(whole, ["0-0", "0-1", "2-0", "2-1"])
    for name, values in collected(0, 2).sums.items():
        np.testing.assert_array_equal(part.sums[name], values, err_msg=name)
    shards = [collected(0), collected(1, 2)]
    shards[1] = replace(shards[1], origin=replace(ORIGIN, corpus_fingerprint="y"))
    for name, values in merge(shards).sums.items():
        np.testing.assert_allclose(values, whole.sums[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("selector", ["lap", "lape", "mad", "cas"])
def test_selected_neurons_say_which_expert_they_belong_to(selector, tmp_path):
    esns = select(collected(0, 2, 4), selector, top=0.5, scope="all")
    mixed = esns.layer == 1
    assert (esns.expert[~mixed] == -1).all()
    assert ((esns.expert[mixed] >= 0) & (esns.expert[mixed] < EXPERTS) & (esns.neuron[mixed] < WIDTH)).all()
    rebuilt = NeuronSet.from_indices(ORIGIN, {e: esns.indices(e) for e in esns.emotions})
    np.testing.assert_array_equal(rebuilt.expert, esns.expert)
    esns.save(tmp_path / "n.safetensors")
    np.testing.assert_array_equal(NeuronSet.load(tmp_path / "n.safetensors").flat, esns.flat)
    edits = {edit.layer: edit for edit in deactivate(esns)}
    np.testing.assert_array_equal(
        edits[1].neurons, np.unique(esns.expert[mixed] * WIDTH + esns.neuron[mixed])
    )


@pytest.mark.parametrize("where", [None, SCOPES == 0])
def test_an_edit_acts_on_the_experts_that_it_names(where):
    _, gates, experts = batch(7)
    edit = Edit(1, np.array([0, 2, 4, 11]), gain=np.array([2.0, 0.0, 3.0, 1.0]), shift=0.5, floor=-0.2)
    expected, count = gates.clone(), 0
    for position in np.ndindex(*SCOPES.shape):
        if where is not None and not where[position]:
            continue
        for choice in range(CHOICES):
            expert, acted = int(experts[(*position, choice)]), False
            for at, neuron in enumerate(edit.neurons):
                if neuron // WIDTH == expert:
                    old = gates[(*position, choice, neuron % WIDTH)]
                    expected[(*position, choice, neuron % WIDTH)] = max(-0.2, float(edit.gain[at]) * old + 0.5)
                    acted = True
            count += acted
    flat, rows = gates.clone().view(-1, WIDTH), experts.view(-1, CHOICES)
    seen, ids = routed(flat, rows, clips=2)
    with torch.no_grad():
        ready = RoutedEdit(edit, WIDTH, seen.device, seen.dtype)
        result, touched = ready.apply(seen, ids, None if where is None else torch.from_numpy(where))
    assert touched == count
    assert_close(result, expected, terms=2)
    assert_close(flat.view(expected.shape), expected, terms=2)


def test_sums_by_expert_leave_out_nothing():
    values, experts = torch.ones(6, CHOICES, WIDTH), torch.arange(12).view(6, 2) % EXPERTS
    sums = by_expert(values, experts, count=EXPERTS)
    assert sums.tolist() == [3.0] * (EXPERTS * WIDTH)
