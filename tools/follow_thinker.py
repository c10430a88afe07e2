"""Put a thinker that has learnt more into toy-omni, and teach the talker on until it follows.

    python tools/follow_thinker.py --audio training training-further --thinker thinker --work speech --out whole

The whole model that is bundled lends its talker and token2wav. The talker's door is solved anew (see
toy_omni/speaking/following.py), then the talker learns for some hundred steps as it did at first.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from toy_omni.speaking import codec, following, output_voices, talker, thoughts, whole
from voices.casting import SENTENCES

import esn_interp as esn
from esn_interp.errors import EsnError
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni

PAIRED = 900  # clips that both thinkers think about, to solve the door


def sources(folders: list[Path], counts: list[int]) -> list[tuple[int, thoughts.Source, str]]:
    """Clips of the sentences that the output voices say, each with a request."""
    found = []
    for folder, count in zip(folders, counts, strict=True):
        every = thoughts.training_sources(folder, part="train", requests=1)
        known = [one for one in every if one[1].transcript in SENTENCES]
        found += random.Random(0).sample(known, min(count, len(known)))
    random.Random(1).shuffle(found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, nargs=2, required=True, help="plain and --further")
    parser.add_argument("--whole", default="toy-omni", help="the speaking model as it was")
    parser.add_argument("--thinker", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="with voices.npz of train_toy_omni_speech.py")
    parser.add_argument("--sources", type=int, nargs=2, default=[3600, 900], help="of each folder")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lm: Any = esn.load_speaking(arguments.whole)
    thinker: Any = Qwen25Omni().load(arguments.thinker)[0].eval()
    said = output_voices.load(arguments.work / "voices.npz")
    coder = codec.fit(said)
    learner = lm.model.talker.requires_grad_(True)
    if coder.vocabulary != learner.config.vocab_size:
        raise EsnError(f"the codec has {coder.vocabulary} tokens, the talker {learner.config.vocab_size}")
    found = sources(arguments.audio, arguments.sources)
    new = thoughts.think(thinker, lm.processor, [source for _, source, _ in found])
    old = thoughts.think(lm.model.thinker, lm.processor, [source for _, source, _ in found[:PAIRED]])
    share = following.follow(
        learner.thinker_to_talker_proj, following.states(old), following.states(new[:PAIRED])
    )
    print(f"of what the talker was told, {share:.3f} passes the new door", flush=True)

    recipe = replace(talker.TalkerRecipe(), steps=arguments.steps, rate=arguments.rate)
    recipe = replace(recipe, obeys_first=recipe.obeys)
    words = talker.Words.of(lm.processor.tokenizer)
    embedding = thinker.get_input_embeddings().weight.detach()
    pairs = [
        (thought, source.transcript, source.request, own)
        for thought, (_, source, own) in zip(new, found, strict=True)
    ]
    codes = [coder.encode(one) for one in said]
    lessons = talker.Lessons(pairs, said, codes, coder.triples, recipe)
    talker.train(learner, talker.Speaker(learner, embedding, words), lessons, recipe)
    lm.model.thinker.load_state_dict(thinker.state_dict())
    whole.save(lm.model.eval(), lm.processor.tokenizer, arguments.out)


if __name__ == "__main__":
    main()
