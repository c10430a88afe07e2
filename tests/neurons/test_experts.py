"""Mixtures of experts: a neuron is (layer, expert, unit), and only the tokens that reached its expert count."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rounding import assert_close

from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.models.edits import Edit
from esn_interp.models.routing import RoutedEdit, by_expert, routed
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.relabelling import _ClipSums
from esn_interp.neurons.resampling import subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.speech_tap import SpeechTap
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


def collected(*seeds: int, per_clip: bool = False, turned: tuple[int, ...] = ()) -> GateStatistics:
    """Of two clips a seed, the first happy and the second sad; the other way round where the seed is ``turned``."""
    accumulator = Accumulator(ORIGIN, EMOTIONS, per_clip=per_clip)
    for seed in seeds:
        dense, gates, experts = batch(seed)
        tap = accumulator.tap(SCOPES)
        tap(0, 0, dense)
        tap(0, 1, gates, experts)
        ids = [f"{seed}-{row}" for row in range(2)]
        emotion = np.array([1, 0] if seed in turned else [0, 1])
        accumulator.fold(tap, emotion=emotion, kept=np.array([True, seed % 2 == 0]), ids=ids)
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


def test_statistics_of_other_labels_are_those_of_clips_that_carry_them():
    whole = collected(0, 1, 2, per_clip=True)
    assert whole.per_clip is not None
    (turned,) = _ClipSums(whole, whole.per_clip).grouped(np.array([[0, 1, 1, 0, 0, 1]]))
    assert turned.seen == whole.seen
    for name, values in collected(0, 1, 2, turned=(1,)).sums.items():
        np.testing.assert_allclose(turned.sums[name], values, rtol=1e-12, err_msg=name)
    assert dict(turned.sums).keys() == whole.sums.keys()
    with pytest.raises(KeyError):
        turned.sums["end/sum"]


def test_a_clip_on_its_own_divides_by_the_tokens_that_reached_a_gate():
    whole = collected(0, per_clip=True)
    assert whole.per_clip is not None
    for scope, code in (("audio", 0), ("text", 1), ("last", 2)):
        for row in range(2):
            tokens, firings, total = token_by_token((0,), row, code)
            rate, mean = (of(scope)[row, DENSE:] for of in (whole.per_clip.rate, whole.per_clip.mean))
            np.testing.assert_allclose(rate, firings / np.maximum(tokens, 1))
            np.testing.assert_allclose(mean, total / np.maximum(tokens, 1), rtol=1e-6)


def test_magnitudes_are_over_the_tokens_that_reached_a_gate():
    stats, expected = collected(0, 2, 4), []
    for emotion in range(2):
        tokens, total = np.zeros(EXPERTS * WIDTH), np.zeros(EXPERTS * WIDTH)
        for seed in (0, 2, 4):
            _, gates, experts = batch(seed)
            for token in np.flatnonzero(SCOPES[emotion] == 1):
                for choice in range(CHOICES):
                    first = int(experts[emotion, token, choice]) * WIDTH
                    tokens[first : first + WIDTH] += 1
                    total[first : first + WIDTH] += gates[emotion, token, choice].abs().numpy()
        expected.append(np.divide(total, tokens, out=np.zeros_like(total), where=tokens > 0))
    np.testing.assert_allclose(stats.magnitude(scope="text")[DENSE:], np.mean(expected, axis=0), rtol=1e-12)


def test_what_is_spoken_is_summed_by_the_expert_that_each_token_reached():
    """Step 0 reads the prompt; then each step is a token of every clip, and one that has ended counts no more."""
    live = np.array([True, True])
    tap = SpeechTap(ORIGIN, SCOPES, live)
    expected = {kind: np.zeros((2, EXPERTS * WIDTH)) for kind in ("routed", "firings", "sum", "sum_abs")}
    dense_sum = np.zeros((2, DENSE))
    for step, seed in enumerate((10, 11, 12)):
        dense, gates, experts = batch(seed)
        if step:
            dense, gates, experts = dense[:, -1:], gates[:, -1:], experts[:, -1:]
            for row in np.flatnonzero(live):
                dense_sum[row] += dense[row, 0].numpy()
                for choice in range(CHOICES):
                    first, values = int(experts[row, 0, choice]) * WIDTH, gates[row, 0, choice].numpy()
                    added = {"routed": np.ones(WIDTH), "firings": values > 0, "sum": values, "sum_abs": np.abs(values)}
                    for kind, value in added.items():
                        expected[kind][row, first : first + WIDTH] += value
        tap(step, 0, dense)
        tap(step, 1, gates, experts)
        live[0] = step < 1
    for row, spoken in ((0, 1), (1, 2)):
        clip = tap.clip(row, id=str(row), speaker="a", emotion=0)
        assert clip is not None
        assert clip.tokens["generated"].tolist() == [spoken]
        for kind, values in expected.items():
            np.testing.assert_allclose(clip.sums[f"generated/{kind}"][0, DENSE:], values[row], rtol=1e-12)
        np.testing.assert_allclose(clip.sums["generated/sum"][0, :DENSE], dense_sum[row], rtol=1e-12)
        assert clip.sums["generated/routed"][0, :DENSE].tolist() == [spoken] * DENSE


def test_a_run_that_shows_no_gates_of_a_layer_gives_nothing_to_add_up():
    tap = SpeechTap(ORIGIN, SCOPES, np.array([True, True]))
    tap(0, 0, batch(10)[0])
    with pytest.raises(StatisticsError, match="the run gave no gates for some layers"):
        tap.clip(0, id="0", speaker="a", emotion=0)


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
