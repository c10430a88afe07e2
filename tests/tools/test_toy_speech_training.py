"""The talker is taught exactly what it is asked for when the whole model generates."""

import numpy as np
import torch
from toy_omni.speaking import codec, frames, output_voices, talker, thoughts

import esn_interp as esn


def test_a_lesson_is_laid_out_as_generation_is():
    """Shown the codes that the model drew greedily, the lesson's likeliest next codes are these very codes."""
    lm = esn.load_speaking("toy-omni")
    clips = esn.corpus("toy-studio").where(split="validation", emotion="neutral").take([0])
    clip = clips[0]
    manner = esn.Manner(greedy=True, voice="Ben")
    (said,) = esn.conversions(lm, clips, ["sad"], manner=manner, progress=False).conversions
    codes = np.asarray(said.codes)
    thinker, embedding = lm.model.thinker, lm.model.thinker.get_input_embeddings().weight.detach()
    source = thoughts.Source(clip.waveform(), clip.transcript, "sad")
    (thought,) = thoughts.think(thinker, lm.processor, [source])
    speaker = talker.Speaker(lm.model.talker, embedding, talker.Words.of(lm.processor.tokenizer))
    with torch.no_grad():
        result, row, at, wanted = speaker.run([talker.Example(thought, "sad", ((1, codes, codes),))])
        likeliest = lm.model.talker.codec_head(result.hidden[row, at]).argmax(-1)
    assert wanted.tolist() == [*codes.tolist(), codec.EOS]
    # The states are kept in half precision, which may turn a tie round.
    assert (likeliest == wanted).float().mean() > 0.95


def test_pitch_is_held_at_whole_cycles_of_a_code():
    f0 = np.repeat([0.0, 203.0, 210.0, 50.0, 900.0], output_voices.PER_CODE)
    pitch, voiced = output_voices.on_lattice(f0)
    assert pitch.tolist() == [0, 8, 8, frames.LOWEST, frames.HIGHEST]
    assert voiced.reshape(5, -1).all(axis=1).tolist() == [False, True, True, True, True]


def test_a_triple_without_a_token_goes_to_its_nearest_neighbour():
    shapes = codec.SHAPES_VOICED + codec.SHAPES_UNVOICED
    triples = np.array([(s, p, 2) for s in range(shapes) for p in ((5, 9) if s < codec.SHAPES_VOICED else (0,))])
    table = codec.tokens_of(triples)
    assert table[3, 5, 2] == codec.SPECIAL + 6
    assert table[3, 6, 4] == codec.SPECIAL + 6
    assert table[3, 8, 0] == codec.SPECIAL + 7
