"""Neuron sets: labels, set algebra, random controls, files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import heard_clips, origin, statistics_from_rates, statistics_of
from safetensors import safe_open

from esn_interp.errors import EsnError, StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select

WIDTHS = (6, 3, 8)
NAMES = ("neutral", "angry", "sad")
N = sum(WIDTHS)
HOME = origin(widths=WIDTHS)

members = st.fixed_dictionaries({name: st.sets(st.integers(0, N - 1)) for name in NAMES})
small = st.fixed_dictionaries({name: st.sets(st.sampled_from([0, 1, 2, 6, 9, 10, 16])) for name in NAMES})


def neurons(chosen: dict[str, set[int]], **options) -> NeuronSet:
    names = sorted(chosen, key=NAMES.index)
    indices = {name: np.array(list(chosen[name]), dtype=np.int64) for name in names}
    scores = {name: indices[name] / 10 for name in names}
    return NeuronSet.from_indices(options.pop("home", HOME), indices, scores=scores, **options)


def chosen(esns: NeuronSet) -> dict[str, set[int]]:
    return {name: set(esns.indices(name).tolist()) for name in esns.emotions}


@given(members)
@settings(deadline=None, max_examples=40)
def test_labels_are_sorted_and_name_the_gates(gates):
    esns = neurons(gates)
    assert chosen(esns) == gates
    expected = [
        (emotion, layer, neuron)
        for emotion, name in enumerate(NAMES)
        for layer, width in enumerate(WIDTHS)
        for neuron in range(width)
        if sum(WIDTHS[:layer]) + neuron in gates[name]
    ]
    assert (
        list(zip(esns.emotion.tolist(), esns.layer.tolist(), esns.neuron.tolist(), strict=True)) == expected
    )
    assert {a.dtype for a in (esns.emotion, esns.layer, esns.expert, esns.neuron)} == {np.dtype(np.int32)}
    assert (esns.expert == -1).all()
    np.testing.assert_allclose(esns.score, esns.flat / 10, rtol=1e-6)
    assert esns.counts().tolist() == [
        [sum(1 for e, at, _ in expected if (e, at) == (emotion, layer)) for layer in range(3)]
        for emotion in range(3)
    ]
    assert len(esns) == len(expected)
    assert esns.empty == tuple(name for name in NAMES if not gates[name])
    frame = esns.to_frame()
    assert list(frame.columns) == ["emotion", "layer", "expert", "neuron", "score"]
    assert frame["emotion"].tolist() == [NAMES[emotion] for emotion, _, _ in expected]
    everything = esns.indices().tolist()
    assert everything == sorted(set().union(*gates.values()))


def test_one_emotion_is_a_set_of_its_own():
    esns = neurons({"neutral": {1}, "angry": {0, 7}, "sad": set()}, selector="mad", parameters={"top": 0.1})
    angry = esns["angry"]
    assert angry.emotions == ("angry",)
    assert chosen(angry) == {"angry": {0, 7}}
    assert (angry.selector, angry.parameters, angry.origin) == ("mad", {"top": 0.1}, HOME)
    assert len(esns["sad"]) == 0
    with pytest.raises(StatisticsError, match="unknown emotion 'bored'; this set holds neutral, angry, sad"):
        esns["bored"]


def test_it_reads_well():
    esns = neurons({"neutral": {1}, "angry": {0, 7}, "sad": set()}, selector="mad")
    assert repr(esns) == "NeuronSet(mad, tiny on made-up: neutral 1, angry 2, sad 0 of 17 gates)"


@pytest.mark.parametrize(
    ("gates", "part"),
    [([0, 17], "run from 0 to 16"), ([-1], "run from 0 to 16"), ([4, 4], "listed twice")],
)
def test_gates_that_are_none_are_refused(gates: list[int], part: str):
    with pytest.raises(StatisticsError, match=part):
        NeuronSet.from_indices(HOME, {"sad": np.array(gates)})


# ------------------------------------------------------------------ algebra


@given(small, small, small)
@settings(deadline=None, max_examples=40)
def test_the_laws_of_sets(one, two, three):
    a, b, c = neurons(one), neurons(two), neurons(three)
    for name in NAMES:
        assert chosen(a | b)[name] == one[name] | two[name]
        assert chosen(a & b)[name] == one[name] & two[name]
        assert chosen(a - b)[name] == one[name] - two[name]
    assert chosen(a | b) == chosen(b | a)
    assert chosen(a & b) == chosen(b & a)
    assert chosen((a | b) | c) == chosen(a | (b | c))
    assert chosen(a & (b | c)) == chosen((a & b) | (a & c))
    assert chosen(a - (b | c)) == chosen((a - b) - c)
    assert chosen((a - b) | (a & b)) == chosen(a)
    assert len(a) + len(b) == len(a | b) + len(a & b)
    for joined in (a | b, a & b, a - b):
        np.testing.assert_allclose(joined.score, joined.flat / 10, rtol=1e-6)


def test_emotions_may_come_in_another_order():
    gates = {"sad": np.array([1]), "angry": np.array([2])}
    a = NeuronSet.from_indices(HOME, gates)
    b = NeuronSet.from_indices(HOME, {"angry": np.array([2, 3]), "sad": np.array([], dtype=np.int64)})
    assert (a | b).emotions == ("sad", "angry")
    assert chosen(a | b) == {"sad": {1}, "angry": {2, 3}}


def test_the_left_score_wins():
    a = NeuronSet.from_indices(HOME, {"sad": np.array([3, 4])}, scores={"sad": np.array([1.0, 2.0])})
    b = NeuronSet.from_indices(HOME, {"sad": np.array([4, 5])}, scores={"sad": np.array([7.0, 8.0])})
    assert (a | b).score.tolist() == [1, 2, 8]
    assert (a & b).score.tolist() == [2]
    assert (b & a).score.tolist() == [7]


def test_two_single_emotions_are_plain_sets_of_gates():
    esns = neurons({"neutral": {1, 2, 9}, "angry": {2, 9, 10}, "sad": set()})
    shared = esns["neutral"] & esns["angry"]
    assert chosen(shared) == {"neutral & angry": {2, 9}}
    assert chosen(esns["neutral"] | esns["angry"]) == {"neutral | angry": {1, 2, 9, 10}}
    assert chosen(esns["neutral"] - esns["angry"]) == {"neutral - angry": {1}}
    with pytest.raises(
        StatisticsError, match="different emotions can't be combined: angry with neutral, angry, sad"
    ):
        esns["angry"] | esns


def test_a_combination_says_what_it_is_made_of():
    a = neurons({"sad": {1, 2}}, selector="mad", home=origin(widths=WIDTHS, corpus="studio", clips="f1"))
    b = neurons({"sad": {2}}, selector="cas", home=origin(widths=WIDTHS, corpus="phone", clips="f2"))
    joined = a - b
    assert joined.selector == "mad - cas"
    assert joined.corpus == "phone+studio"
    assert joined.parameters["left"]["corpus"] == "studio"
    assert joined.parameters["right"]["selector"] == "cas"


def test_sets_of_different_models_do_not_mix():
    a, b = (
        neurons({"sad": {1}}),
        neurons({"sad": {1}}, home=origin(widths=WIDTHS, fingerprint="xyz", model="other")),
    )
    with pytest.raises(StatisticsError, match=r"tiny \(weights abc.*not from other \(weights xyz"):
        a | b


# ------------------------------------------------------------------ random controls

halves = st.fixed_dictionaries(
    {
        name: st.tuples(*(st.sets(st.integers(0, width - 1), max_size=width // 2) for width in WIDTHS)).map(
            lambda layers: {sum(WIDTHS[:at]) + n for at, layer in enumerate(layers) for n in layer}
        )
        for name in NAMES
    }
)


@given(halves, st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None, max_examples=30)
def test_random_controls_match_the_layers_and_avoid_the_set(gates, seed, matched):
    stats = statistics_from_rates(np.zeros((3, N)), np.tile(np.arange(N) / 7 - 1, (3, 1)), WIDTHS, NAMES)
    esns, options = neurons(gates), {"statistics": stats} if matched else {}
    drawn = esns.random_like(seed, **options)
    assert (drawn.counts() == esns.counts()).all()
    assert drawn.emotions == esns.emotions
    for name in NAMES:
        assert not chosen(drawn)[name] & gates[name]
        assert chosen(esns[name].random_like(seed, **options)) == {name: chosen(drawn)[name]}
    assert chosen(esns.random_like(seed, **options)) == chosen(drawn)


def test_random_controls_reach_every_other_gate_equally():
    esns = neurons({"neutral": {0, 1, 7}, "angry": set(), "sad": {0, 1, 7}})
    hits = np.zeros((2, N))
    for seed in range(600):
        drawn = esns.random_like(seed)
        hits[0, drawn.indices("neutral")] += 1
        hits[1, drawn.indices("sad")] += 1
    expected = np.r_[0, 0, [300] * 4, 300, 0, 300, [0] * 8]
    # Four standard deviations of a binomial with p = 1/2.
    assert (np.abs(hits - expected)[:, expected > 0] < 4 * np.sqrt(150)).all()
    assert (hits[:, expected == 0] == 0).all()
    assert (hits[0] != hits[1]).any()


def test_a_seed_is_needed_and_told():
    esns = neurons({"sad": {3}}, selector="mad", parameters={"top": 0.1})
    drawn = esns.random_like(11)
    assert drawn.selector == "random"
    assert drawn.parameters["seed"] == 11
    assert drawn.parameters["matched"] == ["layer"]
    assert drawn.parameters["like"]["parameters"] == {"top": 0.1}


def test_more_than_half_of_a_layer_has_no_control():
    with pytest.raises(StatisticsError, match="layer 1: 'sad' holds 2 of 3 neurons"):
        neurons({"sad": {6, 7}}).random_like(0)


def test_the_second_control_matches_deciles_of_magnitude():
    widths, rng = (100, 50), np.random.default_rng(0)
    magnitude = rng.permutation(150) + 1.0
    stats = statistics_from_rates(np.zeros((2, 150)), np.tile(magnitude, (2, 1)), widths, ("a", "b"))
    deciles = np.concatenate(
        [magnitude[s].argsort().argsort() * 10 // len(magnitude[s]) for s in (slice(0, 100), slice(100, 150))]
    )
    # Two of the ten gates in some deciles of the first layer, one of five in the second.
    mine = np.concatenate(
        [np.flatnonzero(deciles[:100] == d)[:2] for d in (0, 4, 9)]
        + [100 + np.flatnonzero(deciles[100:] == 9)[:1]]
    )
    esns = NeuronSet.from_indices(origin(widths=widths), {"a": mine, "b": mine})
    for seed in range(10):
        drawn = esns.random_like(seed, statistics=stats)
        assert sorted(deciles[drawn.indices("a")].tolist()) == [0, 0, 4, 4, 9, 9, 9]
        assert "decile of mean abs(g)" in drawn.parameters["matched"]
    plain = {tuple(sorted(deciles[esns.random_like(seed).indices("a")])) for seed in range(10)}
    assert plain != {(0, 0, 4, 4, 9, 9, 9)}


def test_a_used_up_decile_is_served_by_the_nearest_once_every_decile_served_its_own():
    magnitude = np.arange(40.0) + 1
    stats = statistics_from_rates(np.zeros((2, 40)), np.tile(magnitude, (2, 1)), (40,), ("a", "b"))
    # All four gates of decile 5, and three of decile 6, whose fourth must not go to a gate of decile 5.
    esns = NeuronSet.from_indices(origin(widths=(40,)), {"a": np.arange(20, 27), "b": np.array([0])})
    for seed in range(10):
        drawn = esns.random_like(seed, statistics=stats).indices("a")
        assert sorted((drawn // 4).tolist()) == [4, 4, 4, 4, 6, 7, 7]


def test_magnitudes_of_another_model_are_refused():
    stats = statistics_from_rates(np.zeros((2, 5)), np.zeros((2, 5)), (5,), ("a", "b"))
    with pytest.raises(StatisticsError, match="5 gates"):
        neurons({"sad": {3}}).random_like(0, statistics=stats)


# ------------------------------------------------------------------ files


@given(members)
@settings(deadline=None, max_examples=30)
def test_a_saved_set_reads_back(tmp_path_factory: pytest.TempPathFactory, gates):
    path = tmp_path_factory.mktemp("neurons") / "esns.safetensors"
    esns = neurons(gates, selector="mad", parameters={"top": 0.01, "scope": "audio", "kept": {"sad": 3}})
    esns.save(path)
    loaded = NeuronSet.load(path)
    assert loaded.to_frame().equals(esns.to_frame())
    assert (loaded.origin, loaded.emotions, loaded.selector) == (esns.origin, esns.emotions, "mad")
    assert loaded.parameters == esns.parameters


def test_whatever_selects_can_be_saved(tmp_path: Path):
    stats = statistics_of(heard_clips(60))
    esns = select(stats, "mad", top=0.3)
    for one in (
        esns,
        esns["angry"],
        esns | esns,
        esns["angry"] & esns["happy"],
        select(stats, "random", top=0.3),
    ):
        one.save(tmp_path / "esns.safetensors")
        loaded = NeuronSet.load(tmp_path / "esns.safetensors")
        assert chosen(loaded) == chosen(one)
        assert loaded.parameters == json.loads(json.dumps(dict(one.parameters)))


def test_the_file_holds_what_the_format_says(tmp_path: Path):
    select(statistics_of(heard_clips(60)), "cas", top=0.3).save(tmp_path / "e.safetensors")
    with safe_open(tmp_path / "e.safetensors", framework="numpy") as file:
        header = json.loads(file.metadata()["esn"])
        types = {name: str(file.get_tensor(name).dtype) for name in file.keys()}  # noqa: SIM118
    assert types == dict.fromkeys(("emotion", "layer", "expert", "neuron"), "int32") | {"score": "float32"}
    assert (header["kind"], header["version"], header["selector"]) == ("neurons", 1, "cas")
    assert header["emotions"] == ["neutral", "happy", "angry"]
    assert header["parameters"].keys() >= {"top", "scope", "pooling", "filter", "per_layer", "seen", "kept"}
    assert header.keys() >= {
        "model",
        "fingerprint",
        "component",
        "widths",
        "experts",
        "corpus",
        "corpus_fingerprint",
    }
    assert header.keys() >= {"esn_interp", "time"}


def test_files_that_do_not_fit_are_refused(tmp_path: Path):
    path = tmp_path / "e.safetensors"
    neurons({"sad": {3, 16}}).save(path)
    arrays, header = load_tensors(path, kind="neurons", version=1)
    for changed, broken, part in (
        (arrays, header | {"version": 7}, "version 7 of 'neurons'"),
        (arrays, header | {"kind": "statistics"}, "kind 'statistics', expected 'neurons'"),
        (arrays, header | {"widths": [6, 3, 4]}, "neuron 7 at layer 2, which has 4"),
        (arrays, header | {"widths": [6, 3], "experts": [0, 0]}, "layer out of range, there are 2"),
        (arrays, header | {"widths": [6, 3]}, "entry 'experts' is"),
        (arrays, header | {"emotions": []}, "emotion out of range, there are 0"),
        (
            arrays | {"layer": arrays["layer"].astype(np.int64)},
            header,
            "array layer is int64",
        ),
        (
            arrays | {"score": arrays["score"][:1]},
            header,
            "score is float32 \\[1\\]; expected float32 \\[2\\]",
        ),
    ):
        save_tensors(path, changed, broken)
        with pytest.raises(EsnError, match=part):
            NeuronSet.load(path)


def test_another_model_is_refused_by_name():
    class Other:
        name, fingerprint, component, widths = "other-7B", "def", "thinker", WIDTHS

    esns = neurons({"sad": {1}})
    with pytest.raises(StatisticsError, match=r"the neurons come from tiny \(weights abc.*not from other-7B"):
        esns.check(Other())
    Other.fingerprint = "abc"
    esns.check(Other())
    Other.component = "talker"
    with pytest.raises(StatisticsError, match="talker"):
        esns.check(Other())
