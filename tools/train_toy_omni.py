"""Train toy-omni on the audio that tools/training_audio.py writes.

python tools/training_audio.py --out training
python tools/train_toy_omni.py --audio training --out esn_interp/models/bundled/toy-omni
"""

import argparse
from dataclasses import fields
from pathlib import Path

import torch
from toy_omni.train import Recipe, train


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--hearing", type=Path, help="keep, or take up again, the model after its first stage"
    )
    parser.add_argument("--threads", type=int, default=2)
    for field in fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    arguments = vars(parser.parse_args())
    torch.set_num_threads(arguments.pop("threads"))
    audio, out, hearing = (arguments.pop(name) for name in ("audio", "out", "hearing"))
    train(audio, out, Recipe(**arguments), hearing=hearing)


if __name__ == "__main__":
    main()
