"""LAPE against a second implementation of the published algorithm, index for index."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_up_gates import statistics_from_counts, statistics_from_rates

from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select

WIDTHS = (7, 4, 9)

NAMES = ("neutral", "happy", "angry", "sad")

N = sum(WIDTHS)


def places(esns: NeuronSet, emotion: str) -> list[tuple[int, int]]:
    one = esns[emotion]
    return list(zip(one.layer.tolist(), one.neuron.tolist(), strict=True))


# ------------------------------------------------------------------ lape


def published_lape(
    firings: np.ndarray,
    tokens: np.ndarray,
    *,
    top_rate: float,
    filter_rate: float,
    activation_bar_ratio: float,
) -> list[list[list[int]]]:
    """The algorithm of Tang et al. (2024), gate by gate, as ``[class][layer] -> sorted neurons``.

    Written over [class, layer, neuron] counts and Python lists; only the float32 arithmetic is PyTorch's.
    Equal entropies are ranked by (layer, neuron), which the paper leaves open. A gate of infinite entropy
    belongs to no class: in the paper that follows from the two rates being equal.
    """
    classes, layers, width = firings.shape
    probs = {
        (layer, neuron): [
            torch.tensor(int(firings[c, layer, neuron])) / torch.tensor(int(tokens[c]))
            for c in range(classes)
        ]
        for layer in range(layers)
        for neuron in range(width)
    }
    values = sorted(p.item() for row in probs.values() for p in row)
    bar = values[round(len(values) * filter_rate) - 1]
    activation_bar = values[round(len(values) * activation_bar_ratio) - 1]
    entropy = {}
    for at, row in probs.items():
        p = torch.stack(row)
        total = p.sum()
        terms = []
        for one in p:
            q = one / total if total > 0 else torch.tensor(0.0)
            terms.append(q * q.log() if q > 0 else torch.tensor(0.0))
        entropy[at] = -torch.stack(terms).sum().item()
        if not any(one.item() > bar for one in row):
            entropy[at] = float("inf")
    kept = sorted(entropy, key=lambda at: (entropy[at], at))[: round(len(entropy) * top_rate)]
    kept = [at for at in kept if entropy[at] < float("inf")]
    masks = []
    for c in range(classes):
        members = [at for at in kept if probs[at][c].item() > activation_bar]
        masks.append([sorted(neuron for layer, neuron in members if layer == at) for at in range(layers)])
    return masks


def our_lape(firings: np.ndarray, tokens: np.ndarray, **options: float) -> list[list[list[int]]]:
    classes, layers, width = firings.shape
    names = tuple(f"class {c}" for c in range(classes))
    stats = statistics_from_counts(firings.reshape(classes, -1), tokens, (width,) * layers, names)
    esns = select(stats, "lape", scope="audio", **options)
    return [
        [sorted(neuron for at, neuron in places(esns, name) if at == layer) for layer in range(layers)]
        for name in names
    ]


def assert_lape_agrees(
    firings: np.ndarray, tokens: np.ndarray, top: float = 0.05, tau=0.95, beta=0.95
) -> None:
    ours = our_lape(firings, tokens, top=top, tau_rate=tau, beta_rate=beta)
    assert ours == published_lape(firings, tokens, top_rate=top, filter_rate=tau, activation_bar_ratio=beta)


@pytest.mark.parametrize("seed", range(12))
def test_lape_is_the_published_algorithm_on_random_counts(seed: int):
    rng = np.random.default_rng(seed)
    classes, layers, width = rng.integers(2, 8), rng.integers(1, 5), rng.integers(30, 90)
    tokens = rng.integers(1_000, 50_000_000, classes)
    firings = (rng.beta(0.3, 2, (classes, layers, width)) * tokens[:, None, None]).astype(np.int64)
    assert_lape_agrees(firings, tokens)
    assert_lape_agrees(firings, tokens, top=0.3, tau=0.8, beta=0.6)
    assert_lape_agrees(firings, tokens, top=0.3, tau=0.6, beta=0.9)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_lape_is_the_published_algorithm_on_small_counts_with_ties(data: st.DataObject):
    classes, layers, width = (data.draw(st.integers(*bounds)) for bounds in ((1, 5), (1, 3), (2, 9)))
    most = data.draw(st.sampled_from([1, 2, 3, 40]))
    firings = data.draw(arrays(np.int64, (classes, layers, width), elements=st.integers(0, most)))
    tokens = data.draw(arrays(np.int64, classes, elements=st.integers(most, 3 * most)))
    rate = st.sampled_from([0.3, 0.5, 0.75, 0.95, 1.0])
    top = data.draw(st.sampled_from([0.1, 0.25, 0.5, 1.0]))
    assume(round(top * layers * width) >= 1 and round(0.3 * layers * width * classes) >= 1)
    assert_lape_agrees(firings, tokens, top=top, tau=data.draw(rate), beta=data.draw(rate))


def test_lape_index_for_index_with_the_published_tensor_code():
    """The same in one go over whole tensors, the way the authors' script computes it, on counts without
    ties."""
    rng = np.random.default_rng(5)
    tokens = torch.from_numpy(rng.integers(10**5, 10**6, 6))
    over_zero = (torch.from_numpy(rng.beta(0.3, 2, (4, 150, 6))) * tokens).long()
    probs = over_zero / tokens
    normed = (probs / probs.sum(-1, keepdim=True)).nan_to_num(0)
    entropy = -(normed * torch.where(normed > 0, normed.log(), 0)).sum(-1)
    bar = probs.flatten().kthvalue(round(probs.numel() * 0.95)).values
    entropy[(probs > bar).sum(-1) == 0] = torch.inf
    _, index = entropy.flatten().topk(round(entropy.numel() * 0.02), largest=False)
    expected = [
        [
            sorted((index % 150)[(index // 150 == layer) & (probs.view(-1, 6)[index, c] > bar)].tolist())
            for layer in range(4)
        ]
        for c in range(6)
    ]
    firings = over_zero.permute(2, 0, 1).numpy()
    assert our_lape(firings, tokens.numpy(), top=0.02) == expected
    assert sum(len(layer) for one in expected for layer in one) >= 12


class TestLapeEdgeCases:
    tokens = np.array([100, 100, 100])

    def counts(self) -> np.ndarray:
        return np.random.default_rng(0).integers(10, 20, (3, 2, 20))

    def test_dead_neurons_have_no_entropy_and_are_not_selected(self):
        firings = self.counts()
        firings[:, 0, :10] = 0
        firings[0, 1, 4] = 99
        masks = our_lape(firings, self.tokens, top=0.25)
        assert all(neuron >= 10 for one in masks for neuron in one[0])
        assert 4 in masks[0][1]
        assert_lape_agrees(firings, self.tokens, top=0.25)

    def test_fewer_survivors_than_asked_for(self):
        firings = np.full((3, 2, 20), 10)
        firings[1, 1, 7] = 90
        assert our_lape(firings, self.tokens, top=0.5) == [[[], []], [[], [7]], [[], []]]
        assert_lape_agrees(firings, self.tokens, top=0.5)

    def test_a_selected_neuron_joins_every_class_above_the_bar(self):
        firings = np.full((3, 2, 20), 10)
        firings[0, 0, 3] = firings[2, 0, 3] = 90
        assert our_lape(firings, self.tokens, top=0.5) == [[[3], []], [[], []], [[3], []]]

    def test_empty_classes_stay_also_the_last(self):
        firings = np.full((3, 2, 20), 10)
        firings[1, 0, 2] = 80
        assert our_lape(firings, self.tokens, top=0.1) == [[[], []], [[2], []], [[], []]]
        names = select(
            statistics_from_counts(firings.reshape(3, -1), self.tokens, (20, 20), NAMES[:3]), "lape", top=0.1
        ).emotions
        assert names == NAMES[:3]

    def test_a_gate_is_above_the_bar_only_strictly(self):
        firings = np.full((3, 1, 20), 10)
        assert our_lape(firings, self.tokens, top=1.0) == [[[]], [[]], [[]]]

    def test_the_two_rates_are_separate(self):
        firings = self.counts()
        firings[0, 0, :4], firings[1, 1, :4] = 60, 40
        wide = our_lape(firings, self.tokens, top=0.2, tau_rate=0.95, beta_rate=0.5)
        narrow = our_lape(firings, self.tokens, top=0.2, tau_rate=0.95, beta_rate=0.97)
        assert wide != narrow
        assert_lape_agrees(firings, self.tokens, top=0.2, tau=0.95, beta=0.5)
        assert_lape_agrees(firings, self.tokens, top=0.2, tau=0.5, beta=0.97)

    def test_equal_entropies_are_ranked_by_layer_and_neuron(self):
        firings = np.full((3, 2, 20), 10)
        firings[0, 0, [5, 9]] = firings[1, 1, [0, 1]] = 90
        assert our_lape(firings, self.tokens, top=0.05) == [[[5, 9], []], [[], []], [[], []]]
        assert_lape_agrees(firings, self.tokens, top=0.05)

    def test_pooling_by_clip_is_there_for_those_who_ask(self):
        frequency = np.full((3, N), 0.1)
        frequency[1, 4] = 0.9
        stats = statistics_from_rates(
            frequency, frequency, WIDTHS, NAMES[:3]
        )  # without a firing among its tokens
        assert len(select(stats, "lape", top=0.1)) == 0
        assert places(select(stats, "lape", top=0.1, pooling="clip"), "happy") == [(0, 4)]
