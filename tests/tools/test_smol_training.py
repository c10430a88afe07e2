"""Training of projectors: on a tiny model of the same class, whose encoder and decoder do not move by a bit."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from smol_audio.batches import Draws, part
from smol_audio.looks import Looker, groups
from smol_audio.projectors import CROSSED, FOLDS, NEVER, SEEDS, UNTOLD, Projector, Variant
from smol_audio.recipe import Recipe
from smol_audio.rows import ANSWERED, QUESTIONS, Drawn, Voice, Writer, draw
from smol_audio.sounds import LEVELS, Sounds, roughened
from smol_audio.training import Listener, Moved, Trainer, digest
from tiny_models.flamingo import save_audio_flamingo_3
from tiny_omni import EMOTIONS, noise

from esn_interp.models.loading import load

RECIPE = Recipe(steps=4, batch=4, every=2, rate=0.05, warmup=1, german=0.0, rough=False, dropout=0.0)
ONE, TWO = Variant("one"), Variant("two", seed=5, shares={"transcript": 1.0, "sex": 1.0})
SECONDS = (0.5, 0.9, 0.7, 1.1, 0.6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_audio_flamingo_3(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def lm(folder: Path) -> Any:
    return load(folder)


@pytest.fixture
def sounds(lm: Any) -> Sounds:
    waves = [wave for seed in (0, 1) for wave in noise(*SECONDS, seed=seed)]
    return Sounds.of(waves, lm.processor.whole.feature_extractor, batch=3)


def voices(sounds: Sounds, *, start: int = 0) -> list[Voice]:
    votes = [{emotion: 0.8 if at == one else 0.05 for at, emotion in enumerate(EMOTIONS)} for one in range(5)]
    tokens = [((n - 1) // 2 + 1 - 2) // 2 + 1 for n in sounds.frames.tolist()]
    return [
        Voice(start + at, tokens[start + at], v, "happy sad happy", "female") for at, v in enumerate(votes)
    ]


def trainer(
    lm: Any, sounds: Sounds, out: Path, *, variants: Any = (ONE,), recipe: Recipe = RECIPE, **how: Any
) -> Trainer:
    return Trainer(lm, sounds, voices(sounds), voices(sounds, start=5), variants, recipe, out, **how)


def test_sounds_are_the_extractors_to_half_a_level(lm: Any, sounds: Sounds) -> None:
    waves = noise(*SECONDS)
    inputs = lm.prepare(waves, "happy?").tensors
    wanted, mask = inputs["input_features"], inputs["input_features_mask"]
    features, own = sounds.features(torch.arange(5), wanted.shape[-1])
    assert torch.equal(own, mask.bool())
    for row in range(5):
        kept = own[row]
        floor = wanted[row].max() - 2
        assert torch.allclose(
            features[row][:, kept], wanted[row][:, kept].clamp(min=floor), atol=1.01 / LEVELS
        )


def test_sounds_are_stored_and_read(sounds: Sounds, tmp_path: Path) -> None:
    sounds.save(tmp_path / "sounds.safetensors")
    again = Sounds.load(tmp_path / "sounds.safetensors")
    assert torch.equal(again.levels, sounds.levels)
    assert torch.equal(again.features(torch.tensor([3]), 400)[0], sounds.features(torch.tensor([3]), 400)[0])


def test_a_rough_take_stays_within_the_clips_own_range_and_differs(sounds: Sounds) -> None:
    features, _ = sounds.features(torch.arange(5), 400)
    torch.manual_seed(0)
    rough = roughened(features, sounds.tops[:5], sounds.frames[:5])
    assert rough.shape == features.shape
    assert not torch.equal(rough, features)
    tops = sounds.tops[:5, None, None]
    assert (rough <= tops + 0.1).all()
    assert (rough >= tops - 2).all()


def test_frames_are_those_that_the_model_itself_puts_into_a_prompt(lm: Any, sounds: Sounds) -> None:
    waves = noise(*SECONDS)
    frames, counts = Listener(lm, sounds).hear(torch.arange(5))
    inputs = lm.prepare(waves, "happy?")
    embedded = lm.encode(inputs, "").decoder_inputs["inputs_embeds"]
    for row, count in enumerate(counts.tolist()):
        place = inputs.audio[row]
        assert int(place.sum()) == count == voices(sounds)[row].frames
        projected = lm.model.model.multi_modal_projector(frames[row, :count])
        # Levels are rounded: what is left of that after the encoder is small beside what it says.
        assert (embedded[row, place] - projected).square().mean() < 0.01 * embedded[
            row, place
        ].square().mean()


def test_a_projector_is_the_plain_one_that_it_is_written_as(lm: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = lm.model.model.multi_modal_projector
    width, columns = plain.linear_1.weight.shape
    one = Projector(torch.randn(columns), torch.rand(columns) + 0.5, width, 0.1, dropout=0.5).eval()
    frames = torch.randn(3, 7, columns)
    plain.load_state_dict(one.plain())
    assert torch.allclose(plain(frames), one(frames), atol=1e-5)
    other = Projector(torch.randn(columns), torch.rand(columns) + 0.5, width, 0.1, dropout=0.5).eval()
    other.take(one.plain())
    assert torch.allclose(other(frames), one(frames), atol=1e-5)
    one.save(tmp_path / "p.safetensors")
    written = load_file(tmp_path / "p.safetensors")
    assert {name: tuple(value.shape) for name, value in written.items()} == {
        name: tuple(value.shape) for name, value in plain.state_dict().items()
    }


def test_rows_are_the_models_own_prompts_and_the_answer_is_wanted_from_the_last_token_on(
    lm: Any, sounds: Sounds
) -> None:
    writer, some = Writer(lm.processor), voices(sounds)[:2]
    rows = writer.rows(some, [Drawn("happy?", "sad"), Drawn("happy?", None)])
    theirs = lm.prepare(noise(0.5, 0.9), "happy?").tensors
    for row in range(2):
        prompt = theirs["input_ids"][row][theirs["attention_mask"][row] == 1].tolist()
        assert rows.ids[row, : int(rows.first[row]) + 1].tolist() == prompt
        assert int(rows.sounding[row].sum()) == some[row].frames
    wanted = rows.answers[0][rows.answers[0] != ANSWERED].tolist()
    assert wanted == [*writer.tokens("sad"), lm.processor.tokenizer.eos_token_id]
    assert (rows.answers[0] != ANSWERED).nonzero()[0, 0] == rows.first[0]
    assert (rows.answers[1] == ANSWERED).all()


def test_german_words_are_not_transcribed_and_every_question_is_asked() -> None:
    rng, votes = random.Random(0), dict.fromkeys(EMOTIONS, 0.2)
    english, german = (Voice(0, 1, votes, "x", "male", language=language) for language in ("en", "de"))
    shares = dict.fromkeys(QUESTIONS, 1.0)
    asked = {draw(english, shares, rng).question for _ in range(300)}
    assert {"Transcribe the speech.", "Is the speaker male or female?", "How does the speaker feel?"} <= asked
    assert any("Answer with the letter" in question for question in asked)
    assert not any("Transcribe" in draw(german, shares, rng).question for _ in range(100))


def test_without_votes_the_answer_is_that_of_most_listeners() -> None:
    rng, votes = random.Random(0), {emotion: 0.6 if emotion == "sad" else 0.1 for emotion in EMOTIONS}
    voice = Voice(0, 1, votes, "x", "male")
    assert {draw(voice, {"choice": 1.0}, rng, votes=False).answer for _ in range(50)} == {"sad"}
    assert len({draw(voice, {"choice": 1.0}, rng).answer for _ in range(200)}) > 1
    drawn = draw(voice, {"choice": 1.0}, rng)
    assert drawn.answer in drawn.labels


def test_only_the_projectors_learn(lm: Any, sounds: Sounds, tmp_path: Path) -> None:
    whole = lm.model.model
    before = {name: digest(p) for name, p in (("e", whole.audio_tower), ("d", whole.language_model))}
    own = trainer(lm, sounds, tmp_path, variants=(ONE, TWO))
    projectors = [digest(one) for one in own.projectors]
    told = own.run(said=lambda line: None)
    assert digest(whole.audio_tower) == before["e"] == told["frozen"]["encoder"]
    assert digest(whole.language_model) == before["d"] == told["frozen"]["decoder"]
    assert all(digest(one) != other for one, other in zip(own.projectors, projectors, strict=True))
    assert [one["step"] for one in told["curve"]] == [0, 2, 4]
    assert all(one["one"]["loss"] > 0 and one["two"]["loss"] > 0 for one in told["curve"][1:])
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        f"{n}.safetensors" for n in ("one", "two", "state")
    }


def test_side_by_side_each_learns_what_it_would_alone(folder: Path, tmp_path: Path) -> None:
    ends = {}
    for variants in ((ONE,), (TWO,), (ONE, TWO)):
        lm = load(folder)
        sounds = Sounds.of([*noise(*SECONDS), *noise(*SECONDS, seed=1)], lm.processor.whole.feature_extractor)
        own = trainer(lm, sounds, tmp_path / str(len(ends)), variants=variants)
        own.run(said=lambda line: None)
        ends[tuple(one.name for one in variants)] = {
            one.name: [weight.detach().clone() for weight in projector.parameters()]
            for one, projector in zip(variants, own.projectors, strict=True)
        }
    for name in ("one", "two"):
        for alone, beside in zip(ends[name,][name], ends["one", "two"][name], strict=True):
            assert torch.allclose(alone, beside, atol=2e-3)


def test_a_training_that_was_interrupted_ends_where_it_would_have_ended(folder: Path, tmp_path: Path) -> None:
    ends = []
    for parts in ((4,), (2, 4)):
        for steps in parts:
            lm = load(folder)
            sounds = Sounds.of(
                [*noise(*SECONDS), *noise(*SECONDS, seed=1)], lm.processor.whole.feature_extractor
            )
            own = trainer(
                lm, sounds, tmp_path / str(len(parts)), recipe=replace(RECIPE, dropout=0.1, rough=True)
            )
            with own._drawn() as drawn:
                while own.step < steps:
                    own._learn(next(drawn))
                    own.step += 1
                    if own.step % RECIPE.every == 0:
                        own._look(lambda line: None)
        ends.append([value.clone() for value in own.projectors[0].state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_few_rows_at_a_time_learn_what_all_rows_at_once_would(
    lm: Any, sounds: Sounds, tmp_path: Path
) -> None:
    gradients = []
    for at_once in (1, 3, 4):
        own = trainer(lm, sounds, tmp_path / str(at_once), at_once=at_once)
        own.optimiser.step = lambda *_: None
        own._learn(own.draws[0])
        gradients.append(
            [weight.grad.clone() for weight in own.projectors[0].parameters() if weight.grad is not None]
        )
    for some in gradients[1:]:
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients[0], some, strict=True))


def test_the_loss_is_that_of_the_whole_model_with_labels(lm: Any, sounds: Sounds, tmp_path: Path) -> None:
    """Held against the model's own forward pass over the same rows, with masks, by hand."""
    own = trainer(lm, sounds, tmp_path, recipe=replace(RECIPE, choosing=0.0))
    lm.model.model.multi_modal_projector.load_state_dict(own.projectors[0].eval().plain())
    some = voices(sounds)[:3]
    asked = [Drawn("happy?", "sad"), Drawn("Who?", "happy happy"), Drawn("a b c?", "angry")]
    made = part(own.writer, some, asked, [0, 0, 0])
    found = own._losses_of(made).detach() * RECIPE.batch
    for row in range(3):
        real = made.rows.mask[row] == 1
        features, mask = sounds.features(
            torch.tensor([some[row].sound]), 2 * own.listener.tower.max_source_positions
        )
        logits = lm.model(
            input_ids=made.rows.ids[row][real][None], input_features=features, input_features_mask=mask.long()
        ).logits[0]
        wanted = made.rows.answers[row][real]
        loss = torch.nn.functional.cross_entropy(logits, wanted, ignore_index=ANSWERED).detach()
        assert float(found[row]) == pytest.approx(float(loss), abs=1e-4)


def test_a_choice_is_also_learnt_as_it_is_scored(lm: Any, sounds: Sounds, tmp_path: Path) -> None:
    own = trainer(lm, sounds, tmp_path, recipe=replace(RECIPE, choosing=1.0))
    plain = trainer(lm, sounds, tmp_path / "plain", recipe=replace(RECIPE, choosing=0.0))
    made = part(
        own.writer, voices(sounds)[:2], [Drawn("?", "sad", ("happy", "sad")), Drawn("?", "sad")], [0, 0]
    )
    for one in (*own.projectors, *plain.projectors):
        one.eval()
    more = (own._losses_of(made) - plain._losses_of(made)).detach() * RECIPE.batch
    answers = made.rows.answers
    heard = own.listener.hear(made.sounds)
    logs = own.listener.answer(made, heard, own.projectors, answers != ANSWERED).detach()
    sizes = [len(own.writer.tokens(label)) for label in ("happy", "sad")]
    scores = torch.stack(
        [logs[0, own.writer.tokens(x)[0]] / n for x, n in zip(("happy", "sad"), sizes, strict=True)]
    )
    assert float(more[0]) == pytest.approx(float(-scores.log_softmax(0)[1]), abs=1e-4)
    assert float(more[1]) == 0


@pytest.mark.parametrize(("kinds", "natural"), [((True, False), 4), ((True,), 10), ((False,), 0)])
def test_natural_voices_have_their_share_of_a_batch(
    lm: Any, sounds: Sounds, kinds: Any, natural: int
) -> None:
    some = [replace(voice, natural=kind) for kind in kinds for voice in voices(sounds)]
    draws = Draws(Writer(lm.processor), some, (ONE,), replace(RECIPE, batch=10, natural=0.4), 4)
    drawn = draws.some(0, random.Random(0))
    assert len(drawn) == 10
    assert sum(voice.natural for voice in drawn) == natural


def test_whom_a_projector_leaves_out_it_does_not_hear_and_is_tried_on(lm: Any, sounds: Sounds) -> None:
    german = [
        replace(v, language="de", speaker=s)
        for v, s in zip(voices(sounds), ("03", "08", "10", "12", "16"), strict=True)
    ]
    recipe = replace(RECIPE, german=1.0, batch=20)
    draws = Draws(Writer(lm.processor), german, (SEEDS[0], *CROSSED), recipe, 4)
    heard = [{v.speaker for v in draws.some(at, random.Random(0))} for at in range(6)]
    assert heard[0] == {"03", "08", "12", "16"}
    assert heard[1] == {"10", "12", "16"}
    assert groups(german, SEEDS[0]) == {}
    assert {v.speaker for v in groups(german, CROSSED[0])["emodb"]} == {"03", "08"}
    assert sorted(s for pair in FOLDS for s in pair) == ["03", "08", "09", *map(str, range(10, 17))]
    assert all(set(one.without) == set(NEVER) for one in (*SEEDS, UNTOLD))


def test_a_decoder_that_moves_is_noticed(lm: Any, sounds: Sounds, tmp_path: Path) -> None:
    own = trainer(lm, sounds, tmp_path)
    with torch.no_grad():
        next(iter(lm.model.model.language_model.parameters())).view(-1)[0] += 1
    with pytest.raises(Moved, match="decoder"):
        own.run(said=lambda line: None)


def test_recall_is_that_of_plain_answers(lm: Any, sounds: Sounds, tmp_path: Path) -> None:
    own = trainer(lm, sounds, tmp_path)
    dev = voices(sounds, start=5)
    lm.model.model.multi_modal_projector.load_state_dict(own.projectors[0].eval().plain())
    one = Looker(own.listener, own.writer, own.projectors, 0, 2)
    # Labels of one token, whose mean log-probability is that of the token itself.
    single = [word for word in EMOTIONS if len(own.writer.tokens(word)) == 1]
    assert len(single) >= 2
    question = "What is the emotion of the speaker? Choose one: " + ", ".join(single) + "."
    scores = lm.scores(lm.encode(noise(*SECONDS, seed=1), question), single)
    right: dict[str, list[bool]] = {}
    for at, voice in zip(scores.argmax(axis=1), dev, strict=True):
        right.setdefault(voice.emotion, []).append(single[at] == voice.emotion)
    assert one.recall(dev, single) == pytest.approx(np.mean([np.mean(values) for values in right.values()]))
