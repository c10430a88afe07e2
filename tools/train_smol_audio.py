"""Train the projector of smol-audio; its encoder and decoder stay as their makers published them.

    python tools/training_audio.py --out training
    python tools/training_audio.py --further --out training-further
    python tools/train_smol_audio.py --audio training training-further --emodb emodb --out smol-audio

trains several projectors side by side, whose rows share one decoder: three seeds, which have never heard speakers 10,
14 and 15 of EmoDB; one that is asked for transcripts and sex alone, so that no emotion is named to it; and five that
leave out two of EmoDB's ten speakers each. ``--only seeds`` trains these alone. Each is written as ``OUT/NAME``, after
the last step. Dev are the voices that tools/training_audio.py performs for it, and to a projector that leaves German
speakers out, these: nothing is chosen by them but the seed that comes with the package.

Sounds are kept in OUT when they have been prepared, and then need no audio (``--prepare`` ends there); a training that
was interrupted goes on with the same command. Minutes on a GPU (``--at-once 128 --workers 8 --compile``), hours on two
cores.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from smol_audio.plain import Plain
from smol_audio.projectors import GROUPS
from smol_audio.recipe import Recipe
from smol_audio.rows import Voice
from smol_audio.sounds import Sounds
from smol_audio.training import Trainer
from voices.casting import NATURAL_VOICES

import esn_interp as esn
from esn_interp.files import read_json, write_json

_NATURAL = {voice.name for voice, _ in NATURAL_VOICES}
LONGEST = 9.9  # seconds: one window of the encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--audio", type=Path, nargs="+", default=[], help="folders of tools/training_audio.py"
    )
    parser.add_argument("--emodb", type=Path, help="folder of EmoDB's release")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prepare", action="store_true", help="only prepare the sounds")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--begin", type=Path, help="a projector to begin with; by default each is drawn")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--at-once", type=int, default=8, help="rows that go through the decoder together")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw what comes next")
    parser.add_argument("--compile", action="store_true", help="compile the decoder's layers")
    parser.add_argument("--dev", type=int, help="about so many dev clips of each kind")
    for one in fields(Recipe):
        kind = argparse.BooleanOptionalAction if isinstance(one.default, bool) else None
        how: dict[str, Any] = {"action": kind} if kind else {"type": type(one.default)}
        parser.add_argument(f"--{one.name}", default=one.default, **how)
    arguments = vars(parser.parse_args())
    out: Path = arguments["out"]
    lm = Plain.assembled(arguments["device"], arguments["dtype"])
    sounds, rows = _prepared(lm, arguments, out)
    if arguments["prepare"]:
        return
    voices, dev = _voices(sounds, rows, arguments["dev"])
    print(f"{len(voices)} clips for training, {len(dev)} for dev", flush=True)
    if arguments["compile"]:
        lm.compile()
    trainer = Trainer(
        lm,
        sounds,
        voices,
        dev,
        [variant for group in arguments["only"] for variant in GROUPS[group]],
        Recipe(**{one.name: arguments[one.name] for one in fields(Recipe)}),
        out,
        at_once=arguments["at_once"],
        workers=arguments["workers"],
        begin=arguments["begin"],
    )
    told = trainer.run(said=lambda line: print(line, flush=True))
    write_json(out / "training.json", {"kind": "smol-audio training", "version": 2, **told})


def _prepared(lm: Any, arguments: dict[str, Any], out: Path) -> tuple[Sounds, list[dict[str, Any]]]:
    """Sounds and what is known of them, made once and kept in the folder of the training."""
    held, told = out / "sounds.safetensors", out / "clips.json"
    if not (held.is_file() and told.is_file()):
        rows, waves = list[dict[str, Any]](), list[np.ndarray]()
        for folder in arguments["audio"]:
            more, some = _synthetic(folder)
            rows, waves = rows + more, waves + some
        if arguments["emodb"] is not None:
            more, some = _recorded(arguments["emodb"])
            rows, waves = rows + more, waves + some
        if not rows:
            raise SystemExit(f"{out} holds no sounds yet: name --audio and --emodb")
        Sounds.of(waves, lm.processor.whole.feature_extractor).save(held)
        write_json(told, {"kind": "smol-audio clips", "version": 1, "clips": rows})
    return Sounds.load(held), list(read_json(told, kind="smol-audio clips", version=1)["clips"])


def _voices(sounds: Sounds, rows: list[dict[str, Any]], limit: int | None) -> tuple[list[Voice], list[Voice]]:
    """For training and for dev. EmoDB's speakers are in both: each projector leaves some out, and is tried on them."""
    found: dict[str, list[Voice]] = {"train": [], "dev": []}
    for at, (row, frames) in enumerate(zip(rows, sounds.frames.tolist(), strict=True)):
        tokens = ((frames - 1) // 2 + 1 - 2) // 2 + 1  # the encoder halves frames twice
        told = {name: value for name, value in row.items() if name != "part"}
        voice = Voice(sound=at, frames=tokens, **told)
        for part in ("train", "dev") if voice.language == "de" else (row["part"],):
            found[part].append(voice)
    if limit is not None:
        english = [
            [v for v in found["dev"] if v.language == "en" and v.natural is kind] for kind in (False, True)
        ]
        german = [
            [v for v in found["dev"] if v.speaker == one]
            for one in sorted({v.speaker for v in found["dev"] if v.language == "de"})
        ]
        found["dev"] = [v for some in (*english, *german) for v in some[:: max(1, len(some) // limit)]]
    return found["train"], found["dev"]


def _synthetic(folder: Path) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    sound = np.load(folder / "audio.npy", mmap_mode="r")
    rows = [json.loads(line) for line in (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["length"] < LONGEST * 16_000]
    waves = [sound[row["offset"] : row["offset"] + row["length"]].astype(np.float32) / 32768 for row in rows]
    told = [{name: row[name] for name in ("part", "votes", "transcript", "sex")} for row in rows]
    more = [{"speaker": row["voice"], "natural": row["voice"] in _NATURAL} for row in rows]
    return [{**one, **two} for one, two in zip(told, more, strict=True)], waves


def _recorded(root: Path) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    clips = esn.corpus("emodb", root=root)
    rows = [
        {
            "part": "train",
            "votes": {emotion: float(emotion == clip.emotion) for emotion in clips.emotions},
            "transcript": clip.transcript,
            "sex": clip.sex,
            "speaker": clip.speaker,
            "language": "de",
        }
        for clip in clips
    ]
    return rows, [clip.waveform()[: int(LONGEST * 16_000)] for clip in clips]


if __name__ == "__main__":
    main()
