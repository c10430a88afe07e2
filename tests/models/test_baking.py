"""A baked model is an ordinary checkpoint: plain transformers serves it, and it does what the traced edit does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rounding import assert_close, terms_of
from safetensors.torch import load_file, save_file
from tiny_models import BUILDERS
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import EditError, EsnError, ModelError
from esn_interp.models.baked import Baked
from esn_interp.models.baking import Scaled, _copy
from esn_interp.models.columns import Columns
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load

CLIPS = noise(0.7, 1.3)
FAMILIES = ("qwen2.5-omni", "qwen3-omni", "phi-4-multimodal", "audio-flamingo-3")


@pytest.fixture(scope="module", params=FAMILIES)
def lm(request, tmp_path_factory):
    return load(BUILDERS[request.param](tmp_path_factory.mktemp("base") / request.param), name="base")


def some_edits(lm):
    rng = np.random.default_rng(0)
    return [
        Edit(layer, neurons := np.arange(layer % 2, width, 3), gain=rng.choice([0.0, 0.6, 2.5], len(neurons)))
        for layer, width in enumerate(lm.widths)
    ]


def answered(model, lm, tokens=6):
    """Label log-probabilities and greedy tokens of a bare model of transformers, beside the base's inputs."""
    generator = lm.family.generator(model)
    inputs = lm.family.inputs(lm.processor, CLIPS, CHOICE).tensors
    labels = [
        lm.processor.tokenizer(emotion, add_special_tokens=False)["input_ids"][0] for emotion in EMOTIONS
    ]
    with torch.no_grad():
        logits = generator(**inputs).logits[:, -1, labels].float().log_softmax(-1).numpy()
        return logits, generator.generate(**inputs, do_sample=False, max_new_tokens=tokens)


def test_plain_transformers_serves_it_as_the_traced_edit(lm, tmp_path):
    edits, before = some_edits(lm), {name: value.clone() for name, value in lm.model.state_dict().items()}
    baked = lm.bake(edits, tmp_path / "steered", by="A. Tester")
    assert all(torch.equal(before[name], value) for name, value in lm.model.state_dict().items())
    served, _ = lm.family.load(tmp_path / "steered", component=lm.component)
    scores, tokens = answered(served, lm)
    traced = lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS, edits=edits, plan="traced")
    assert_close(scores, traced, terms=terms_of(lm.model))
    start = lm.family.inputs(lm.processor, CLIPS, CHOICE).tensors["input_ids"].shape[1]
    texts = lm.processor.tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
    expected = lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=6, plan="traced")
    assert [text.strip() for text in texts] == expected != lm.generate(CLIPS, CHOICE, max_new_tokens=6)

    steered = load(tmp_path / "steered")
    assert steered.baked is not None
    assert steered.baked.summary() in str(steered)
    assert steered.baked.digest == baked.digest
    assert steered.fingerprint != lm.fingerprint
    with pytest.raises(EditError, match="steered already"):
        steered.bake(edits, tmp_path / "twice")


def test_only_what_is_scaled_differs_from_the_base(lm, tmp_path):
    last = len(lm.widths) - 1
    lm.bake([Edit(last, np.array([1]), gain=0.0)], tmp_path / "steered")
    base, out = Path(lm.place), tmp_path / "steered"
    assert {item.name for item in out.iterdir()} == {
        *(item.name for item in base.iterdir()),
        "steered.json",
        "README.md",
    }
    changed = 0
    for file in base.glob("*.safetensors"):
        ours, theirs = load_file(file), load_file(out / file.name)
        assert ours.keys() == theirs.keys()
        different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
        changed += sum(int((ours[name] != theirs[name]).sum()) for name in different)
        assert all("down_proj" in name for name in different)
    assert 0 < changed <= lm.family.head(lm.model).in_features
    config = json.loads((out / "config.json").read_text())
    assert config == json.loads((base / "config.json").read_text())


def test_a_patch_holds_the_changed_tensors_and_no_code(lm, tmp_path):
    edits = some_edits(lm)
    lm.bake(edits, tmp_path / "patch", patch=True)
    names = {"changed.safetensors", "steered.json", "README.md"}
    assert {item.name for item in (tmp_path / "patch").iterdir()} == names
    served, _ = lm.family.load(lm.place, component=lm.component)
    changed = load_file(tmp_path / "patch" / "changed.safetensors")
    assert not served.load_state_dict(changed, strict=False).unexpected_keys
    scores, _ = answered(served, lm)
    traced = lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS, edits=edits, plan="traced")
    assert_close(scores, traced, terms=terms_of(lm.model))


def test_the_card_says_what_was_done_and_by_whom(tiny_lm, tmp_path):
    (Path(tiny_lm.place) / "README.md").write_text("the base's own card")
    tiny_lm.bake([Edit(1, np.array([2, 5]), gain=2.5)], tmp_path / "out", by="A. Tester")
    (Path(tiny_lm.place) / "README.md").unlink()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "2 gates in 1 layers of the thinker multiplied by 2.5, by A. Tester" in card
    assert tiny_lm.fingerprint in card
    assert "| 1 | 2 | 2.5 | 2.5 |" in card
    assert (tmp_path / "out" / "BASE_README.md").read_text() == "the base's own card"
    again = Baked.beside(tmp_path / "out")
    assert again is not None
    assert (again.by, again.base) == ("A. Tester", tiny_lm.name)
    assert again.layers[1][0].tolist() == [2, 5]


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        (
            [Edit(0, np.array([1]), shift=0.5)],
            "an edit at layer 0 shifts gates or has a floor, which weights can't do",
        ),
        ([Edit(0, np.array([1]), gain=2.0, positions=frozenset({"audio"}))], "acts in audio only"),
        ([Edit(0, np.array([1]))], "change nothing"),
    ],
)
def test_what_is_not_a_scaling_is_refused(tiny_lm, tmp_path, edits, reason):
    with pytest.raises(EditError, match=reason):
        tiny_lm.bake(edits, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tiny_lm, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("keep")
    with pytest.raises(EditError, match="there is something already"):
        tiny_lm.bake([Edit(0, np.array([1]), gain=2.0)], tmp_path / "mine")
    assert [item.name for item in tmp_path.iterdir()] == ["mine"]


def test_weights_that_are_not_in_the_files_are_refused(tiny_lm, tmp_path):
    tiny_lm.stacks["thinker"].gates[1].reader.weight.data += 1
    with pytest.raises(ModelError, match=r"no tensor in its files holds .*layers\.1\.mlp\.down_proj\.weight"):
        tiny_lm.bake([Edit(1, np.array([1]), gain=2.0)], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_model_in_other_precision_is_baked_in_the_files_own(tiny_folder, tmp_path):
    lm = load(tiny_folder, dtype=torch.bfloat16)
    lm.bake([Edit(1, np.array([3]), gain=2.5)], tmp_path / "out")
    name = next(
        name for name in load_file(tiny_folder / "model.safetensors") if "layers.1.mlp.down_proj" in name
    )
    ours, theirs = (
        load_file(folder / "model.safetensors")[name] for folder in (tiny_folder, tmp_path / "out")
    )
    assert ours.dtype == theirs.dtype == torch.float32
    assert torch.equal(theirs[:, 3], ours[:, 3] * 2.5)


def test_a_model_that_was_never_on_disk_is_saved_as_transformers_does(tiny_lm, tmp_path):
    tiny_lm.model.config._name_or_path = ""
    tiny_lm.model.name_or_path = ""
    held = load(tiny_lm.model, processor=tiny_lm.processor)
    assert held.place is None
    edits, before = some_edits(held), {name: value.clone() for name, value in held.model.state_dict().items()}
    held.bake(edits, tmp_path / "out")
    assert all(torch.equal(before[name], value) for name, value in held.model.state_dict().items())
    served = type(held.model).from_pretrained(tmp_path / "out")
    scores, _ = answered(served, held)
    traced = held.scores(held.encode(CLIPS, CHOICE), EMOTIONS, edits=edits, plan="traced")
    np.testing.assert_allclose(scores, traced, atol=1e-5)


def test_neurons_and_alpha_are_baked_as_they_steer(tiny_lm, tmp_path):
    class Two:
        layer = np.array([0, 2], dtype=np.int32)
        in_layer = np.array([4, 1], dtype=np.int64)

        def check(self, lm):
            """Found in any model."""

    baked = tiny_lm.bake(Two(), tmp_path / "out", alpha=-1)
    assert {layer: gains.tolist() for layer, (_, gains) in baked.layers.items()} == {0: [0.0], 2: [0.0]}


def experts(stored: torch.Tensor, tmp_path: Path, names: tuple[str, ...] = ("mlp.experts.down_proj",)) -> list[Scaled]:
    """Neuron 1 of expert 2 tripled, neuron 0 of expert 0 silenced; a checkpoint holds the weights under these names."""
    (tmp_path / "base").mkdir()
    save_file({name: stored.clone() for name in names}, tmp_path / "base" / "model.safetensors")
    columns = Columns(stored.clone(), axis=2, width=4, experts=3)
    return Scaled.of("mlp.experts.down_proj", columns, np.array([0, 9]), np.array([0.0, 3.0], np.float32))


def baked_copy(tmp_path: Path, scaled: list[Scaled]) -> dict[str, torch.Tensor]:
    (tmp_path / "out").mkdir()
    _copy(tmp_path / "base", tmp_path / "out", scaled)
    return load_file(tmp_path / "out" / "model.safetensors")


def test_experts_that_lie_in_one_tensor_are_scaled_in_it(tmp_path):
    stored = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    scaled = experts(stored, tmp_path)
    (tmp_path / "base" / "extra").mkdir()
    (tmp_path / "base" / "extra" / "vocabulary.txt").write_text("a b c")
    expected = stored.clone()
    expected[0, :, 0], expected[2, :, 1] = 0, 3 * stored[2, :, 1]
    assert torch.equal(baked_copy(tmp_path, scaled)["mlp.experts.down_proj"], expected)
    assert (tmp_path / "out" / "extra" / "vocabulary.txt").read_text() == "a b c"


def test_experts_that_lie_the_other_way_round_are_found(tmp_path):
    stored = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    scaled = experts(stored, tmp_path)
    save_file(
        {f"mlp.experts.down_proj.{at}": one.T.contiguous() for at, one in enumerate(stored)},
        tmp_path / "base" / "model.safetensors",
    )
    found = baked_copy(tmp_path, scaled)
    assert torch.equal(found["mlp.experts.down_proj.2"][1], 3 * stored[2, :, 1])
    assert torch.equal(found["mlp.experts.down_proj.1"], stored[1].T)


def test_tensors_that_can_not_be_told_apart_are_refused(tmp_path):
    stored = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    scaled = experts(stored, tmp_path, ("a.other", "b.other"))
    with pytest.raises(ModelError, match=r"several tensors hold what mlp\.experts\.down_proj\.0 does; bake a patch"):
        baked_copy(tmp_path, scaled)


def test_a_folder_that_can_not_be_written_leaves_what_was_there(tiny_lm, tmp_path, monkeypatch):
    edits = [Edit(0, np.array([1]), gain=2.0)]
    tiny_lm.bake(edits, tmp_path / "out")
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if target == tmp_path / "out" and "README.md" in {path.name for path in self.iterdir()} and self not in kept:
            raise OSError(28, "No space left on device")
        kept.append(target)
        return rename(self, target)

    kept: list[Path] = []
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(EsnError, match="out: can't be written: No space left on device; nothing of it is left"):
        tiny_lm.bake(edits, tmp_path / "out", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
