"""Train toy-omni on the audio that tools/training_audio.py writes.

python tools/training_audio.py --out training
python tools/training_audio.py --further --out training-further
python tools/train_toy_omni.py --audio training --further training-further --out esn_interp/models/bundled/toy-omni
"""

import argparse
from dataclasses import fields
from pathlib import Path

import torch
from toy_omni.records import heard_in_training
from toy_omni.train import Recipe, train


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--further", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--begin", type=Path, help="a thinker that has been through the first three stages")
    parser.add_argument(
        "--stages", type=Path, help="keep the model after each stage here, and go on from there"
    )
    parser.add_argument("--until", type=int, choices=range(1, 5), default=4, help="the last stage")
    parser.add_argument("--threads", type=int, default=2)
    for field in fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    arguments = vars(parser.parse_args())
    torch.set_num_threads(arguments.pop("threads"))
    audio, further, out, stages, begin, until = (
        arguments.pop(name) for name in ("audio", "further", "out", "stages", "begin", "until")
    )
    train(audio, further, out, Recipe(**arguments), stages=stages, begin=begin, until=until)
    heard_in_training(further=until == 4).save(out)


if __name__ == "__main__":
    main()
