"""The training audio as a model is given it, and what its ears make of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from toy_omni import architecture


@dataclass(frozen=True)
class Clip:
    mel: Tensor  # [mel, frame]
    transcript: str
    sex: str
    votes: dict[str, float]
    part: str
    acted: str
    voice: str = ""


def load_clips(folder: Path) -> list[Clip]:
    """The training audio as log-mel features, exactly as the package extracts them."""
    from esn_interp.models.families.qwen2_5_omni import _mel  # pyright: ignore[reportPrivateUsage]

    lines = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    cache = folder / "mels.npz"
    audio = np.load(folder / "audio.npy", mmap_mode="r")
    if not cache.exists():
        extractor = architecture.make_feature_extractor()

        def mels(part: Sequence[dict[str, Any]]) -> list[np.ndarray]:
            cut = [
                audio[line["offset"] : line["offset"] + line["length"]].astype(np.float32) / 32767
                for line in part
            ]
            return [_mel(extractor, wave).T.half().numpy() for wave in cut]

        chunks = [lines[i : i + 200] for i in range(0, len(lines), 200)]
        made = [mel for part in Parallel(n_jobs=2)(delayed(mels)(chunk) for chunk in chunks) for mel in part]
        np.savez(cache, mel=np.concatenate(made, axis=1), frames=np.array([mel.shape[1] for mel in made]))
    stored = np.load(cache)
    ends = np.cumsum(stored["frames"])
    mel = torch.from_numpy(stored["mel"])
    return [
        Clip(
            mel[:, end - frames : end].float(),
            line["transcript"],
            line["sex"],
            line["votes"],
            line["part"],
            max(line["weights"], key=line["weights"].get),
            line["voice"],
        )
        for line, frames, end in zip(lines, stored["frames"].tolist(), ends.tolist(), strict=True)
    ]


def hear(model: Any, clips: Sequence[Clip]) -> list[Tensor]:
    """The encoder's output for each clip, [audio token, hidden]."""
    longest = max(clip.mel.shape[1] for clip in clips)
    mels = torch.zeros(len(clips), architecture.MELS, longest)
    mask = torch.zeros(len(clips), longest, dtype=torch.long)
    for row, clip in enumerate(clips):
        mels[row, :, : clip.mel.shape[1]] = clip.mel
        mask[row, : clip.mel.shape[1]] = 1
    heard = model.model.get_audio_features(mels, mask).last_hidden_state
    return list(heard.split([_tokens(clip) for clip in clips]))


def hear_all(model: Any, clips: Sequence[Clip]) -> list[Tensor]:
    with torch.no_grad():
        return [ear for start in range(0, len(clips), 64) for ear in hear(model, clips[start : start + 64])]


def _tokens(clip: Clip) -> int:
    return ((clip.mel.shape[1] - 1) // 2 + 1 - 2) // 2 + 1
