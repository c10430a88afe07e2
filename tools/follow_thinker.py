"""Put a thinker that has learnt more into toy-omni, and let the talker follow it.

    python tools/follow_thinker.py --audio training training-further --thinker thinker --out whole

The whole model that is bundled lends its talker and token2wav; see toy_omni/speaking/following.py.
"""

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from toy_omni.speaking import following, thoughts, whole

import esn_interp as esn
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, nargs=2, required=True, help="plain and --further")
    parser.add_argument("--whole", default="toy-omni", help="the speaking model as it was")
    parser.add_argument("--thinker", type=Path, required=True)
    parser.add_argument("--sources", type=int, default=900, help="of each folder")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lm: Any = esn.load_speaking(arguments.whole)
    thinker, _ = Qwen25Omni().load(arguments.thinker)
    found = []
    for folder in arguments.audio:
        sources = thoughts.training_sources(folder, part="train", requests=1)
        found += [s for _, s, _ in random.Random(0).sample(sources, min(arguments.sources, len(sources)))]
    random.Random(1).shuffle(found)
    held = len(found) // 10
    old, new = (thoughts.think(model.eval(), lm.processor, found) for model in (lm.model.thinker, thinker))
    door = lm.model.talker.thinker_to_talker_proj
    before = torch.nn.Linear(door.in_features, door.out_features)
    before.load_state_dict(door.state_dict())
    learnt = following.follow(door, following.states(old[held:]), following.states(new[held:]))
    with torch.no_grad():
        wanted = before(following.states(old[:held]).float())
        passed = door(following.states(new[:held]).float())
        missed = ((passed - wanted).pow(2).sum() / (wanted - wanted.mean(0)).pow(2).sum()).item()
    print(f"of what the talker was told, {learnt:.3f} passes again; on other clips {1 - missed:.3f}")
    lm.model.thinker.load_state_dict(thinker.state_dict())
    whole.save(lm.model, lm.processor.tokenizer, arguments.out)


if __name__ == "__main__":
    main()
