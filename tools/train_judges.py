"""Train the bundled judges on the audio that tools/training_audio.py writes.

python tools/training_audio.py --out training
python tools/train_judges.py --audio training --out esn_interp/tasks/judges/bundled
"""

import argparse
import time
from pathlib import Path

import torch
from judges import prosody, recogniser, spectrum

TRAINERS = {
    "toy-prosody": lambda audio, out: prosody.train(audio, out, prosody.Recipe()),
    "toy-spectrum": lambda audio, out: spectrum.train(audio, out, spectrum.Recipe()),
    "toy-ctc": lambda audio, out: recogniser.train(audio, out, recogniser.Recipe()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=TRAINERS, action="append", help="train this one; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.only or TRAINERS:
        started = time.monotonic()
        print(name)
        TRAINERS[name](arguments.audio, arguments.out / name)
        print(f"trained in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
