"""What the talker hears of the thinker: its embeddings and last hidden states while it repeats a clip.

The thinker is frozen. It transcribes when it is asked to, whatever its system turn says; so the system turn carries the
request ("angry voice") and reaches the talker through these states.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from esn_interp.models.families.inputs import Processor
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni
from esn_interp.speech.acting import EMOTIONS
from toy_omni.questions import TRANSCRIPT

REQUEST = "{emotion} voice"


@dataclass(frozen=True)
class Source:
    """A clip to be said again, and how: ``request`` is an emotion, or empty for as it is."""

    wave: Float[np.ndarray, " sample"]
    transcript: str
    request: str


@dataclass(frozen=True)
class Thought:
    """Sums of embedding and last hidden state (audio: the hidden state alone), as the whole model passes them on."""

    prompt: Float[Tensor, "token hidden"]
    reply: Float[Tensor, "word hidden"]


def think(thinker: Any, processor: Processor, sources: Sequence[Source]) -> list[Thought]:
    """A batch whose requests are all there, or all missing."""
    family = Qwen25Omni()
    tokenizer = processor.tokenizer
    whole: list[Thought] = []
    for source in sources:
        system = REQUEST.format(emotion=source.request) if source.request else None
        inputs = family.inputs(processor, [source.wave], TRANSCRIPT, system=system)
        words = torch.tensor([tokenizer(source.transcript)["input_ids"]])
        ids = torch.cat([inputs.tensors["input_ids"], words], dim=1)
        with torch.no_grad():
            out = thinker(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                input_features=inputs.tensors["input_features"],
                feature_attention_mask=inputs.tensors["feature_attention_mask"],
                output_hidden_states=True,
                use_cache=False,
            )
        first, last = out.hidden_states[0][0], out.hidden_states[-1][0]
        prompt = inputs.audio.shape[1]
        heard = first.clone()
        heard[:prompt][inputs.audio[0]] = 0.0
        states = (heard + last).half()
        whole.append(Thought(states[:prompt], states[prompt:]))
    return whole


def training_sources(
    folder: Path, *, part: str, requests: int, seed: int = 0
) -> list[tuple[int, Source, str]]:
    """(number of the clip, source, its own emotion): every clip with some requests drawn for it."""
    rng = random.Random(seed)
    audio = np.load(folder / "audio.npy", mmap_mode="r")
    found = []
    for number, line in enumerate(
        json.loads(row) for row in (folder / "clips.jsonl").read_text().splitlines()
    ):
        if line["part"] != part:
            continue
        wave = audio[line["offset"] : line["offset"] + line["length"]].astype(np.float32) / 32767
        own = max(line["weights"], key=line["weights"].get)
        own = own if line["intensity"] > 0.3 else "neutral"
        drawn = rng.sample(["", *EMOTIONS], requests)
        found += [(number, Source(wave, line["transcript"], request), own) for request in drawn]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--thinker", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", default="train")
    parser.add_argument("--requests", type=int, default=2, help="drawn for every clip")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, processor = Qwen25Omni().load(arguments.thinker)
    started = time.monotonic()
    found = training_sources(arguments.audio, part=arguments.part, requests=arguments.requests)
    thoughts = []
    for start in range(0, len(found), 500):
        thoughts += think(model.eval(), processor, [source for _, source, _ in found[start : start + 500]])
        print(f"{len(thoughts)}/{len(found)}  {time.monotonic() - started:.0f} s", flush=True)
    about = [
        {
            "clip": number, "transcript": source.transcript, "request": source.request, "own": own,
            "prompt": len(thought.prompt), "reply": len(thought.reply),
        }
        for (number, source, own), thought in zip(found, thoughts, strict=True)
    ]  # fmt: skip
    states = [part for thought in thoughts for part in (thought.prompt, thought.reply)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(arguments.out, states=torch.cat(states).numpy(), about=json.dumps(about))


if __name__ == "__main__":
    main()
