"""Judges that are models of transformers: tiny random ones of the real classes, saved, loaded and asked again."""

import json

import numpy as np
import pytest
import torch
from rounding import assert_close, terms_of
from safetensors.torch import load_file, save_file
from tiny_omni import noise
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMForXVector,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
    pipeline,
)

from esn_interp.errors import AudioError, ModelError
from esn_interp.speech.corpora import corpus
from esn_interp.tasks import judges
from esn_interp.tasks.judges import (
    EmotionJudge,
    SpeakerJudge,
    TranscriptJudge,
    errors,
)

CLIPS = noise(0.8, 1.4, 0.6)
SIZES = dict(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    conv_dim=(8, 8, 8),
    conv_kernel=(10, 8, 4),
    conv_stride=(10, 8, 4),
    num_feat_extract_layers=3,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
    classifier_proj_size=16,
)


def save(model, folder):
    """With weights scaled up, so that every clip is heard differently."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
            elif "bias" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def classifier(folder, *labels):
    torch.manual_seed(0)
    config = Wav2Vec2Config(**SIZES, id2label=dict(enumerate(labels)), num_labels=len(labels))
    return save(Wav2Vec2ForSequenceClassification(config), folder)


def test_a_classifier_says_what_transformers_own_pipeline_says(tmp_path):
    folder = classifier(tmp_path, "Sadness", "ang", "neutral", "hap", "surprise")
    judge = judges.emotion(folder, tried=False)
    assert isinstance(judge, EmotionJudge)
    assert judge.emotions == ("neutral", "happy", "angry", "sad", "surprised")
    found = judge.probabilities(CLIPS, 16_000)
    ask = pipeline("audio-classification", model=str(folder), top_k=None)
    ours = dict(zip(("Sadness", "ang", "neutral", "hap", "surprise"), (3, 2, 0, 1, 4), strict=True))
    for row, clip in zip(found, CLIPS, strict=True):
        for answer in ask({"raw": clip, "sampling_rate": 16_000}):
            assert row[ours[answer["label"]]] == pytest.approx(answer["score"], abs=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3
    np.testing.assert_array_equal(judge.probabilities(CLIPS[1:2], 16_000), found[1:2])
    assert judge.probabilities([], 16_000).shape == (0, 5)


def test_labels_of_one_emotion_are_added_up_and_others_can_be_told(tmp_path):
    folder = classifier(tmp_path, "LABEL_0", "LABEL_1", "LABEL_2")
    with pytest.raises(
        ModelError, match=r"\(LABEL_0, LABEL_1, LABEL_2\) name no emotion; say what they mean"
    ):
        judges.emotion(folder)
    with pytest.raises(ModelError, match="no label 'LABEL_7'"):
        judges.emotion(folder, labels={"LABEL_7": "happy"})
    apart = judges.emotion(folder, labels={"LABEL_0": "joy", "LABEL_1": "anger", "LABEL_2": "sad"}, tried=False)
    together = judges.emotion(folder, labels={"LABEL_0": "joy", "LABEL_1": "happy", "LABEL_2": "sad"}, tried=False)
    assert (apart.emotions, together.emotions) == (("happy", "angry", "sad"), ("happy", "sad"))
    split = apart.probabilities(CLIPS, 16_000)
    added = np.stack([split[:, 0] + split[:, 1], split[:, 2]], axis=1)
    assert_close(together.probabilities(CLIPS, 16_000), added, terms=terms_of(together.checkpoint.model))


def test_a_model_whose_head_was_never_trained_is_no_judge(tmp_path):
    save(Wav2Vec2Model(Wav2Vec2Config(**SIZES)), tmp_path)
    with pytest.raises(ModelError, match=r"lacks classifier.bias .*judge at random"):
        judges.emotion(tmp_path, labels={"LABEL_0": "happy"})


def test_damaged_weights_of_a_judge_are_told(tmp_path):
    folder = classifier(tmp_path, "happy", "sad")
    weights = folder / "model.safetensors"
    tensors, whole = load_file(weights), weights.read_bytes()
    save_file(tensors | {"classifier.bias": torch.zeros(7)}, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks classifier.bias .*judge at random"):
        judges.emotion(folder)
    for left in (0, 50, -100):
        weights.write_bytes(whole[:left])
        with pytest.raises(ModelError, match=r"^judge '.*' can't be loaded as an audio classifier: [^\n]*$"):
            judges.emotion(folder)


def test_what_is_not_there_is_said_in_one_line(tmp_path):
    for judge in (judges.emotion, judges.transcript, judges.speaker):
        with pytest.raises(ModelError, match=r"^judge 'nobody/nothing' can't be loaded as [^\n]*$"):
            judge("nobody/nothing")
    classifier(tmp_path, "happy", "sad")
    with pytest.raises(ModelError, match="can't be loaded as a recogniser"):
        judges.transcript(tmp_path)


def test_odd_waveforms(tmp_path):
    judge = judges.emotion(classifier(tmp_path, "happy", "sad"), tried=False)
    np.testing.assert_allclose(judge.probabilities([np.zeros(1), np.zeros(40_000)], 24_000).sum(axis=1), 1)
    with pytest.raises(AudioError, match="without samples"):
        judge.probabilities([np.zeros(0)], 24_000)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    vocabulary = {token: place for place, token in enumerate([*letters, "Ġ", *special])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "normalizer.json").write_text(json.dumps({"colour": "color"}))
    tokenizer = WhisperTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), str(folder / "normalizer.json")
    )
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    end, start = len(letters) + 1, len(letters) + 2
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(vocabulary), num_mel_bins=16, encoder_layers=1, decoder_layers=1, d_model=16,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
            max_source_positions=100, max_target_positions=24, decoder_start_token_id=start,
            pad_token_id=end, bos_token_id=end, eos_token_id=end,
        )
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(8)
    model.generation_config.max_length = 12
    model.save_pretrained(folder)
    return folder


def test_whisper_writes_what_it_generates_in_its_own_spelling(whisper):
    judge = judges.transcript(whisper)
    assert isinstance(judge, TranscriptJudge)
    model = WhisperForConditionalGeneration.from_pretrained(whisper)
    tokenizer = WhisperTokenizer.from_pretrained(whisper)
    extractor = WhisperFeatureExtractor.from_pretrained(whisper)
    expected = []
    for clip in CLIPS:
        features = extractor(clip, sampling_rate=16_000, return_tensors="pt").input_features
        said = tokenizer.decode(model.generate(features)[0], skip_special_tokens=True)
        expected.append(tokenizer.normalize(said).strip())
    assert judge.transcribe(CLIPS, 16_000) == expected
    assert any(expected)


def test_whispers_normaliser_is_for_references_too(whisper):
    judge = judges.transcript(whisper)
    assert judge.normalise("Twenty-one dogs, isn't it? What colour!") == "21 dogs is not it what color"
    assert errors("twenty one", "21", normalise=judge.normalise).wer == 0
    assert judges.transcript(whisper, language="de").normalise("Isn't it?") == "isn t it"


def test_the_similarity_of_two_voices_is_the_cosine_of_their_x_vectors(tmp_path):
    torch.manual_seed(0)
    config = WavLMConfig(
        **SIZES, tdnn_dim=(16, 16, 16, 16, 24), xvector_output_dim=12, num_buckets=32, max_bucket_distance=80
    )
    judge = judges.speaker(save(WavLMForXVector(config), tmp_path))
    assert isinstance(judge, SpeakerJudge)
    model, extractor = WavLMForXVector.from_pretrained(tmp_path), Wav2Vec2FeatureExtractor()
    with torch.no_grad():
        first, second = (
            model(**extractor(clip, sampling_rate=16_000, return_tensors="pt")).embeddings[0].double().numpy()
            for clip in CLIPS[:2]
        )
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert judge.similarity(CLIPS[0], 16_000, CLIPS[1], 16_000) == pytest.approx(cosine, abs=1e-5)
    assert judge.similarity(CLIPS[0], 16_000, CLIPS[0], 16_000) == pytest.approx(1)
    assert judge.similarity(np.zeros(10), 24_000, CLIPS[0], 16_000) <= 1


@pytest.fixture(scope="module")
def validation():
    clips, _, _ = corpus("toy-phone").split()
    return [clips[row] for row in range(0, len(clips), 2)]


def test_toy_ctc_hears_what_voices_say_that_it_has_not_heard(validation):
    judge = judges.transcript("toy-ctc")
    heard = judge.transcribe([clip.waveform() for clip in validation], 16_000)
    rates = [errors(clip.transcript, said).cer for clip, said in zip(validation, heard, strict=True)]
    assert np.mean(rates) < 0.08
    # Silence is heard as a word at most: every word of a sentence is then wrong, as it should be.
    (silence,) = judge.transcribe([np.zeros(1)], 24_000)
    assert errors("the train leaves at seven", silence).wer >= 1
