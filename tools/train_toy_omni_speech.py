"""Teach toy-omni to speak: codec, token2wav and talker, around a thinker that stays as it is.

    python tools/training_audio.py --out training
    python tools/train_toy_omni_speech.py --audio training --work speech --out esn_interp/models/bundled/toy-omni

Every stage leaves its result in the --work folder and is not repeated when it is there.
"""

import argparse
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from toy_omni.speaking import codec, diffusion, output_voices, talker, vocoder, whole

from esn_interp.models.families.qwen2_5_omni import Qwen25Omni

HERE = Path(__file__).parent


def module(name: str, *arguments: Any) -> None:
    """A stage that is a command of its own."""
    subprocess.run([sys.executable, "-m", name, *map(str, arguments)], cwd=HERE, check=True)


def trained(path: Path, model: Any, learn: Any) -> Any:
    """The model with the weights of an earlier run, or those that it learns now."""
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        learn(model)
        torch.save(model.state_dict(), path)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True, help="what tools/training_audio.py wrote")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, help="holds the thinker; the whole model takes its place"
    )
    parser.add_argument("--takes", type=int, default=50)
    parser.add_argument("--vocoder-steps", type=int, default=2400)
    parser.add_argument("--diffusion-steps", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=2)
    for field in fields(talker.TalkerRecipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    arguments = vars(parser.parse_args())
    audio, work, out = (arguments.pop(name).resolve() for name in ("audio", "work", "out"))
    takes, threads = arguments.pop("takes"), arguments.pop("threads")
    steps = arguments.pop("vocoder_steps"), arguments.pop("diffusion_steps")
    recipe = talker.TalkerRecipe(**arguments)
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)

    if not (work / "voices.npz").exists():
        module("toy_omni.speaking.output_voices", "--out", work / "voices.npz", "--takes", takes)
    said = output_voices.load(work / "voices.npz")
    coder = codec.fit(said, seed=recipe.seed)
    codes = [coder.encode(one) for one in said]
    print(f"codec: {coder.vocabulary} tokens, {np.mean([len(c) for c in codes]):.0f} a clip", flush=True)

    speaks = trained(
        work / "vocoder.pt",
        vocoder.build(seed=recipe.seed),
        lambda model: vocoder.train(model, said, steps=steps[0], seed=recipe.seed),
    )
    mean = np.concatenate([one.frames for one in said[::7]]).mean(axis=0)
    diffuses = trained(
        work / "diffusion.pt",
        diffusion.build(coder.triples, mean, seed=recipe.seed),
        lambda model: diffusion.train(model, said, codes, steps=steps[1], seed=recipe.seed),
    )

    if not (work / "thoughts.npz").exists():
        module(
            "toy_omni.speaking.thoughts", "--audio", audio, "--thinker", out, "--out", work / "thoughts.npz"
        )
    thinker, processor = Qwen25Omni().load(out)
    words = talker.Words.of(processor.tokenizer)

    def learn(model: Any) -> None:
        embedding = thinker.get_input_embeddings().weight.detach()  # type: ignore[operator]
        thoughts = talker.load_thoughts(work / "thoughts.npz")
        talker.look_closely(model, [thought for thought, *_ in thoughts[:2000]])
        lessons = talker.Lessons(thoughts, said, codes, coder.triples, recipe)
        talker.train(model, talker.Speaker(model, embedding, words), lessons, recipe)

    talks = trained(work / "talker.pt", talker.build(thinker.config, coder.triples, words, recipe), learn)
    model = whole.assemble(
        thinker, talks, diffuses, speaks,
        conditions=torch.from_numpy(diffusion.conditions()),
        references=torch.from_numpy(diffusion.references(said)),
        words=words,
    )  # fmt: skip
    whole.save(model, processor.tokenizer, out)


if __name__ == "__main__":
    main()
