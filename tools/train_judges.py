"""Train the bundled judges on the audio that tools/training_audio.py writes.

python tools/training_audio.py --out training
python tools/train_judges.py --audio training --out esn_interp/tasks/judges/bundled
"""

import argparse
import time
from pathlib import Path

import torch
from judges import prosody, recogniser, spectrum
from toy_omni.records import heard_in_training

ROUNDS = {
    "toy-prosody": (prosody.Recipe(),),
    "toy-spectrum": (spectrum.Recipe(),),
    "toy-ctc": (recogniser.FIRST, recogniser.SECOND),
}
"""What each judge is trained by; a round goes on from where the one before has ended."""


def train(name: str, audio: Path, out: Path, only: int | None) -> None:
    for number, recipe in enumerate(ROUNDS[name]):
        if only not in (None, number + 1):
            continue
        print(f"round {number + 1}")
        start = out if number else None
        if isinstance(recipe, prosody.Recipe):
            prosody.train(audio, out, recipe)
        elif isinstance(recipe, spectrum.Recipe):
            spectrum.train(audio, out, recipe)
        else:
            recogniser.train(audio, out, recipe, seed=number, start=start)
    heard_in_training(further=False).save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=ROUNDS, action="append", help="train this one; may be repeated")
    parser.add_argument("--round", type=int, help="this round only, from what lies in --out")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.only or ROUNDS:
        started = time.monotonic()
        print(name)
        train(name, arguments.audio, arguments.out / name, arguments.round)
        print(f"trained in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
