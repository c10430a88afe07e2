"""All ten speakers of EmoDB, each heard by a projector that has not learnt from them."""

import argparse
from typing import Any

import numpy as np
from safetensors.torch import load_file

import esn_interp as esn
from esn_interp.tasks.recognition import Recognition
from smol_audio.aims import scored
from smol_audio.clips import in_batches
from smol_audio.projectors import CROSSED


def crossed(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Recall of the seven emotions over all speakers, and by pair."""
    clips = esn.corpus("emodb", root=arguments.emodb)
    asked = Recognition(tuple(clips.emotions))
    speakers = np.array(clips.column("speaker"))
    found = np.full(len(clips), "", dtype=object)
    for variant in CROSSED:
        stored = load_file(arguments.trained / f"{variant.name}.safetensors")
        weights = {name: value.float() for name, value in stored.items()}
        lm.model.model.multi_modal_projector.load_state_dict(weights)
        rows = np.flatnonzero(np.isin(speakers, variant.without))
        own = clips.take(rows)
        answers = list[int]()
        for some in in_batches(own, arguments.batch_size):
            encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
            answers += lm.scores(encoded, asked.emotions).argmax(axis=1).tolist()
        found[rows] = np.array(asked.emotions)[answers]
    truth = np.array(clips.column("emotion"))
    each = {
        " and ".join(variant.without): scored(found[among], truth[among], speakers[among].tolist(), asked.emotions)
        for variant in CROSSED
        for among in [np.isin(speakers, variant.without)]
    }
    return {"emodb": scored(found, truth, speakers.tolist(), asked.emotions), "pairs": each}
