"""Train the bundled judges on the audio that tools/training_audio.py writes.

python tools/training_audio.py --out training
python tools/train_judges.py --audio training --out esn_interp/tasks/judges/bundled
"""

import argparse
import time
from pathlib import Path

import torch
from judges import prosody, recogniser, spectrum

JUDGES = ("toy-prosody", "toy-spectrum", "toy-ctc")
ROUNDS = 2  # of the neural ones; each goes on from where the one before has ended


def train(name: str, audio: Path, out: Path, rounds: list[int]) -> None:
    if name == "toy-prosody":
        prosody.train(audio, out, prosody.Recipe())
        return
    for number in rounds:
        print(f"round {number + 1}")
        start = out if number else None
        if name == "toy-spectrum":
            recipe = (spectrum.FIRST, spectrum.SECOND)[number]
            spectrum.train(audio, out, recipe, seed=number, start=start)
        else:
            recipe = (recogniser.FIRST, recogniser.SECOND)[number]
            recogniser.train(audio, out, recipe, seed=number, start=start)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=JUDGES, action="append", help="train this one; may be repeated")
    parser.add_argument("--round", type=int, choices=range(1, ROUNDS + 1), help="this round only")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = list(range(ROUNDS)) if arguments.round is None else [arguments.round - 1]
    for name in arguments.only or JUDGES:
        started = time.monotonic()
        print(name)
        train(name, arguments.audio, arguments.out / name, rounds)
        print(f"trained in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
