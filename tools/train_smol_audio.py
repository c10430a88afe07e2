"""Train the projector of smol-audio; its encoder and decoder stay as their makers published them.

    python tools/training_audio.py --out training
    python tools/training_audio.py --further --out training-further
    python tools/train_smol_audio.py --audio training training-further --emodb emodb --out smol-audio

begins with the projector that comes with the package (``--anew`` draws one), goes on where it was when the same command
is given again, and ends when dev has stopped rising. Dev are other voices, cut from training before it begins: those
that tools/training_audio.py performs for it, and two speakers of EmoDB, 12 and 13, who are new to a projector that was
drawn anew, and not to the bundled one; 10, 14 and 15 are never heard. ``--unemotional`` asks for transcripts and sex
alone, so that no emotion is named to the projector.
"""

import argparse
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from smol_audio.rows import UNEMOTIONAL, Voice
from smol_audio.training import SHARES, Recipe, Trainer, heard
from voices.casting import NATURAL_VOICES

import esn_interp as esn
from esn_interp.files import write_atomic, write_json
from esn_interp.speech.corpora.emodb_sample import SPEAKERS as NEVER

DEV = ("12", "13")
_NATURAL = {voice.name for voice, _ in NATURAL_VOICES}
LONGEST = 9.9  # seconds: one window of the encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, nargs="+", required=True, help="folders of tools/training_audio.py")
    parser.add_argument("--emodb", type=Path, help="folder of EmoDB's release")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--limit", type=int, help="about so many clips of each folder, for a trial")
    parser.add_argument("--dev", type=int, help="about so many dev clips of each folder")
    parser.add_argument("--anew", action="store_true", help="begin with a drawn projector")
    parser.add_argument("--unemotional", action="store_true", help="transcripts and sex alone")
    for one in fields(Recipe):
        if one.name == "votes":
            parser.add_argument("--votes", action="store_true", help="answers are drawn by the votes of listeners")
        elif one.name != "shares":
            parser.add_argument(f"--{one.name}", type=type(one.default), default=one.default)
    arguments = vars(parser.parse_args())
    recipe = Recipe(**{one.name: arguments[one.name] for one in fields(Recipe) if one.name != "shares"})
    if arguments["unemotional"]:
        recipe = replace(recipe, shares={kind: SHARES[kind] for kind in UNEMOTIONAL})
    lm = esn.load("smol-audio", dtype=arguments["dtype"], device_map=arguments["device"])
    if arguments["anew"]:
        torch.manual_seed(recipe.seed)
        for layer in (lm.model.model.multi_modal_projector.linear_1, lm.model.model.multi_modal_projector.linear_2):
            layer.reset_parameters()
    out: Path = arguments["out"]
    voices, dev = _voices(lm, arguments, out)
    print(f"{len(voices)} clips for training, {len(dev)} for dev")
    told = Trainer(lm, voices, dev, recipe, out).run()
    write_json(out / "training.json", {"kind": "smol-audio training", "version": 1, **told})
    print(json.dumps(told["best"]))


def _voices(lm: Any, arguments: dict[str, Any], out: Path) -> tuple[list[Voice], list[Voice]]:
    """What the encoder hears of every clip, heard once and kept in the folder of the training."""
    clips: list[dict[str, Any]] = []
    waves: list[np.ndarray] = []
    for folder in arguments["audio"]:
        more, sounds = _synthetic(folder, arguments["limit"], arguments["dev"])
        clips, waves = clips + more, waves + sounds
    if arguments["emodb"] is not None:
        more, sounds = _recorded(arguments["emodb"])
        clips, waves = clips + more, waves + sounds
    held = out / "heard.safetensors"
    if not held.is_file():
        frames = heard(lm, waves)
        kept = {f"{at:05d}": one.half().contiguous() for at, one in enumerate(frames)}
        write_atomic(held, lambda file: save_file(kept, file))
    stored = load_file(held)
    if len(stored) != len(clips):
        raise SystemExit(f"{held} holds {len(stored)} clips, not {len(clips)}: remove it")
    told = [(clip.pop("part"), Voice(frames=stored[f"{at:05d}"], **clip)) for at, clip in enumerate(clips)]
    return [one for part, one in told if part == "train"], [one for part, one in told if part == "dev"]


def _synthetic(folder: Path, limit: int | None, dev: int | None) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    sound = np.load(folder / "audio.npy", mmap_mode="r")
    rows = [json.loads(line) for line in (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()]
    parts = {part: [row for row in rows if row["part"] == part] for part in ("train", "dev")}
    rows = [*_thinned(parts["train"], limit), *_thinned(parts["dev"], dev)]
    rows = [row for row in rows if row["length"] < LONGEST * 16_000]
    waves = [sound[row["offset"] : row["offset"] + row["length"]].astype(np.float32) / 32768 for row in rows]
    told = [{name: row[name] for name in ("part", "votes", "transcript", "sex")} for row in rows]
    return [{**one, "natural": row["voice"] in _NATURAL} for one, row in zip(told, rows, strict=True)], waves


def _thinned(rows: list[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    return rows if limit is None else rows[:: max(1, len(rows) // limit)]


def _recorded(root: Path) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    clips = esn.corpus("emodb", root=root)
    kept = [clip for clip in clips if clip.speaker not in NEVER]
    rows = [
        {
            "part": "dev" if clip.speaker in DEV else "train",
            "votes": {emotion: float(emotion == clip.emotion) for emotion in clips.emotions},
            "transcript": clip.transcript,
            "sex": clip.sex,
            "language": "de",
        }
        for clip in kept
    ]
    return rows, [clip.waveform()[: int(LONGEST * 16_000)] for clip in kept]


if __name__ == "__main__":
    main()
